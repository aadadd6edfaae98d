"""Where and with what the numbers were made: environment, recipes, slices, cells, records of earlier settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench import words
from bench.records.store import Result
from bench.report import attempts, format
from bench.report.board import Scoreboard
from bench.report.cells import describe, why
from bench.report.values import Entry, Grid, label, state


def environment(board: Scoreboard) -> Grid:
    """Return libraries, devices and settings files of the cells, and how many cells where they differ."""
    seen: dict[str, dict[str, int]] = {}
    for result in board.results():
        if result.record is None:
            continue
        files = {name: file.words for name, file in result.record.configuration.items()}
        program = {"program": result.record.program} if result.record.program else {}
        for key, text in _flat({**program, **result.record.environment, **files}):
            seen.setdefault(key, {}).setdefault(text, 0)
            seen[key][text] += 1
    rows = []
    for key, texts in seen.items():
        counted = [f"{text} ({words.count(count, 'cell')})" for text, count in sorted(texts.items())]
        rows.append((label(key), label(next(iter(texts)) if len(texts) == 1 else "; ".join(counted))))
    return Grid(
        name="environment", title="Made with", headings=("What", "Value"), rows=tuple(rows), texts=(0, 1)
    )


def _flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for key in sorted(values):
        name, item = f"{above}{key}", values[key]
        if isinstance(item, Mapping):
            yield from _flat(item, f"{name} ")
        else:
            yield name, str(item)


def recipes(board: Scoreboard) -> Grid:
    """Return where the recipe of each network comes from and which of its settings that source does not state."""
    rows = []
    for model in board.plan.models:
        alike = dict.fromkeys(
            (cell.spec.training.recipe, cell.recipe_source, cell.chosen)
            for cell in board.plan.cells
            if cell.spec.model == model and cell.spec.training is not None
        )
        for recipe, source, chosen in alike:
            texts = (recipe, source or format.DASH, ", ".join(chosen) or "none")
            rows.append(tuple(map(label, (board.names[model], *texts))))
        said = (
            attempts.trained_by(result) for result in board.results() if result.planned.spec.model == model
        )
        for who in dict.fromkeys(filter(None, said)):
            rows.append(
                (label(board.names[model]), label(attempts.NOT_TRAINED), label(who), label(format.DASH))
            )
    return Grid(
        name="recipes",
        title="Recipes",
        headings=("Network", "Recipe", "Source", "Unknown, chosen"),
        rows=tuple(rows),
        texts=(0, 1, 2, 3),
    )


def slices(board: Scoreboard) -> Grid | None:
    """Return how many slices each part has, fold by fold, and the hashes that stand for their names."""
    if not board.plan.cells:
        return None
    rows = []
    for data in board.plan.folds:
        parts = [
            label(f"{count}", words.count(data.patients[part], "patient") if data.patients_known else "")
            for part, count in data.slices.items()
        ]
        fold = "all" if data.fold is None else f"{data.fold} of {data.folds}"
        rows.append((label(fold), *parts, label(data.selection)))
    data = board.plan.folds[0]
    lead = (
        f"Split {data.split} of source {data.source}, written out in split.csv beside the records. "
        f"SHA-256 of that file: {data.split_sha256 or 'not recorded'}. Content of the source: {data.fingerprint}."
    )
    return Grid(
        name="slices",
        title="Slices",
        headings=("Fold", *(part.capitalize() for part in data.slices), "Names"),
        rows=tuple(rows),
        lead=lead,
        texts=(0, 4),
    )


def cells(board: Scoreboard) -> Grid:
    """Return every planned cell and how it ended."""
    rows = tuple((label(result.planned.id), _ended(result)) for result in board.results())
    return Grid(name="cells", title="Cells", headings=("Cell", "Status"), rows=rows, texts=(0, 1))


def _ended(result: Result) -> Entry:
    record = result.record
    if record is None:
        return state("not run yet")
    tries = f", attempt {len(record.attempts)}" if len(record.attempts) > 1 else ""
    again = f", scored again {record.rescored[-1].at[:10]}" if record.rescored else ""
    return label(describe(result) + tries + again, why(result))


def earlier(board: Scoreboard) -> Grid | None:
    """Return the cells on disk that are not of this plan, or None where there are none."""
    if not board.earlier:
        return None
    return Grid(
        name="earlier",
        title="Records of earlier settings",
        headings=("Cell",),
        rows=tuple((label(name),) for name in board.earlier),
        lead="On disk, but not part of this plan: made with other settings, in none of the tables above.",
    )
