"""Several folders of results as one: whole cells are copied by id, and equal ids must hold equal results."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench import atomic
from bench.errors import BenchError, BenchErrors
from bench.plan.cells import Plan, PlannedCell
from bench.records.record import Record
from bench.records.store import CellStore, RunStore

Value = TypeVar("Value")
#: Of a cell, what is copied: all but locks, states of unfinished trainings and what killed writers have left.
FILES = (
    "log.txt",
    "history.csv",
    "weights.npz",
    "outputs.npy",
    "samples.npz",
    "spectra.csv",
    "scores.new.csv",
    "scores.csv",
    "record.json",
)
RESULTS = ("scores.csv", "weights.npz", "outputs.npy", "samples.npz")  # their bytes are those of the cell
#: Of a record, what two machines may have different for the same results.
BY_MACHINE = {
    "schema_version", "attempts", "environment", "timings", "configuration", "rescored", "source", "files",
    "inputs", "program", "started", "ended",
}  # fmt: skip
SETTLE = "keep the folder that you trust and leave the other out"


@dataclass(frozen=True)
class _Copy:
    cell: str
    source: CellStore
    record: bytes  # as it was compared


def merge(sources: Sequence[RunStore], into: RunStore) -> Iterator[str]:
    """Copy the ended cells of ``sources`` that ``into`` lacks, one after another, then its plan; yield lines.

    A failed cell gives way to one that has ended otherwise. A kill leaves whole cells: the same command goes on.

    Raises:
        BenchErrors, BenchError: the folders do not belong together, and nothing is copied; a cell is being worked on.
    """
    with atomic.lock(into.root / ".lock"):
        stores = [into] if (into.root / "plan.json").exists() else []
        stores += [store for store in sources if store.root.resolve() != into.root.resolve()]
        plan, split = _plan(stores), _split(stores)
        copies = list(_copies(stores, into, plan))
        for copy in copies:
            _write(copy, into.cell(copy.cell))
            yield f"{copy.cell} from {copy.source.folder.parent}"
        into.write_plan(plan)
        if split:
            into.write_split(split)
    ended = sum(into.cell(cell.id).read_record() is not None for cell in plan.cells)
    yield f"{len(copies)} cells copied; {into.root} has {ended} of {len(plan.cells)} cells"


def _copies(stores: Sequence[RunStore], into: RunStore, plan: Plan) -> Iterator[_Copy]:
    """Yield each cell that is to be copied and from where; then raise all conflicts at once."""
    conflicts: list[BenchError] = []
    stores = stores if into in stores else [into, *stores]
    for cell in plan.cells:
        ended = [(one, record) for one in (s.cell(cell.id) for s in stores) if (record := one.read_record())]
        best = [pair for pair in ended if pair[1].status != "failed"] or ended
        for other in best[1:]:
            if best[0][1].status != "failed":
                conflicts += _differences(best[0], other)
        if best and best[0][0].folder.parent != into.root:
            yield _Copy(cell.id, best[0][0], _bytes(best[0][0]))
    if conflicts:
        raise BenchErrors(conflicts)


def _differences(first: tuple[CellStore, Record], other: tuple[CellStore, Record]) -> list[BenchError]:
    """Return in which files the results of two cells of one id differ, with the SHA-256 of both."""
    (a, record), (b, second) = first, other
    hashes: list[tuple[str, str, str]] = [
        (name, _sha256(_file(a, name, record)), _sha256(_file(b, name, second))) for name in RESULTS
    ]
    hashes.append(("record.json", _digest(record), _digest(second)))
    return [
        BenchError(
            f"{name} is {x or 'absent'} in {a.folder} and {y or 'absent'} in {b.folder}", remedy=SETTLE
        )
        for name, x, y in hashes
        if x != y
    ]


def _file(store: CellStore, name: str, record: Record) -> Path:
    """Return a file of results; of scores those that belong to the record."""
    coming = store.folder / "scores.new.csv"
    if name == "scores.csv" and record.rescored and _sha256(coming) == record.rescored[-1].scores_sha256:
        return coming
    return store.folder / name


def _digest(record: Record) -> str:
    """Return the SHA-256 of a record without what differs from machine to machine."""
    values = record.model_dump(mode="json", by_alias=True, exclude=BY_MACHINE)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _write(copy: _Copy, target: CellStore) -> None:
    """Copy one cell as one step, under its lock.

    Raises:
        BenchError: it is being worked on, on either side, or the disk is full.
    """
    size = sum(path.stat().st_size for path in copy.source.folder.iterdir())
    with (
        atomic.lock(target.lock, what=target.folder, busy="wait until it has ended, or stop it"),
        atomic.replace_folder(target.folder, needed_bytes=size) as temporary,
    ):
        for name in FILES:
            if (copy.source.folder / name).is_file():
                shutil.copyfile(copy.source.folder / name, temporary / name)
        if (temporary / "record.json").read_bytes() != copy.record or _bytes(copy.source) != copy.record:
            raise BenchError("is being changed", file=copy.source.folder, remedy="wait until it has ended")


def _plan(stores: Sequence[RunStore]) -> Plan:
    """Return the plan of all folders: the cells of each in the order of the first.

    Raises:
        BenchErrors: they are not of one table.
    """
    first, *others = [store.read_plan() for store in stores]
    errors = []
    same: dict[str, Callable[[Plan], Any]] = {
        "profile": lambda plan: plan.profile,
        "source": lambda plan: plan.source,
        "published table": lambda plan: (plan.published, plan.further),
        "finding about leaks": lambda plan: plan.leaky,
        "slices": lambda plan: plan.folds,
    }
    for store, plan in zip(stores[1:], others, strict=True):
        for what, of in same.items():
            if of(plan) != of(first):
                place, there = store.root / "plan.json", stores[0].root
                errors.append(
                    BenchError(f"of another {what} than {there}", file=place, remedy="merge like with like")
                )
                break
        else:
            errors += [
                BenchError(
                    f"{a} is planned with other settings than {b} in {stores[0].root}",
                    file=store.root / "plan.json",
                    remedy="run one of them again with the files of the other",
                )
                for a, b in _rivals(plan, first)
            ]
    if errors:
        raise BenchErrors(errors)
    every = [first, *others]
    return first.model_copy(
        update={
            "models": _union(every, lambda plan: plan.models),
            "conditions": _union(every, lambda plan: plan.conditions),
            "seeds": list(dict.fromkeys(seed for plan in every for seed in plan.seeds)),
            "cells": list(_union(every, lambda plan: {cell.id: cell for cell in plan.cells}).values()),
        }
    )


def _union(plans: Sequence[Plan], of: Callable[[Plan], dict[str, Value]]) -> dict[str, Value]:
    """Return the entries of all plans in the order of their first appearance, each as the first plan has it."""
    union: dict[str, Value] = {}
    for plan in plans:
        union = union | {name: value for name, value in of(plan).items() if name not in union}
    return union


def _rivals(plan: Plan, first: Plan) -> Iterator[tuple[str, str]]:
    """Yield the cells of two plans that have one place in the table and different ids."""
    places = {_place(cell): cell.id for cell in first.cells}
    for cell in plan.cells:
        if places.get(_place(cell), cell.id) != cell.id:
            yield cell.id, places[_place(cell)]


def _place(cell: PlannedCell) -> tuple[str, str, int, int | None]:
    return cell.spec.model, cell.condition, cell.spec.seed, cell.fold


def _split(stores: Sequence[RunStore]) -> str:
    """Return ``split.csv``; empty where no folder has one.

    Raises:
        BenchError: two are different.
    """
    texts = {}
    for path in (store.root / "split.csv" for store in stores):
        if path.is_file():
            texts[path.read_text(encoding="utf-8")] = path
    if len(texts) > 1:
        a, b, *_ = texts.values()
        raise BenchError(f"another split than {a}", file=b, remedy="merge like with like")
    return next(iter(texts), "")


def _bytes(store: CellStore) -> bytes:
    return (store.folder / "record.json").read_bytes()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
