"""How many threads a cell runs on: a fixed rule of its size, so that its bits do not depend on the machine."""

from __future__ import annotations

from bench.plan.cells import PlannedCell
from bench.records.store import CellStore
from bench.training.checkpoint import saved_threads

# From this side of a slice in pixels, so many threads: measured in benchmarks/README.md, "Cells side by side".
BY_SIDE = ((512, 4), (256, 2))


def by_size(side: int) -> int:
    """Return the threads of a cell whose slices have ``side`` x ``side`` pixels."""
    return next((threads for least, threads in BY_SIDE if side >= least), 1)


def of_cell(cell: PlannedCell, store: CellStore, *, chosen: int = 0, anew: bool = False) -> int:
    """Return the threads of a cell: those of its saved state, else as ``chosen``, else (0) by the rule of its size.

    Another number of threads sums in another order, so a training goes on with those it began with, unless it is to
    begin ``anew``.
    """
    saved = None if anew else saved_threads(store.state)
    return saved or chosen or by_size(cell.size)
