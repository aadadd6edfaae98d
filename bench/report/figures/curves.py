"""Training curves: validation PSNR against the epoch, a drawing for each condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import entries, statistics
from bench.report.board import Scoreboard
from bench.report.cells import describe
from bench.report.render import svg
from bench.report.rows import Row
from bench.report.values import Drawing, Figure

MIN_SPAN_DB = 0.5  # a curve that hardly moves is drawn flat


def figure(board: Scoreboard) -> Figure | None:
    """Return validation PSNR against the epoch on each condition; None where nothing has been trained."""
    drawings = tuple(drawing for row in board.rows if (drawing := _of_row(board, row)) is not None)
    if not drawings:
        return None
    legend = [(board.names[model], svg.colour(at)) for at, model in enumerate(board.plan.models)]
    return Figure(
        name="curves",
        title="Training curves",
        lead="PSNR on validation patients after each epoch; the best epoch is the one that was tested.",
        drawings=drawings,
        legend=(*legend, ("untreated input", "")),
    )


def _of_row(board: Scoreboard, row: Row) -> Drawing | None:
    lines: list[Curve] = []
    levels: list[float] = []
    ended: list[str] = []
    for at, model in enumerate(board.plan.models):
        for result in row.groups[model].results:
            history = [epoch for epoch in result.history if "epoch" in epoch and "psnr" in epoch]
            if not history:
                continue
            stopped = result.record is not None and result.record.status != "finished"
            epochs, psnr = (tuple(float(epoch[key]) for epoch in history) for key in ("epoch", "psnr"))
            lines.append(Curve(epochs, psnr, at, stopped))
            levels += [float(epoch["psnr_input"]) for epoch in history[:1] if "psnr_input" in epoch]
            name = " ".join(filter(None, (board.names[model], entries.fold(result))))
            ended += [f"{name} {describe(result)}"] if stopped else []
    if not lines:
        return None
    drawing = curves_svg(row.condition, lines, statistics.mean(levels) if levels else None)
    crosses = f" Cross: {'; '.join(ended)}." if ended else ""
    name = board.condition(row)
    return Drawing(name, drawing, f"Validation PSNR against epoch, {name}.{crosses}")


@dataclass(frozen=True)
class Curve:
    """Validation PSNR in dB against the epoch; ``stopped`` marks a cell that was given up."""

    epochs: tuple[float, ...]
    psnr: tuple[float, ...]
    colour: int
    stopped: bool


def curves_svg(name: str, curves: Sequence[Curve], level: float | None) -> str:
    """Return the training curves of one condition as inline SVG, the untreated input as a dashed line.

    ``name`` keeps the ids inside the drawing apart from those of other drawings on the page.
    """
    from matplotlib.ticker import MaxNLocator

    with svg.canvas(name, 4.4, 2.7) as figure:
        axes = figure.add_subplot()
        for curve in curves:
            _draw(axes, curve)
        if level is not None and math.isfinite(level):
            axes.axhline(level, color=svg.INK, linewidth=1.0, linestyle=(0, (4, 3)), alpha=0.65)
        svg.dress(axes, "Epoch", "Validation PSNR (dB)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        axes.margins(x=0.03, y=0.08)
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        low, high = axes.get_ylim()
        axes.set_ylim(low - max(0.0, MIN_SPAN_DB - (high - low)), high)
        return svg.text(figure)


def _draw(axes: object, curve: Curve) -> None:
    paint = svg.PALETTE[curve.colour % len(svg.PALETTE)]
    marker = "o" if len(curve.epochs) == 1 else ""
    axes.plot(  # type: ignore[attr-defined]
        curve.epochs,
        curve.psnr,
        color=paint,
        linewidth=1.8,
        marker=marker,
        markersize=4,
        solid_capstyle="round",
    )
    finite = [(x, y) for x, y in zip(curve.epochs, curve.psnr, strict=True) if math.isfinite(y)]
    if curve.stopped and finite:
        axes.plot(*finite[-1], color=paint, marker="x", markersize=8, markeredgewidth=2)  # type: ignore[attr-defined]
