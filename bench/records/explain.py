"""What sets two cells apart, where it comes from and whether it may move their numbers: a function of two records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bench import environment
from bench.records.record import Record
from bench.records.store import TEXT_COLUMNS, CellStore

Group = Literal["code", "data", "split", "setting", "seed", "library", "device", "convention"]
#: ``rounding``: the last bits, which a training makes larger; ``perhaps``: a commit says nothing of what it changed.
Moves = Literal["yes", "rounding", "perhaps", "no"]

ABSENT = "absent"
#: Of a cell's keys, the first of these that begins one says where it belongs.
OF_CELL: dict[str, Group] = {
    "code": "code", "versions.": "code", "seed": "seed", "dataset.noise_seed": "seed",
    "dataset.data.source": "data", "dataset.data.kind": "data", "dataset.data.fingerprint": "data",
    "dataset.data.patients_known": "data", "dataset.data.": "split", "dataset.": "data", "": "setting",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One key, the two values of it, where it belongs and whether it may move the numbers."""

    group: Group
    key: str
    first: Any
    other: Any
    moves: Moves


@dataclass(frozen=True)
class Outcome:
    """A metric of both cells: the means over the slices that both have, and on how many of these they differ."""

    metric: str
    first: float
    other: float
    slices: int
    differing: int


def explain(first: Record, other: Record) -> list[Difference]:
    """Return all that differs between what two cells are, were given and ran on, what moves numbers most first."""
    every = [*_of_cell(first, other), *_of_run(first, other), *_of_metrics(first, other)]
    moves, groups = get_args(Moves), get_args(Group)
    return sorted(every, key=lambda one: (moves.index(one.moves), groups.index(one.group)))


def outcomes(first: CellStore, other: CellStore) -> list[Outcome]:
    """Return what came out, by the metrics that both cells have."""
    sides = [
        {(row["patient"], row["slice"]): row for row in store.read_scores(store.read_record())}
        for store in (first, other)
    ]
    common = [name for name in sides[0] if name in sides[1]]
    rows = [(sides[0][name], sides[1][name]) for name in common]
    metrics = dict.fromkeys(name for row, _ in rows for name in row if name not in TEXT_COLUMNS)
    scored = {
        metric: [(float(a[metric]), float(b[metric])) for a, b in rows if metric in a and metric in b]
        for metric in metrics
    }
    return [_outcome(metric, values) for metric, values in scored.items() if values]


def _outcome(metric: str, pairs: list[tuple[float, float]]) -> Outcome:
    means = [math.fsum(side) / len(pairs) for side in zip(*pairs, strict=True)]
    return Outcome(metric, means[0], means[1], len(pairs), sum(repr(a) != repr(b) for a, b in pairs))


def _of_cell(first: Record, other: Record) -> Iterator[Difference]:
    """Yield what differs of all that shapes the training: what the ids are hashes of."""
    specs = [record.spec.model_dump(mode="json", by_alias=True) for record in (first, other)]
    for key, a, b in _unequal(*specs):
        yield Difference(next(OF_CELL[start] for start in OF_CELL if key.startswith(start)), key, a, b, "yes")


def _of_run(first: Record, other: Record) -> Iterator[Difference]:
    """Yield what differs of the data, of how the training went and of the machine that it ran on."""
    for key, a, b in _unequal(first.data, other.data):
        yield Difference("data", f"pairs.{key}", a, b, "yes")
    if first.leaky != other.leaky:
        yield Difference("split", "leaky", first.leaky, other.leaky, "no")
    tries = [record.attempts[-1].model_dump() if record.attempts else {} for record in (first, other)]
    for key, a, b in _unequal(*({k: v for k, v in one.items() if k in ("seed", "parts")} for one in tries)):
        seed = key == "seed"
        yield Difference(
            "seed" if seed else "device", f"last attempt.{key}", a, b, "yes" if seed else "rounding"
        )
    yield from _of_machine("", first.environment, other.environment)
    again = [record.rescored[-1].environment if record.rescored else {} for record in (first, other)]
    if all(again):
        yield from _of_machine("scored again: ", *again)
    files = [{name: file.sha256 for name, file in one.configuration.items()} for one in (first, other)]
    for key, a, b in _unequal(*files):
        yield Difference("setting", key, a, b, "no")  # the settings that they resolve to stand above


def _of_machine(head: str, first: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Difference]:
    keys = (*environment.deciding(first), *environment.deciding(other))
    deciding = {key.partition(".")[0] for key in keys}
    sides = [{**one, "C library": environment.deciding(one)["C library"]} for one in (first, other)]
    for key, a, b in _unequal(*sides):
        name = key.partition(".")[0]
        if name in ("commit", "dirty"):
            yield Difference("code", f"{head}{key}", a, b, "perhaps")
            continue
        group: Group = (
            "library" if name in (*environment.LIBRARIES, "python", "backend", "C library") else "device"
        )
        yield Difference(group, f"{head}{key}", a, b, "rounding" if name in deciding else "no")


def _of_metrics(first: Record, other: Record) -> Iterator[Difference]:
    """Yield in which metrics the cells are scored by other definitions; labels and decimals are for display."""
    sides = [{**record.metrics, "scoring_version": record.scoring_version} for record in (first, other)]
    for key, a, b in _unequal(*sides):
        one_side = ABSENT in (a, b)
        display = key.endswith((".label", ".decimals")) or one_side
        yield Difference("convention", key, a, b, "no" if display else "yes")


def _unequal(first: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield each key, of tables within as ``outer.inner``, that has two values; a table on one side stays whole."""
    for key in dict.fromkeys((*first, *other)):
        a, b = first.get(key, ABSENT), other.get(key, ABSENT)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from ((f"{key}.{inner}", x, y) for inner, x, y in _unequal(a, b))
        elif a != b:
            yield key, a, b
