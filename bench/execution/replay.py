"""Finished cells scored once more from their weights and pairs and held against their records; nothing is written.

A cell is scored again as ``bench score`` does it, in a copy of its folder somewhere temporary, in which every score
counts as outdated: what it trained on, its processes and its code are the same, and its own folder is only read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.data.pairs import manifest, pairs, proofs
from bench.errors import BenchError
from bench.events import CellEnded, Event
from bench.execution import rescore, runner
from bench.execution.resolve import Request, ResolvedRun, resolve
from bench.execution.task import Task
from bench.plan.cells import PlannedCell
from bench.records import replaying
from bench.records.record import Record
from bench.records.store import CellStore


@dataclass
class Replay:
    """One cell: ``faults`` name each changed byte and other value, ``obstacle`` says why it was not scored again."""

    cell: PlannedCell
    record: Record | None = None
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    obstacle: str = ""
    words: str = ""  # how far its scores are equal

    @property
    def is_equal(self) -> bool:
        """Whether it has been scored again and nothing differs."""
        return not (self.faults or self.obstacle)


def run(request: Request, cells: Sequence[str] = ()) -> Generator[Event, None, list[Replay]]:
    """Replay the cells that ``cells`` names (as ``RunStore.find``), without any all of the last run; return each.

    Raises:
        BenchError: bad input, no run yet, or no such cell.
    """
    resolved = resolve(request)
    replays = [_opened(resolved, cell) for cell in _chosen(resolved, cells)]
    _hold_against_arrays(resolved, replays)
    ready = [replay for replay in replays if replay.record and not replay.obstacle]
    files = resolved.files
    unbuilt = pairs.missing({name: files[name] for name in {replay.cell.condition for replay in ready}})
    absent = [replay for replay in ready if replay.cell.condition in unbuilt]
    if absent:
        obstacles = yield from rescore.build_pairs(resolved, [replay.cell for replay in absent])
        for replay in absent:
            replay.obstacle = obstacles.get(replay.cell.id, "")
        _hold_against_arrays(resolved, absent)
    ready = [replay for replay in ready if not replay.obstacle]
    with tempfile.TemporaryDirectory(prefix="bench-replay-") as folder:
        yield from _score(resolved, ready, Path(folder))
    return replays


def _chosen(resolved: ResolvedRun, cells: Sequence[str]) -> list[PlannedCell]:
    """Return the cells of the last run that are asked for, as the files at hand plan them."""
    planned, plan = {cell.id: cell for cell in resolved.plan.cells}, resolved.store.read_plan()
    chosen = [resolved.store.find(text) for text in cells] or [cell.id for cell in plan.cells]
    for cell in chosen:
        if cell not in planned:
            message = f"{cell} is of other settings, code or versions than those that are planned now"
            raise BenchError(
                message, remedy="give the files of its run (--experiments, --datasets); see bench explain"
            )
    return [planned[cell] for cell in dict.fromkeys(chosen)]


def _opened(resolved: ResolvedRun, cell: PlannedCell) -> Replay:
    """Return a cell with what its files show."""
    store = resolved.store.cell(cell.id)
    seen = replaying.inspect(store)
    replay = Replay(cell, seen.record, list(seen.faults), list(seen.remarks))
    if seen.record is None:
        replay.obstacle = "its record cannot be read" if seen.faults else "it has not been run"
    elif seen.record.id != cell.id:
        replay.faults.append(f"{store.folder / 'record.json'}: record of another cell, {seen.record.id}")
        replay.obstacle = "it has no record of its own"
    elif seen.record.status != "finished":
        replay.obstacle = f"it has not finished ({seen.record.status})"
    else:
        replay.obstacle = rescore.absent_images(cell, store)
    return replay


def _hold_against_arrays(resolved: ResolvedRun, replays: Iterable[Replay]) -> None:
    """Note which arrays on disk are not those that were built, or not those that a cell was scored on."""
    sound: dict[Path, str | None] = {}
    for replay in replays:
        if replay.obstacle or replay.record is None:
            continue
        files = resolved.files[replay.cell.condition]
        for key, path in (("degraded", files.degraded_path), ("reference", files.reference_path)):
            if path not in sound:
                sound[path] = _sha256(path)
            now, then = sound[path], replay.record.data.get(key, "")
            if now == "":
                replay.faults.append(f"{path}: its bytes have changed since it was built")
                replay.obstacle = "its pairs have changed; bench data build builds them anew"
            elif now is not None and now != then:
                replay.faults.append(replaying.changed(path, now, then))
                replay.obstacle = "its pairs are not those that it was scored on"


def _sha256(array: Path) -> str | None:
    """Return the SHA-256 of an array's values, which are read; "" where they have changed, None where it is absent."""
    described = manifest.read(array.parent)
    if described is None or array.name not in described.arrays or not array.exists():
        return None
    proofs.forget([array])
    return described.arrays[array.name].sha256 if manifest.is_sound(array, described) else ""


def _score(resolved: ResolvedRun, replays: Sequence[Replay], folder: Path) -> Generator[Event, None, None]:
    """Score each cell in a copy of its folder, and hold the scores against those of its record."""
    tasks = [_task(resolved, replay, folder) for replay in replays]
    failed = {}
    for event in rescore.score(resolved.request, tasks, folder / "log.txt") if tasks else ():
        if isinstance(event, CellEnded) and event.status != "finished":
            failed[event.cell] = event.message
        yield event
    for replay, task in zip(replays, tasks, strict=True):
        if task.id in failed:
            replay.obstacle = failed[task.id]
            continue
        again = task.store.read_record()
        assert again is not None and replay.record is not None
        store = resolved.store.cell(task.id)
        rows, present = task.store.read_scores(again), again.rescored[-1].environment
        found = replaying.compare(store, replay.record, rows, present)
        replay.faults += found.faults
        replay.remarks += found.remarks
        replay.words = found.words


def _task(resolved: ResolvedRun, replay: Replay, folder: Path) -> Task:
    """Return the task that scores a copy of a cell: its record with all scores outdated, links to weights or outputs.

    It runs on as many threads as the cell did, if no others are asked for.
    """
    task, record = runner.task_of(resolved, replay.cell), replay.record
    assert record is not None
    copy, own = CellStore(folder / task.id), task.store
    copy.write_scores([{"patient": patient, "slice": name} for patient, name in task.parts["test"]])
    copy.write_record(
        record.model_copy(update={"metrics": {}, "scoring_version": None, "rescored": (), "files": {}})
    )
    for images in (own.weights, own.outputs):
        if images.exists():
            (copy.folder / images.name).symlink_to(images.resolve())
    threads = resolved.request.threads or record.environment.get("threads") or task.threads
    return replace(task, store=copy, rescore=True, before=None, threads=threads)
