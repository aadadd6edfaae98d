"""Which networks return their input: a score no better than none is easily taken for a close result."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from bench.config.schema import INPUT
from bench.metrics import PSNR
from bench.records.store import Result

if TYPE_CHECKING:
    from bench.report.cells import Group
    from bench.report.rows import Row

HAIR = 0.05  # dB; chosen: about the spread of one network's PSNR over seeds
MARK = "output = input"
NOTE = (
    f"{MARK}: slice by slice, the PSNR is on average less than {HAIR:g} dB from that of the untreated input; the "
    "network has not learned to change its input."
)


def of_result(row: Row, result: Result) -> bool:
    """Return whether one trained cell scores as its input does, less than ``HAIR`` dB apart per test slice on average.

    The gain itself is not asked: a network that helps half of the slices and harms the others has gain 0 too.
    """
    fold = result.planned.fold
    cells = [cell for cell in row.groups[INPUT].results if cell.planned.fold == fold]
    if result.planned.spec.model == INPUT or not cells or not result.scores:
        return False
    untreated = {(one["patient"], one["slice"]): one for one in cells[0].scores}
    apart = []
    for line in result.scores:
        its = untreated.get((line["patient"], line["slice"]))
        if its is None or PSNR not in line or PSNR not in its:
            return False
        mine, base = float(line[PSNR]), float(its[PSNR])  # equal infinities too: perfect before and after
        apart.append(0.0 if mine == base else abs(mine - base))
    return fmean(apart) < HAIR


def copies(row: Row) -> frozenset[str]:
    """Return the ids of the cells of a row whose network returns its input."""
    every = (result for group in row.groups.values() for result in group.results)
    return frozenset(result.planned.id for result in every if of_result(row, result))


def mark(row: Row, group: Group) -> str:
    """Return ``output = input`` where that holds for a seed or fold of the group, else nothing."""
    cells = [result for run in group.finished for result in run.results]
    return MARK if any(result.planned.id in row.copies for result in cells) else ""
