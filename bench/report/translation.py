"""A published PSNR or SSIM in another convention, and which convention would explain it: from the slices of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.config.schema import INPUT
from bench.errors import BenchError
from bench.metrics import CONVENTIONS, Convention
from bench.records.store import TEXT_COLUMNS, Result, RunStore
from bench.report import statistics
from bench.report.conventions import values
from bench.report.slices import finished


@dataclass(frozen=True)
class Shifts:
    """How far one convention lies above another: from ``low`` to ``high`` over slices, and over the means of cells.

    ``unit`` is ``slice``, or ``patient`` where one of the two has one value a patient.
    """

    low: float
    high: float
    mean_low: float
    mean_high: float
    count: int
    unit: str
    cells: int


def shifts(run: RunStore, source: Convention, target: Convention, cell: str = "") -> Shifts:
    """Return how far ``target`` lies above ``source`` in the trained cells of a run, or in the one ``cell`` names.

    Raises:
        BenchError: there is no run or no such cell, or none of its cells has scores of both conventions.
    """
    unit = "patient" if "patients" in (source.order, target.order) else "slice"
    of_cells, means = [], []
    for _, scores in _cells(run, cell):
        one, other = values(scores, source), values(scores, target)
        if one is None or other is None:
            continue
        if one.index.nlevels == other.index.nlevels:
            both = pd.concat((one, other), axis=1).dropna()  # slices, or patients, that have a value of each
            one, other = both.iloc[:, 0], both.iloc[:, 1]
        if one.empty or other.empty:
            continue
        means.append(
            statistics.mean(other) - statistics.mean(one)
        )  # each mean in the order of its own convention
        if unit == "patient":
            one, other = (each.groupby(level="patient").mean() for each in (one, other))
        of_cells.append((other - one).dropna())
    if not of_cells:
        raise BenchError(
            f"no cell has scores of both {source.id} and {target.id}",
            file=run.root, remedy=f"run: bench score --all --profile {run.root.name}",
        )  # fmt: skip
    every = pd.concat(of_cells)
    low, high = float(every.min()), float(every.max())
    return Shifts(low, high, min(means), max(means), len(every), unit, len(of_cells))


def means(run: RunStore, cell: str, score: str) -> dict[str, float]:
    """Return the mean of a cell's slices, or patients, in each convention of ``psnr`` or ``ssim`` that it has, by id.

    Raises:
        BenchError: there is no run, or not one such cell with scores.
    """
    ((_, scores),) = _cells(run, cell)
    of_cell = {one.id: values(scores, one) for one in CONVENTIONS.values() if one.score == score}
    return {
        name: statistics.mean(found) for name, found in of_cell.items() if found is not None and len(found)
    }


def _cells(run: RunStore, cell: str) -> Iterator[tuple[Result, pd.DataFrame]]:
    """Yield the finished networks of a run, or the one cell that is named, with scores by patient and slice."""
    plan = run.read_plan()
    name = run.find(cell) if cell else ""
    results = [
        r for r in run.read_all(plan) if (r.planned.id == name if name else r.planned.spec.model != INPUT)
    ]
    ended = [result for result in results if finished(result)]
    if not ended:
        raise BenchError(f"{name or 'no network'} has {'not ' if name else ''}finished", file=run.root)
    for result in ended:
        frame = pd.DataFrame(result.scores).set_index(list(TEXT_COLUMNS))
        yield result, frame.replace([np.inf, -np.inf], np.nan)
