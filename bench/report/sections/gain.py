"""What each network adds to the untreated input."""

from __future__ import annotations

from bench.config.schema import INPUT
from bench.metrics import PSNR, SSIM
from bench.report import entries
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.entries import Footnotes
from bench.report.rows import Row
from bench.report.values import Entry, Grid, state, value
from bench.report.winners import gain


def grid(board: Scoreboard) -> Grid:
    """Return PSNR / SSIM of each network minus those of the untreated input."""
    foot, rows = Footnotes(), []
    for row in board.rows:

        def draw(group: Group, marks: tuple[int, ...], row: Row = row) -> Entry:
            if not row.comparable:
                return state("not comparable", foot.mark(entries.mismatch(board, row)))
            more = {metric: gain(row, group, metric) for metric in (PSNR, SSIM)}
            texts = [
                _no_gain(row, group, metric) if number is None else board.text(number, metric, signed=True)
                for metric, number in more.items()
            ]
            return state(texts[0]) if set(more.values()) == {None} else value(*texts, marks=marks)

        cells = entries.across_networks(board, row, foot, draw, inputs=False)
        rows.append((entries.condition(board, row), *cells))
    return Grid(
        name="gain",
        title="Gain over the input",
        headings=("Condition", *(name for model, name in board.names.items() if model != INPUT)),
        rows=tuple(rows),
        lead="PSNR in dB / SSIM of each network minus those of the untreated input.",
        footnotes=tuple(foot.texts),
    )


def _no_gain(row: Row, group: Group, metric: str) -> str:
    if group.mean(metric) is None:
        return group.why_no_mean(metric)
    return f"input {row.groups[INPUT].why_no_mean(metric)}"
