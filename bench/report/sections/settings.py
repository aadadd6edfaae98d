"""What each network was trained with: a line for each setting, and the published value where it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.config.schema import INPUT
from bench.plan.cells import PlannedCell
from bench.plan.deviations import deviation, show
from bench.report import format
from bench.report.board import Scoreboard
from bench.report.values import Entry, Grid, Part, label, state

INSTEAD = " instead of "
MOST = 3  # different values of one setting that are written out; more are a span


def deviations(board: Scoreboard) -> tuple[str, ...]:
    """Return every point in which a cell is not as published, each once."""
    return tuple(dict.fromkeys(point for cell in _cells(board) for point in cell.scaled))


def grid(board: Scoreboard) -> Grid | None:
    """Return the settings of the data and of each network's training; None where nothing is planned."""
    columns: dict[str, list[PlannedCell]] = {}
    for cell in _cells(board):
        columns.setdefault(cell.spec.model, []).append(cell)
    if not columns:
        return None
    tables = [dict(_settings(cells)) for cells in columns.values()]
    names = dict.fromkeys(name for table in tables for name in table)
    common = [name for name in names if all(name in table for table in tables)]
    order = [*common, *(name for name in names if name not in common)]
    files = (f"{name}: {file.words}" for name, file in board.plan.configuration.items())
    return Grid(
        name="settings",
        title="Settings",
        headings=("Setting", *(board.names[model] for model in columns)),
        rows=tuple(
            (label(name), *(table.get(name, state(format.DASH)) for table in tables)) for name in order
        ),
        lead="Second line: the published value, where it is another one.",
        notes=tuple(files),
        texts=tuple(range(len(columns) + 1)),
    )


def _cells(board: Scoreboard) -> list[PlannedCell]:
    """Return the cells that are trained here; where there are none, those of the untreated input."""
    cells = [cell for cell in board.plan.cells if not cell.spec.submitted]
    return [cell for cell in cells if cell.spec.model != INPUT] or cells


def _settings(cells: list[PlannedCell]) -> Iterator[tuple[str, Entry]]:
    """Yield name and value of each setting of one network, first what its data deviates in."""
    points = dict.fromkeys(point for cell in cells for point in cell.scaled)
    values: dict[str, dict[str, None]] = {}
    published: dict[str, str] = {}
    for cell in cells:
        for key, number in _trained(cell).items():
            name = key.replace("_", " ") if not key.startswith("parameter ") else key
            values.setdefault(name, {})[show(number)] = None
            for point in [point for point in points if point.startswith(deviation(key, number))]:
                published[name] = point.removeprefix(deviation(key, number))
                del points[point]
    for point in points:
        name, here, theirs = _split(point)
        yield name, _entry(here, theirs)
    for name, texts in values.items():
        shown = list(texts) if len(texts) <= MOST else [f"{len(texts)} values"]
        yield name, _entry(" / ".join(shown), published.get(name, ""))


def _trained(cell: PlannedCell) -> Mapping[str, Any]:
    """Return the settings of a training and the parameters of its network, by key."""
    training = cell.spec.training
    settings = {} if training is None else {key: getattr(training, key) for key in training.model_dump()}
    return settings | {f"parameter {key}": value for key, value in cell.spec.params.items()}


def _split(point: str) -> tuple[str, str, str]:
    """Return name, value and published value of a deviation: ``size 64 instead of 512`` is ``size, 64, 512``."""
    here, _, theirs = point.partition(INSTEAD)
    first, _, rest = here.partition(" ")
    if not theirs:
        return here, "yes", "no"
    return (rest, first, theirs) if first[:1].isdigit() else (first, rest, theirs)


def _entry(here: str, published: str) -> Entry:
    return Entry((Part(here),), "label", detail=f"published: {published}" if published else "")
