"""Published values beside ours, and whether the two may be compared."""

from __future__ import annotations

from collections.abc import Sequence

from bench import words
from bench.config.schema import FULL_SIZE, Published
from bench.plan.cells import Plan
from bench.report import entries
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.rows import Row
from bench.report.values import Entry, Grid, state, value


def reasons(plan: Plan) -> tuple[str, ...]:
    """Return why our scores may not be held against the published ones; empty where they may."""
    published = plan.published
    if published is None:
        return ("there is no published table",)
    differences: list[str] = []
    if plan.source.get("kind") == "phantom":
        differences.append("a phantom's scores are never comparable")
    elif plan.source.get("collection", "") != published.collection:
        named = plan.source.get("collection") or "not named"
        differences.append(f"the collection is {named}, not {published.collection}")
    tested = sum(data.slices.get("test", 0) for data in plan.folds)
    for cell in plan.cells:
        differences += _cell_reasons(cell.size, tested, published)
        training = cell.spec.training
        if training is not None and training.recipe != published.recipe:
            differences.append(f"the recipe is {training.recipe}, not {published.recipe}")
    points = dict.fromkeys(point for cell in plan.cells for point in cell.scaled)
    differences += ["scaled: " + ", ".join(points)] if points else []
    return tuple(dict.fromkeys(differences))


def _cell_reasons(size: int, test: int, published: Published) -> list[str]:
    differences = []
    if size != FULL_SIZE:
        differences.append(f"slices are {size} × {size}, not {FULL_SIZE} × {FULL_SIZE}")  # noqa: RUF001
    if test != published.test_slices:
        differences.append(f"{words.count(test, 'test slice')}, not {published.test_slices}")
    return differences


def value_of(plan: Plan, condition: str, model: str, metric: str) -> float | None:
    """Return the published value that ``metric`` of this cell is held against, or None."""
    published = plan.published
    if published is None or metric not in published.metrics:
        return None
    values = published.values.get(condition, {}).get(model, [])
    place = published.metrics.index(metric)
    return values[place] if place < len(values) else None


def grid(board: Scoreboard) -> Grid | None:
    """Return the published values beside ours, or None where nothing is published."""
    table = board.plan.published
    if table is None:
        return None
    why = reasons(board.plan)
    rows = tuple(
        (
            entries.condition(board, row),
            entries.network(board, row, group),
            *_cells(board, row, group, table.metrics, compare=not why),
        )
        for row in board.rows
        for model, group in row.groups.items()
        if model in table.values.get(row.condition, {})
    )
    note = "Ours and published may be compared: same collection, size, test slices and recipe."
    if why:
        note = f"Ours and published may not be compared: {'; '.join(why)}."
    return Grid(
        name="published",
        title="Beside the published values",
        headings=("Condition", "Network", "Ours", "Published", *(() if why else ("Difference",))),
        rows=rows,
        lead=f"{' / '.join(board.label(metric) for metric in table.metrics)}. Published: {table.source}",
        notes=(note,),
        texts=(0, 1),
    )


def _cells(
    board: Scoreboard, row: Row, group: Group, metrics: Sequence[str], *, compare: bool
) -> tuple[Entry, ...]:
    theirs = [value_of(board.plan, row.condition, group.model, metric) for metric in metrics]
    printed = value(*map(board.text, theirs, metrics))
    if not group.finished:
        return (state(group.state), printed, *((state(""),) if compare else ()))
    ours = [group.mean(metric) for metric in metrics]
    cells = (value(*map(board.text, ours, metrics)), printed)
    if not compare:
        return cells
    if not row.comparable:
        return (*cells, state("not comparable"))
    apart = [None if a is None or b is None else a - b for a, b in zip(ours, theirs, strict=True)]
    signed = (board.text(number, m, signed=True) for number, m in zip(apart, metrics, strict=True))
    return (*cells, value(*signed))
