"""Training curves: validation PSNR against the epoch, from the untreated input on, a drawing for each condition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.report import entries, statistics
from bench.report.board import Scoreboard
from bench.report.cells import Group, describe
from bench.report.render import plot, svg
from bench.report.rows import Row
from bench.report.values import Drawing, Figure

MIN_SPAN_DB = 0.5  # a curve that hardly moves is drawn flat


def figure(board: Scoreboard) -> Figure | None:
    """Return validation PSNR against the epoch on each condition; None where nothing has been trained."""
    drawings = tuple(drawing for row in board.rows if (drawing := _of_row(board, row)) is not None)
    if not drawings:
        return None
    return Figure(
        name="curves",
        title="Training curves",
        lead="PSNR on validation patients after each epoch. Every curve starts at epoch 0 with the untreated input; "
        "the ring marks the epoch that was chosen on these patients and tested.",
        drawings=drawings,
        legend=(*plot.legend(board.plan.models, board.names), ("untreated input", "")),
        dashed=True,
    )


def anchor(row: Row) -> str:
    """Return the place of the training curves of a condition on the page."""
    return f"curve-{row.condition}"


@dataclass(frozen=True)
class Curve:
    """Validation PSNR in dB against the epoch; ``best`` is the epoch that was chosen, ``level`` the untreated input.

    ``ended`` says how a cell was given up; empty where it was not.
    """

    epochs: tuple[float, ...]
    psnr: tuple[float, ...]
    series: int
    best: int | None = None
    level: float | None = None
    ended: str = ""


def of_group(board: Scoreboard, group: Group) -> Iterator[Curve]:
    """Yield the curve of each seed and fold of a network that has been trained on a condition."""
    for result in group.results:
        history = [epoch for epoch in result.history if "epoch" in epoch and "psnr" in epoch]
        if not history:
            continue
        epochs, psnr = (tuple(float(epoch[key]) for epoch in history) for key in ("epoch", "psnr"))
        level = float(history[0]["psnr_input"]) if "psnr_input" in history[0] else None
        ended = ""
        if result.record is not None and result.record.status != "finished":
            ended = " ".join(filter(None, (board.names[group.model], entries.fold(result), describe(result))))
        best = result.record.best_epoch if result.record is not None else None
        yield Curve(epochs, psnr, list(board.plan.models).index(group.model), best, level, ended)


def _of_row(board: Scoreboard, row: Row) -> Drawing | None:
    curves = [curve for model in board.plan.models for curve in of_group(board, row.groups[model])]
    if not curves:
        return None
    levels = [curve.level for curve in curves if curve.level is not None]
    drawing = curves_svg(curves, statistics.mean(levels) if levels else None)
    ended = [curve.ended for curve in curves if curve.ended]
    crosses = f" Cross: {'; '.join(ended)}." if ended else ""
    name = board.condition(row)
    return Drawing(name, drawing, f"Validation PSNR against epoch, {name}.{crosses}", anchor(row))


def curves_svg(curves: Sequence[Curve], level: float | None) -> str:
    """Return the training curves of one condition as inline SVG, the untreated input as a dotted line."""
    levels = [level] if level is not None and math.isfinite(level) else []
    starts = [curve.level for curve in curves if curve.level is not None]
    heights = [*levels, *starts, *(psnr for curve in curves for psnr in curve.psnr)]
    epochs = [*(0.0 for _ in starts[:1]), *(epoch for curve in curves for epoch in curve.epochs)]
    if not any(map(math.isfinite, heights)):
        heights = [0.0]
    across = plot.linear(epochs, "Epoch", span=1.0, whole=True)
    drawing = plot.Plot(300, 190, across, plot.linear(heights, "Validation PSNR (dB)", span=MIN_SPAN_DB))
    for height in levels:
        ends = ((across.low, height), (across.high, height))
        drawing.line(ends, plot.INK, 1.0, plot.LEVEL)
    for curve in curves:
        _draw(drawing, curve)
    return drawing.svg()


def _draw(drawing: plot.Plot, curve: Curve) -> None:
    paint = svg.colour(curve.series)
    points = list(zip(curve.epochs, curve.psnr, strict=True))
    start = [] if curve.level is None else [(0.0, curve.level)]
    drawing.line([*start, *points], paint, 1.8, plot.dash(curve.series))
    finite = [point for point in points if math.isfinite(point[1])]
    if curve.ended and finite:
        drawing.marker(finite[-1], paint, "x", 4.0)
    elif chosen := [point for point in finite if point[0] == curve.best]:
        drawing.marker(chosen[0], paint, "O", 4.0)
    elif len(points) == 1 and finite:
        drawing.marker(finite[0], paint)
