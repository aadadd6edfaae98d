"""A figure of the page: a square for each condition."""

from __future__ import annotations

from bench.report.board import Scoreboard
from bench.report.values import Drawing, Figure


def figure(board: Scoreboard) -> Figure:
    """Return the squares."""
    svg = '<svg viewBox="0 0 1 1"><rect width="1" height="1"/></svg>'
    drawings = tuple(Drawing(board.condition(row), svg, "A square.") for row in board.rows)
    return Figure(name="squares", title="Squares", lead="Drawn by hand.", drawings=drawings)
