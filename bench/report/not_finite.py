"""Scores that are no finite number, in words: named slice by slice, and in no mean.

PSNR is infinite where an image equals its reference. Of the untreated input that is a pair without a difference:
the slice is left out for every cell of its row, for there is nothing to gain. Of a network it is left out of that
network's mean, its gain is over the other slices, and the network takes no part in choosing the winner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench import words
from bench.config.schema import INPUT
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.rows import Row
from bench.report.slices import SliceName, slice_names

SHOWN = 3  # slices named in a sentence; the table below the provenance names all


def of_row(board: Scoreboard, row: Row, metrics: Iterable[str]) -> str:
    """Return which slices no cell of a row counts, and how many are left; empty where all count."""
    texts = []
    untreated = row.groups[INPUT].means.not_finite
    for metric in metrics:
        if slices := slice_names(score for score in untreated if score.metric == metric):
            tested = max((run.slices for group in row.groups.values() for run in group.finished), default=0)
            texts.append(
                f"{_share(board, metric, slices, tested)}: "
                f"the untreated input's is not finite at {_listed(slices)}"
            )
    return "; ".join(texts)


def of_cell(board: Scoreboard, group: Group, metrics: Iterable[str]) -> str:
    """Return which slices of its own a cell does not count; empty where all count."""
    texts = []
    for metric in metrics:
        if slices := slice_names(group.not_finite(metric)):
            tested = max(run.slices for run in group.finished)
            texts.append(f"{_share(board, metric, slices, tested)}: not finite at {_listed(slices)}")
    return "; ".join([*texts, "takes no part in choosing the winner"]) if texts else ""


def sentences(board: Scoreboard) -> Iterator[str]:
    """Yield a sentence for each row, and for each cell, with a score that is no finite number."""
    for row in board.rows:
        if text := of_row(board, row, board.metrics):
            yield f"{board.condition(row)}: {text}. These slices are in no mean, gain or claim of the row."
        for model, group in row.groups.items():
            if text := of_cell(board, group, board.metrics):
                yield f"{board.condition(row)}, {board.names[model]}: {text}."


def _share(board: Scoreboard, metric: str, slices: Sequence[SliceName], tested: int) -> str:
    return f"{board.label(metric)} over {tested - len(slices)} of {words.count(tested, 'slice')}"


def _listed(slices: Sequence[SliceName]) -> str:
    names = [f"{patient}/{name}" for patient, name in slices]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
