"""From records to the rows of the table, and which cells of a row may be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from bench import metrics
from bench.config.schema import INPUT, digest
from bench.errors import BenchError
from bench.plan.cells import Plan
from bench.records.store import Result
from bench.report import identity
from bench.report.cells import Group
from bench.report.slices import Means, means_of

Definitions = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One row of the table. ``flagged`` are the models that differ from the rest, ``reasons`` in what."""

    condition: str
    groups: dict[str, Group]
    flagged: frozenset[str]
    reasons: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether the cells of this row may be held against each other."""
        return not self.reasons

    @cached_property
    def copies(self) -> frozenset[str]:
        """The ids of the cells whose network returns its input."""
        return identity.copies(self)


def table_rows(plan: Plan, results: Iterable[Result], scores: pd.DataFrame) -> tuple[Row, ...]:
    """Return the rows of the table in the order of the plan; the order of ``results`` does not matter.

    ``scores`` are the ``slice_scores`` of ``results``.

    Raises:
        BenchError: a record or its scores do not belong to their cell.
    """
    cells: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        _check(plan, result)
        spec = result.planned.spec
        cells.setdefault((spec.dataset.condition, spec.model), []).append(result)
    means = means_of(scores)
    rows = []
    for condition in plan.conditions:
        groups = {}
        for model in (INPUT, *plan.models):
            place = (condition, model)
            ordered = tuple(sorted(cells.get(place, []), key=_order))
            groups[model] = Group(*place, ordered, scores, means.get(place, Means()))
        flagged, reasons = _differences(groups)
        rows.append(Row(condition, groups, flagged, reasons))
    return tuple(rows)


def _order(result: Result) -> tuple[int, int, str]:
    spec = result.planned.spec
    return spec.seed, spec.dataset.data.fold or 0, result.planned.id


def definitions(results: Iterable[Result]) -> dict[str, dict[str, Any]]:
    """Return the definition of each metric, the newest version where records differ."""
    known: dict[str, dict[str, Any]] = {}
    for result in sorted(results, key=lambda r: r.planned.id):
        for metric, definition in (result.record.metrics if result.record else {}).items():
            if metric not in known or definition.get("version", 0) > known[metric].get("version", 0):
                known[metric] = definition
    return known


def definition(known: Definitions, metric: str) -> Mapping[str, Any]:
    """Return the definition of a metric; where no record has one, or only a part, as this program has it."""
    return metrics.definition(metric, known.get(metric))


def _check(plan: Plan, result: Result) -> None:
    spec, folder = result.planned.spec, result.folder.folder
    if spec.dataset.condition not in plan.conditions or (
        spec.model != INPUT and spec.model not in plan.models
    ):
        message = f"cell {result.planned.id} is of a model or condition that the plan does not list"
        raise BenchError(message, file=folder.parent / "plan.json", remedy="run again")
    if result.record is None:
        return
    if result.record.id != result.planned.id:
        message = f"record of another cell, {result.record.id}"
        raise BenchError(message, file=folder / "record.json", remedy="delete its folder and run again")


def _aspects(result: Result) -> dict[str, str]:
    """Return what must be equal for cells of one row to be compared, by a readable name."""
    record = result.record
    if record is None:
        return {}
    aspects: dict[str, Any] = {"the scoring version": record.scoring_version}
    for metric, definition in record.metrics.items():
        for key in ("version", "range", "unit", "direction"):
            aspects[f"the {key} of {metric}"] = definition.get(key)
    aspects |= {f"the fingerprint of {name}": value for name, value in record.data.items()}
    aspects |= {f"the value range of the {part} slices": value for part, value in record.ranges.items()}
    aspects["the test slices"] = sorted([str(row["patient"]), str(row["slice"])] for row in result.scores)
    return {name: digest(value) for name, value in aspects.items()}


def _differences(groups: Mapping[str, Group]) -> tuple[frozenset[str], tuple[str, ...]]:
    seen: dict[tuple[str, int | None], list[tuple[str, str]]] = {}
    for model, group in groups.items():
        for result in (result for run in group.finished for result in run.results):
            for aspect, value in _aspects(result).items():
                fold = result.planned.fold
                seen.setdefault((aspect, fold), []).append((model, value))
    reasons: dict[str, None] = {}
    flagged: set[str] = set()
    for (aspect, _), pairs in seen.items():
        if len({value for _, value in pairs}) > 1:
            flagged |= _odd_ones(pairs)
            reasons[aspect] = None
    return frozenset(flagged), tuple(reasons)


def _odd_ones(pairs: Sequence[tuple[str, str]]) -> set[str]:
    """Return the models that differ from the most frequent value; all of them where none is most frequent."""
    ranked = Counter(value for _, value in pairs).most_common()
    usual = ranked[0][0] if ranked[0][1] > ranked[1][1] else None
    return {model for model, value in pairs if value != usual}
