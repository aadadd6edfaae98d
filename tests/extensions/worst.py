"""A section of the report: the largest mean error of each condition."""

from __future__ import annotations

from bench.metrics import RMSE
from bench.report.board import Scoreboard
from bench.report.values import Grid, label


def grid(board: Scoreboard) -> Grid:
    """Return condition and largest root mean squared error."""
    rows = []
    for row in board.rows:
        means = [mean for group in row.groups.values() if (mean := group.mean(RMSE)) is not None]
        rows.append((label(board.condition(row)), label(board.text(max(means), RMSE))))
    return Grid(name="worst", title="Worst error", headings=("Condition", "RMSE"), rows=tuple(rows))
