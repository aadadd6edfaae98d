"""The facts of a finished cell: exact ones, each with the kind of fault that changes it, and its mean scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bench.config.schema import INPUT, digest
from bench.errors import BenchError
from bench.names import suggestion
from bench.plan.cells import Cell
from bench.records.record import Record
from bench.records.store import Result

Kind = Literal["run", "data", "scoring", "simulation", "training"]
KINDS: tuple[Kind, ...] = (
    "run",
    "data",
    "scoring",
    "simulation",
    "training",
)  # a cause before what follows from it
ALL = "all"  # the fold's name where the split has none
DEFINITIONS = "metric definitions"
_MEANING = (
    "unit",
    "range",
    "direction",
    "version",
)  # of a definition; label and decimals are only how it is printed


@dataclass(frozen=True)
class Facts:
    """Of one cell: ``exact`` by kind and name, the ``metrics``' definitions and the mean of each that any slice has."""

    exact: dict[Kind, dict[str, Any]]
    metrics: dict[str, dict[str, Any]]
    means: dict[str, float]


def name_of(cell: Cell) -> str:
    """Return ``model:condition:seed``, and the fold where there are folds."""
    fold = "" if cell.dataset.data.fold is None else f":f{cell.dataset.data.fold}"
    return f"{cell.model}:{cell.dataset.condition}:s{cell.seed}{fold}"


def input_of(name: str) -> str:
    """Return the name of the cell that scores the untreated input of the cell ``name``."""
    _, condition, _, *fold = name.split(":")
    return ":".join((INPUT, condition, "s0", *fold))


def pair_of(name: str) -> str:
    """Return ``model:condition`` of the cell ``name``."""
    return ":".join(name.split(":")[:2])


def require(only: Iterable[str], names: Iterable[str]) -> None:
    """Raise a ``BenchError`` where ``only``, as ``MODEL:CONDITION``, names none of the cells ``names``."""
    known = sorted(set(map(pair_of, names)))
    for text in only:
        if text not in known:
            raise BenchError(f"--only {text}: no such cell", remedy=suggestion(text, known))


def chosen(results: Sequence[Result], only: Collection[str]) -> list[Result]:
    """Return the results that ``only`` names as ``MODEL:CONDITION``, with the untreated inputs of their conditions.

    All of them where it is empty. A ``BenchError`` where it names none of them.
    """
    names = [name_of(result.planned.spec) for result in results]
    require(only, names)
    wanted = {*only, *(pair_of(input_of(text + ":s0")) for text in only)}
    return [one for one, name in zip(results, names, strict=True) if not only or pair_of(name) in wanted]


def fold_of(name: str) -> str:
    """Return the fold of the cell ``name``, as ``f2``; ``all`` without folds."""
    return (name.split(":")[3:] or [ALL])[0]


def differ(fact: str, golden: Any, actual: Any) -> bool:
    """Return whether a fact is another; a metric that was added after the golden file was made is not in it."""
    if fact == DEFINITIONS and actual is not None:
        actual = {key: value for key, value in actual.items() if key in golden}
    return bool(golden != actual)


def of(result: Result) -> Facts:
    """Return the facts of a finished cell; a ``BenchError`` where it has not finished."""
    record = result.record
    if record is None or record.status != "finished":
        raise BenchError(
            f"cell {name_of(result.planned.spec)} has not finished",
            remedy="run it first: bench run --all --profile PROFILE",
        )
    scores = {key: [float(row[key]) for row in result.scores if key in row] for key in record.metrics}
    means = {key: float(np.mean(values)) for key, values in scores.items() if values}
    return Facts(_exact(record, result), record.metrics, means)


def _exact(record: Record, result: Result) -> dict[Kind, dict[str, Any]]:
    """Return what must be equal on every processor.

    Reference arrays are: their SHA-256 is a fact. Degraded ones may differ by a hundredth of an HU, so only the scores
    of the untreated input stand for them.
    """
    names = [[str(row["patient"]), str(row["slice"])] for row in result.scores]
    data = record.spec.dataset.data
    definitions = {key: {name: value.get(name) for name in _MEANING} for key, value in record.metrics.items()}
    pair_names = {"count": len(names), "first": names[0], "last": names[-1], "digest": digest(names, 16)}
    stated: dict[Kind, dict[str, Any]] = {
        "data": {
            "split": data.split_sha256,
            "slices": data.selection,
            "slices per part": data.slices,
            "pair names": pair_names,
            "reference ranges": record.ranges,
            "reference SHA-256": record.data.get("reference"),
        },
        "scoring": {DEFINITIONS: definitions, "scoring version": record.scoring_version},
    }
    if "physics" in record.spec.versions:  # not where degraded slices are stored
        stated["simulation"] = {"physics version": record.spec.versions["physics"]}
    if record.spec.training is not None:
        stated["training"] = {"training version": record.spec.versions.get("training")}
    return stated
