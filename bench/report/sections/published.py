"""Table 5: published values beside ours, and whether the two may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.config.schema import FULL_SIZE, INPUT, Published
from bench.plan.cells import Plan
from bench.report import format as numbers
from bench.report import identity
from bench.report.cells import Group
from bench.report.rows import Line
from bench.report.sections import scores
from bench.report.values import Entry, Grid, label, state, value


def reasons(plan: Plan) -> tuple[str, ...]:
    """Return why our scores may not be held against the published ones; empty where they may."""
    published = plan.published
    if published is None:
        return ("there is no published table",)
    found: list[str] = []
    if plan.source.get("kind") == "phantom":
        found.append("a phantom's scores are never comparable")
    elif plan.source.get("collection", "") != published.collection:
        named = plan.source.get("collection") or "not named"
        found.append(f"the collection is {named}, not {published.collection}")
    tested = sum(data.slices.get("test", 0) for data in plan.folds)
    for cell in plan.cells:
        found += _cell_reasons(cell.spec.dataset.size, tested, published)
        training = cell.spec.training
        if training is not None and training.recipe != published.recipe:
            found.append(f"the recipe is {training.recipe}, not {published.recipe}")
    points = dict.fromkeys(point for cell in plan.cells for point in cell.scaled)
    found += ["scaled: " + ", ".join(points)] if points else []
    return tuple(dict.fromkeys(found))


def _cell_reasons(size: int, test: int, published: Published) -> list[str]:
    found = []
    if size != FULL_SIZE:
        found.append(f"slices are {size} × {size}, not {FULL_SIZE} × {FULL_SIZE}")  # noqa: RUF001
    if test != published.test_slices:
        found.append(f"{numbers.count(test, 'test slice')}, not {published.test_slices}")
    return found


def value_of(plan: Plan, condition: str, model: str, metric: str) -> float | None:
    """Return the published value that ``metric`` of this cell is held against, or None."""
    published = plan.published
    if published is None or metric not in published.metrics:
        return None
    values = published.values.get(condition, {}).get(model, [])
    place = published.metrics.index(metric)
    return values[place] if place < len(values) else None


def grid(plan: Plan, lines: Sequence[Line], known: scores.Definitions) -> Grid | None:
    """Return the table of published values beside ours, or None where nothing is published."""
    if plan.published is None:
        return None
    why, shown, rows = reasons(plan), scores.names(plan), []
    for line in lines:
        for model in (INPUT, *plan.models):
            if model in plan.published.values.get(line.condition, {}):
                row = _row(plan, line, line.groups[model], known, compare=not why)
                name = label(shown[model], identity.mark(line, line.groups[model]))
                rows.append((scores.row_label_short(plan, line), name, *row))
    named = [numbers.metric_label(m, scores.definition(known, m)) for m in plan.published.metrics]
    lead = f"{' / '.join(named)}. Published: {plan.published.source}"
    heads = ("Condition", "Network", "Ours", "Published", *(() if why else ("Difference",)))
    notes = ("Ours and published may be compared: same collection, size, test slices and recipe.",)
    if why:
        notes = ("Ours and published may not be compared: " + "; ".join(why) + ".",)
    return Grid("published", "Beside the published values", heads, tuple(rows), lead, notes, (), (0, 1))


def _row(
    plan: Plan, line: Line, group: Group, known: Mapping[str, Any], *, compare: bool
) -> tuple[Entry, ...]:
    assert plan.published is not None
    metrics = plan.published.metrics
    meaning = {metric: scores.definition(known, metric) for metric in metrics}
    theirs = {metric: value_of(plan, line.condition, group.model, metric) for metric in metrics}
    printed = value(*(_text(theirs[m], m, meaning[m]) for m in metrics))
    if not group.finished:
        return (state(group.state), printed, *((state(""),) if compare else ()))
    ours = {metric: group.mean(metric) for metric in metrics}
    cells = (value(*(_text(ours[m], m, meaning[m]) for m in metrics)), printed)
    if not compare:
        return cells
    if not line.comparable:
        return (*cells, state("not comparable"))
    return (*cells, value(*(_difference(ours[m], theirs[m], m, meaning[m]) for m in metrics)))


def _text(number: float | None, metric: str, meaning: Mapping[str, Any]) -> str:
    return numbers.DASH if number is None else numbers.score(number, metric, meaning)


def _difference(ours: float | None, theirs: float | None, metric: str, meaning: Mapping[str, Any]) -> str:
    if ours is None or theirs is None:
        return numbers.DASH
    return numbers.score(ours - theirs, metric, meaning, signed=True)
