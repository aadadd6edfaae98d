"""What each network adds to the untreated input, patient by patient: a row a condition, a dot a patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.config.schema import INPUT
from bench.metrics import PSNR
from bench.report import statistics
from bench.report.board import Scoreboard
from bench.report.render import svg
from bench.report.rows import Row
from bench.report.values import Drawing, Figure
from bench.report.winners import sign

Gains = Mapping[str, Mapping[str, float]]  # model -> patient -> gain
STEP = 0.15  # inches between two networks of one row
GAP = 0.22  # inches between two rows


def figure(board: Scoreboard) -> Figure | None:
    """Return the gain in PSNR of each patient with its mean and interval; None without patients or networks."""
    rows = [(row, gains) for row in board.rows if (gains := _gains(board, row))]
    if not rows:
        return None
    networks = [model for model in board.plan.models if any(model in gains for _, gains in rows)]
    most = max(len(patients) for _, gains in rows for patients in gains.values())
    names = [board.names[model] for model in networks]
    return Figure(
        name="patients",
        title="Gain of each patient",
        lead=f"{board.label(PSNR)} of each network minus that of the untreated input. A dot is a patient; the bar is "
        "the mean over patients with its 95 % interval (Student's t). In each row the networks stand from top to "
        "bottom as in the legend. Two intervals that overlap may still differ: the patients are the same.",
        drawings=(
            Drawing(
                "",
                _svg(board, rows),
                f"Gain in PSNR over the untreated input of up to {most} patients, by condition: {', '.join(names)}.",
                wide=True,
            ),
        ),
        legend=tuple(
            pair for pair in svg.legend(board.plan.models, board.names) if pair[0] in names
        ),
    )


def _gains(board: Scoreboard, row: Row) -> Gains:
    """Return the gain of each patient by network; of those patients of whom both have a score."""
    untreated = row.groups[INPUT].patients(PSNR) if INPUT in row.groups else {}
    if not board.patients_known or not row.comparable:
        return {}
    gains = {}
    for model, group in row.groups.items():
        theirs = group.patients(PSNR)
        both = {name: value - untreated[name] for name, value in theirs.items() if name in untreated}
        if model != INPUT and both and not group.not_finite(PSNR):
            gains[model] = both
    return gains


def _svg(board: Scoreboard, rows: list[tuple[Row, Gains]]) -> str:
    models = list(board.plan.models)
    heights = [max(2, len(gains)) * STEP for _, gains in rows]
    height = sum(heights) + GAP * len(rows)
    better = "higher" if sign(board.definition(PSNR)) > 0 else "lower"
    with svg.canvas("patients", 7.4, height + 0.55) as figure:
        axes = figure.add_subplot()
        ticks, top = [], 0.0
        for (row, gains), tall in zip(rows, heights, strict=True):
            if top:
                axes.axhline(top, color=svg.GRID, linewidth=0.8)
            ticks.append((top + (tall + GAP) / 2, board.condition(row)))
            for at, (model, patients) in enumerate(gains.items()):
                y = top + (tall + GAP) / 2 + (at - (len(gains) - 1) / 2) * STEP
                _network(axes, y, models.index(model), np.array(list(patients.values())))
            top += tall + GAP
        axes.axvline(0.0, color=svg.INK, linewidth=1.0, linestyle=svg.LEVEL, alpha=0.65)
        unit = board.definition(PSNR).get("unit", "")
        svg.dress(axes, f"Gain in {board.label(PSNR)} over the input ({unit}), {better} is better", "", grid="x")
        axes.set_yticks([y for y, _ in ticks], [name for _, name in ticks])
        axes.set_ylim(top, 0.0)
        return svg.text(figure)


def _network(axes: Any, y: float, series: int, gains: np.ndarray) -> None:
    paint = svg.PALETTE[series % len(svg.PALETTE)]
    marker = svg.MARKERS[series % len(svg.MARKERS)]
    axes.plot(gains, np.full(len(gains), y), linestyle="", marker=marker, markersize=3.4, color=paint, alpha=0.5,
              markeredgewidth=0)  # fmt: skip
    if len(gains) > 1:
        interval = statistics.t_interval(gains)
        axes.plot((interval.low, interval.high), (y, y), color=paint, linewidth=1.6, solid_capstyle="butt")
    mean = statistics.mean(gains.tolist())
    axes.plot((mean, mean), (y - STEP / 2.6, y + STEP / 2.6), color=paint, linewidth=2.6, solid_capstyle="butt")
