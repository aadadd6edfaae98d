"""Scores that are no finite number, one by one."""

from __future__ import annotations

from bench.report import entries
from bench.report.board import Scoreboard
from bench.report.values import Grid, label


def grid(board: Scoreboard) -> Grid | None:
    """Return every score that is no finite number, or None where all are finite."""
    rows = [
        (
            entries.condition(board, row),
            *map(label, (board.names[model], str(one.seed), board.label(one.metric))),
            *map(label, (f"{one.patient}/{one.slice}", str(one.value))),
        )
        for row in board.rows
        for model, group in row.groups.items()
        for metric in board.metrics
        for one in group.means.not_finite
        if one.metric == metric and one.complete
    ]
    if not rows:
        return None
    return Grid(
        name="unscored",
        title="Scores that are no finite number",
        headings=("Condition", "Network", "Seed", "Metric", "Slice", "Value"),
        rows=tuple(rows),
        lead="In no mean above. An infinite PSNR: the image equals its reference.",
        texts=(0, 1, 2, 3, 4, 5),
    )
