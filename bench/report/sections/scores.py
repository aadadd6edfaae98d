"""Scores with their winners: PSNR and SSIM as the table's users know them, and the error in HU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bench.plan.acquisition import views_of
from bench.report import entries, not_finite
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.entries import Footnotes
from bench.report.rows import PSNR, RMSE, SSIM, Row
from bench.report.values import Entry, Grid, value


def scores(board: Scoreboard) -> Grid:
    """Return PSNR / SSIM of the input and of each network on each condition."""
    scan = views_of(board.plan)
    return replace(
        _scored(board, (PSNR, SSIM), entries.dose),
        name="scores",
        title="Scores",
        lead=f"PSNR in dB / SSIM, means over the test slices{_folds(board)}. "
        "Bold: the best network of the row, for each metric; bold alone is no claim.",
        notes=() if scan is None else scan.remarks,
    )


def rmse(board: Scoreboard) -> Grid:
    """Return the root mean squared error of the input and of each network in HU."""
    return replace(
        _scored(board, (RMSE,), entries.condition),
        name="rmse",
        title="Error in HU",
        lead=f"Root mean squared error in HU, mean over the test slices{_folds(board)}; lower is better.",
    )


def _folds(board: Scoreboard) -> str:
    return f" of the {len(board.plan.folds)} folds" if len(board.plan.folds) > 1 else ""


def _scored(board: Scoreboard, metrics: tuple[str, ...], first: Callable[[Scoreboard, Row], Entry]) -> Grid:
    """Return the means of all cells by ``metrics``, the best network in bold; ``first`` draws a row's label."""
    foot, rows = Footnotes(), []
    for row in board.rows:
        best = {metric: board.winners(row, metric) for metric in metrics}
        left_out = not_finite.of_row(board, row, metrics)

        def draw(group: Group, marks: tuple[int, ...], best: Mapping[str, frozenset[str]] = best) -> Entry:
            means = [(metric, group.mean(metric)) for metric in metrics]
            texts = [group.why_no_mean(m) if mean is None else board.text(mean, m) for m, mean in means]
            marks += foot.mark(not_finite.of_cell(board, group, metrics))
            return value(*texts, best=tuple(group.model in best[metric] for metric in metrics), marks=marks)

        cells = entries.across_networks(board, row, foot, draw)
        rows.append((replace(first(board, row), marks=foot.mark(left_out)), *cells))
    heads = ("Condition", *board.names.values())
    return Grid(name="", title="", headings=heads, rows=tuple(rows), footnotes=tuple(foot.texts))
