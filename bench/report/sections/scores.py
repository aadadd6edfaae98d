"""Scores with their winners: PSNR and SSIM as the table's users know them, and the error in HU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from bench.metrics import METRICS, PSNR, RMSE, SSIM
from bench.plan.acquisition import views_of
from bench.report import entries, not_finite, verdicts
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.entries import Footnotes
from bench.report.rows import Row
from bench.report.values import Entry, Grid, label

Label = Callable[[Scoreboard, Row], Entry]


def scores(board: Scoreboard) -> Grid:
    """Return PSNR / SSIM of the input and of each network on each condition."""
    scan = views_of(board.plan)
    return replace(
        _scored(board, (PSNR, SSIM), entries.dose),
        name="scores",
        title="Scores",
        lead=f"PSNR in dB / SSIM, means over the test slices{_folds(board)}. "
        "Bold: the best network of the row, for each metric; bold alone is no claim. Who is tied with it stands under "
        "'Against the best'.",
        notes=() if scan is None else scan.remarks,
    )


def of_metric(board: Scoreboard, metric: str) -> Grid:
    """Return the scores of one metric under its own id, for a reader who chooses it."""
    return replace(_scored(board, (metric,), entries.dose), name=metric, title=board.named(metric))


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


def further(board: Scoreboard) -> Grid | None:
    """Return the scores of all metrics without a table of their own, metric by metric; None where there are none."""
    foot, rows = Footnotes(), []
    others = (metric for metric in board.metrics if metric not in (PSNR, SSIM, RMSE))
    for metric in (
        metric for metric in others if metric not in METRICS or METRICS[metric].table == "further"
    ):
        name = label(board.named(metric))
        rows += [(name, *cells) for cells in _rows(board, (metric,), entries.condition, foot)]
    if not rows:
        return None
    return Grid(
        name="further",
        title="Further scores",
        headings=("Metric", "Condition", *board.names.values()),
        rows=tuple(rows),
        lead=f"Means over the test slices{_folds(board)} of the metrics that have no table of their own.",
        footnotes=tuple(foot.texts),
        texts=(0, 1),
    )


def _scored(board: Scoreboard, metrics: tuple[str, ...], first: Label) -> Grid:
    """Return a table of the means of all cells by ``metrics``; name, title and lead are left to the caller."""
    foot = Footnotes()
    rows = tuple(_rows(board, metrics, first, foot))
    heads = ("Condition", *board.names.values())
    return Grid(name="", title="", headings=heads, rows=rows, footnotes=tuple(foot.texts))


def _rows(
    board: Scoreboard, metrics: tuple[str, ...], first: Label, foot: Footnotes
) -> Iterator[tuple[Entry, ...]]:
    """Yield the means of all cells by ``metrics``, the best network in bold; ``first`` draws a row's label."""
    for row in board.rows:
        left_out = not_finite.of_row(board, row, metrics)

        def draw(group: Group, marks: tuple[int, ...], row: Row = row) -> Entry:
            means = [(metric, group.mean(metric)) for metric in metrics]
            texts = [group.why_no_mean(m) if mean is None else board.text(mean, m) for m, mean in means]
            marks += foot.mark(not_finite.of_cell(board, group, metrics))
            parts = (
                verdicts.marked(board, row, group.model, metric, text)
                for metric, text in zip(metrics, texts, strict=True)
            )
            return Entry(tuple(parts), marks=marks)

        cells = entries.across_networks(board, row, foot, draw)
        yield (replace(first(board, row), marks=foot.mark(left_out)), *cells)
