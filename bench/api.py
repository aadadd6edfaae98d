"""The benchmark in Python, under the names of its commands: ``bench.results``, ``bench.load`` and ``bench.run``.

Nothing is printed and nothing exits: bad input raises ``BenchError``. What ``bench`` itself exports comes from here.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import words
from bench.data.pairs import CACHE
from bench.errors import BenchError
from bench.events import Event
from bench.names import suggestion
from bench.records.store import RunStore
from bench.trained import Trained, load

if TYPE_CHECKING:
    from bench.report.frame import Results

__all__ = ["BenchError", "Trained", "load", "results", "run"]


def results(folder: str | Path) -> Results:
    """Return the scores of a run (``runs/paper``): a data frame with a row for each finished cell and test slice.

    ``.table()`` of it is the score table, conditions by networks.

    Raises:
        BenchError: there is no run, or a file of it is broken.
    """
    from bench.report.frame import frame  # late: pandas

    return frame(RunStore(Path(folder)))


def run(
    profile: str = "paper",
    only: str | Sequence[str] = (),
    *,
    runs: str | Path = "runs",
    cache: str | Path | None = None,
    reports: str | Path = "reports",
    datasets: str | Path | None = None,
    experiments: str | Path | None = None,
    tell: Callable[[Event], object] | None = None,
    **options: Any,
) -> Results:
    """Train and score what has not ended yet, write the tables, and return the scores: as the command ``bench run``.

    It continues from what is finished when it is called again, also after an interruption.

    Args:
        profile: In experiments.yaml.
        only: ``model:condition`` of the cells to run, one or several; without any, all.
        runs: Where records go.
        cache: Where built pairs go; without, ``BENCH_CACHE`` or ``.bench-cache``.
        reports: Where tables go.
        datasets: Instead of datasets.yaml in the current folder.
        experiments: Instead of experiments.yaml in the current folder.
        tell: Called with each event of the run (``bench.events``); ``print`` shows them.
        options: As on the command line: threads, force, retry_failed, mask_patients, budget, executor, save_every_s;
            and those of the machine: workers, gpus, slots_per_gpu, gpu_free, wait, stall_limit, cell_limit.

    Raises:
        BenchError: bad input; a cell that fails is a RuntimeWarning, with why.
    """
    from dataclasses import fields

    from bench.execution import runner
    from bench.execution.machine import Machine
    from bench.execution.resolve import Request

    places = {field.name for field in fields(Machine)}
    known = {*places, *(field.name for field in fields(Request))}
    for name in options:
        if name not in known - {"machine"}:
            raise BenchError(f"no option {name!r}", remedy=suggestion(name, known - {"machine"}))
    request = Request(
        profile=profile,
        only=(only,) if isinstance(only, str) else tuple(only),
        runs=Path(runs),
        cache=Path(cache or os.environ.get("BENCH_CACHE") or CACHE),
        reports=Path(reports),
        datasets=None if datasets is None else Path(datasets),
        experiments=None if experiments is None else Path(experiments),
        machine=Machine(**{name: options.pop(name) for name in places & set(options)}),
        **options,
    )
    with closing(runner.run(request)) as events:
        for event in events:
            if tell is not None:
                tell(event)
    store = RunStore(request.runs / profile)
    _warn_of_unfinished(store, request.only)
    return results(store.root)


def _warn_of_unfinished(store: RunStore, only: Sequence[str]) -> None:
    """Warn of cells that have not finished, each with its reason: the data frame has no rows of them."""
    unfinished = []
    for cell in store.read_plan().cells:
        if only and f"{cell.spec.model}:{cell.condition}" not in only:
            continue
        record = store.cell(cell.id).read_record()
        if record is not None and record.status != "finished":
            message = record.attempts[-1].message if record.attempts else ""
            unfinished.append(f"{cell.id} ({record.status}{f': {message}' if message else ''})")
    if unfinished:
        count = words.count(len(unfinished), "cell")
        warnings.warn(f"{count} did not finish: {'; '.join(unfinished)}", RuntimeWarning, stacklevel=3)
