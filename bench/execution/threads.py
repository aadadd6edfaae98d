"""How many threads a cell runs on: a fixed rule of its size, so that its bits do not depend on the machine."""

from __future__ import annotations

from bench.plan.cells import PlannedCell
from bench.records.store import CellStore

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
    saved = None if anew else _saved(store)
    return saved or chosen or by_size(cell.size)


def _saved(store: CellStore) -> int | None:
    """Return the threads that the saved state of a training has run on; None where there is none or it does not say."""
    # TO BE WIRED: ``State.threads`` of bench/training/checkpoint.py, read from ``store.state`` without its arrays.
    return None
