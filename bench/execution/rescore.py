"""Finished cells scored again where this program has new or newer metrics: from weights and pairs, without training."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bench import atomic
from bench.data.pairs import pairs
from bench.errors import BenchError
from bench.events import CellEnded, Event, Message
from bench.execution import runner
from bench.execution.executor import executor_of
from bench.execution.resolve import Request, ResolvedRun, resolve
from bench.execution.task import NetworkCheck, Task
from bench.plan.cells import Cell, PlannedCell
from bench.records.rescoring import is_newer, outdated
from bench.records.store import CellStore, sha256_of


def run(request: Request) -> Generator[Event, None, int]:
    """Score finished cells again, then write the tables; yield events and return how many cells could not be.

    Raises:
        BenchError: bad input, or no run yet.
    """
    resolved = resolve(request)
    resolved.store.read_plan()  # there is a run
    with atomic.lock(resolved.store.root / ".lock"):
        todo, obstacles = _triage(resolved)
        current = len(resolved.chosen) - len(todo) - len(obstacles)
        obstacles |= yield from build_pairs(resolved, todo)
        for cell, reason in obstacles.items():
            yield Message(f"{cell} cannot be scored again: {reason}")
        todo = [cell for cell in todo if cell.id not in obstacles]
        tasks = [replace(runner.task_of(resolved, cell), rescore=True) for cell in todo]
        failed = (yield from score(request, tasks, resolved.store.log)) if tasks else 0
        yield from runner.tables(request, resolved)
    bad = len(obstacles) + failed
    counts = [f"{len(todo) - failed} cells scored again", f"{current} up to date"]
    yield Message(", ".join([*counts, f"{bad} could not be scored again"] if bad else counts))
    return bad


def _triage(resolved: ResolvedRun) -> tuple[list[PlannedCell], dict[str, str]]:
    """Return the cells with outdated scores, and by its id why a cell cannot be scored again."""
    todo, obstacles = [], {}
    for cell in resolved.chosen:
        folder = resolved.store.cell(cell.id)
        record = folder.read_record()
        if record is None:
            obstacles[cell.id] = _not_run(resolved, cell)
            continue
        folder.settle(record)
        if record.status != "finished":
            obstacles[cell.id] = f"it has not finished ({record.status})"
        elif is_newer(record):
            obstacles[cell.id] = "a later version of this program has scored it"
        elif outdated(record):
            if absent := absent_images(cell, folder):
                obstacles[cell.id] = absent
            elif record.weights_sha256 not in ("", folder.weights_sha256()):
                obstacles[cell.id] = f"{folder.weights} is not the file that its record names"
            elif record.submission and record.submission.outputs_sha256 != sha256_of(folder.outputs):
                obstacles[cell.id] = f"{folder.outputs} is not the file that its record names"
            else:
                todo.append(cell)
    return todo, obstacles


def absent_images(cell: PlannedCell, folder: CellStore) -> str:
    """Return that weights or submitted outputs are not there, without which nothing can be scored; empty: they are."""
    if cell.spec.submitted and not folder.outputs.exists():
        return f"{folder.outputs} is not there; submit the method again"
    if cell.spec.build is not None and not folder.weights.exists():
        return f"{folder.weights} is not there"
    return ""


def _not_run(resolved: ResolvedRun, cell: PlannedCell) -> str:
    """Return that a cell has no record, and of records of its model, condition, seed and fold how they differ."""
    earlier = []
    for name in resolved.store.others(resolved.plan):
        if name.rpartition("-")[0] != cell.id.rpartition("-")[0]:
            continue
        with suppress(BenchError):  # one that cannot be read says nothing
            if record := resolved.store.cell(name).read_record():
                earlier.append(f"{name} is of {_difference(record.spec, cell.spec)}")
    return "; ".join(["it has not been run", *earlier])


def _difference(earlier: Cell, cell: Cell) -> str:
    """Return in what an earlier cell differs: ``physics version 1, not 2``, ``other code of the network``."""
    versions = [
        f"{name} version {earlier.versions.get(name, 'unknown')}, not {version}"
        for name, version in cell.versions.items()
        if earlier.versions.get(name) != version
    ]
    code = ["other code of the network"] if earlier.code != cell.code else []
    return ", ".join([*versions, *code]) or "other settings"


def build_pairs(
    resolved: ResolvedRun, cells: Iterable[PlannedCell]
) -> Generator[Event, None, dict[str, str]]:
    """Build the pairs of the cells where they are absent; return by its id why a cell has none."""
    conditions = {cell.id: cell.condition for cell in cells}
    try:
        yield from runner.build(resolved, set(conditions.values()))
    except BenchError as error:
        absent = pairs.missing({name: resolved.files[name] for name in conditions.values()})
        reason = f"its pairs are not there ({' '.join(str(error).split())})"
        return {cell: reason for cell, condition in conditions.items() if condition in absent}
    return {}


def score(request: Request, tasks: Sequence[Task], log: Path) -> Generator[Event, None, int]:
    """Score cells in the processes of an executor; return how many could not be. ``log`` takes what is no cell's."""
    failed = 0
    with executor_of(request.executor)(request.machine) as executor:
        executor.begin(NetworkCheck((), log), [task.threads for task in tasks if task.network])
        yield from executor.faults()
        for event in executor.run(tasks):
            failed += isinstance(event, CellEnded) and event.status != "finished"
            yield event
    return failed
