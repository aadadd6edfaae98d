"""The score table by every metric and convention that the records hold, for the switch above it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from bench.report.board import Scoreboard
from bench.report.sections.scores import of_metric
from bench.report.values import Choice, Grid


def with_choices(board: Scoreboard, grid: Grid) -> Grid:
    """Return the table of scores with what else it can show; any other table as it is."""
    if grid.name != "scores" or not grid.rows:
        return grid
    labels = Counter(map(board.label, board.metrics))
    return replace(grid, choices=tuple(_choice(board, metric, labels) for metric in board.metrics))


def _choice(board: Scoreboard, metric: str, labels: Counter[str]) -> Choice:
    family, _, convention = metric.partition(".")
    label, definition, scored = board.named(metric), board.definition(metric), of_metric(board, metric)
    return Choice(
        metric=metric,
        label=f"{label}, {convention}" if labels[board.label(metric)] > 1 else label,
        family=family.upper(),
        meaning=f"{label}: range {definition['range']}; {definition['direction']} is better.",
        rows=scored.rows,
        footnotes=scored.footnotes,
    )
