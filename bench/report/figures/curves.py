"""Training curves: validation PSNR against the epoch, from the untreated input on, a drawing for each condition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report import entries, statistics
from bench.report.board import Scoreboard
from bench.report.cells import Group, describe
from bench.report.render import svg
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
        legend=(*svg.legend(board.plan.models, board.names), ("untreated input", "")),
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
            ended = " ".join(
                filter(None, (board.names[group.model], entries.fold(result), describe(result)))
            )
        best = result.record.best_epoch if result.record is not None else None
        yield Curve(epochs, psnr, list(board.plan.models).index(group.model), best, level, ended)


def _of_row(board: Scoreboard, row: Row) -> Drawing | None:
    curves = [curve for model in board.plan.models for curve in of_group(board, row.groups[model])]
    if not curves:
        return None
    levels = [curve.level for curve in curves if curve.level is not None]
    drawing = curves_svg(row.condition, curves, statistics.mean(levels) if levels else None)
    ended = [curve.ended for curve in curves if curve.ended]
    crosses = f" Cross: {'; '.join(ended)}." if ended else ""
    name = board.condition(row)
    return Drawing(name, drawing, f"Validation PSNR against epoch, {name}.{crosses}", anchor(row))


def curves_svg(name: str, curves: Sequence[Curve], level: float | None) -> str:
    """Return the training curves of one condition as inline SVG, the untreated input as a dotted line.

    ``name`` keeps the ids inside the drawing apart from those of other drawings on the page.
    """
    from matplotlib.ticker import MaxNLocator

    with svg.canvas(f"curves-{name}", 4.4, 2.7) as figure:
        axes = figure.add_subplot()
        if level is not None and math.isfinite(level):
            axes.axhline(level, color=svg.INK, linewidth=1.0, linestyle=svg.LEVEL, alpha=0.65)
        for curve in curves:
            _draw(axes, curve)
        svg.dress(axes, "Epoch", "Validation PSNR (dB)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        axes.margins(x=0.03, y=0.08)
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        low, high = axes.get_ylim()
        axes.set_ylim(low - max(0.0, MIN_SPAN_DB - (high - low)), high)
        return svg.text(figure)


def _draw(axes: Any, curve: Curve) -> None:
    style = svg.line(curve.series)
    started = curve.level is not None and math.isfinite(curve.level)
    epochs = (0.0, *curve.epochs) if started else curve.epochs
    psnr = (curve.level, *curve.psnr) if started else curve.psnr
    axes.plot(epochs, psnr, linewidth=1.8, marker="o" if len(epochs) == 1 else "", markersize=4, **style)
    finite = {x: y for x, y in zip(curve.epochs, curve.psnr, strict=True) if math.isfinite(y)}
    if curve.ended and finite:
        axes.plot(*list(finite.items())[-1], color=style["color"], marker="x", markersize=8, markeredgewidth=2)
    elif curve.best in finite:
        ring = {"marker": "o", "markersize": 7, "markeredgewidth": 1.6, "markerfacecolor": "none"}
        axes.plot(curve.best, finite[curve.best], color=style["color"], zorder=5, **ring)
