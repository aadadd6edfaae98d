"""What each network adds to the untreated input, patient by patient: a row a condition, a dot a patient."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.config.schema import INPUT
from bench.metrics import PSNR
from bench.report import statistics
from bench.report.board import Scoreboard
from bench.report.render import plot, svg
from bench.report.rows import Row
from bench.report.values import Drawing, Figure
from bench.report.winners import sign

Gains = Mapping[str, Mapping[str, float]]  # model -> patient -> gain
STEP = 11.0  # points between two networks of one row
GAP = 14.0  # points between two rows


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
        legend=tuple(pair for pair in plot.legend(board.plan.models, board.names) if pair[0] in names),
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
    unit = board.definition(PSNR).get("unit", "")
    better = "higher" if sign(board.definition(PSNR)) > 0 else "lower"
    middles, top = [], 0.0
    for _, gains in rows:
        tall = max(2, len(gains)) * STEP + GAP
        middles.append(top + tall / 2)
        top += tall
    names = [board.condition(row) for row, _ in rows]
    everyone = [list(patients.values()) for _, gains in rows for patients in gains.values()]
    across = plot.linear(
        _extent(everyone),
        f"Gain in {board.label(PSNR)} over the input ({unit}), {better} is better",
        span=0.5,
    )
    down = plot.Axis(top, 0.0, tuple(zip(middles, names, strict=True)))
    drawing = plot.Plot(600, top + 40, across, down, grid="x")
    drawing.line(((0.0, 0.0), (0.0, top)), plot.INK, 1.0, plot.LEVEL)
    models = list(board.plan.models)
    for middle, (_, gains) in zip(middles, rows, strict=True):
        if middle != middles[0]:
            edge = middle - (max(2, len(gains)) * STEP + GAP) / 2
            drawing.line(((across.low, edge), (across.high, edge)), plot.GRID, 0.8)
        for at, (model, patients) in enumerate(gains.items()):
            y = middle + (at - (len(gains) - 1) / 2) * STEP
            _network(drawing, y, models.index(model), list(patients.values()))
    return drawing.svg()


def _extent(everyone: list[list[float]]) -> list[float]:
    """Return what the axis has to show: no gain, every patient, and intervals up to one span of the patients beyond."""
    gains = [0.0, *(gain for gains in everyone for gain in gains)]
    span = max(gains) - min(gains)
    ends = [end for gains in everyone for end in _interval(gains)]
    return [
        *gains,
        max(min(ends, default=0.0), min(gains) - span),
        min(max(ends, default=0.0), max(gains) + span),
    ]


def _interval(gains: list[float]) -> tuple[float, ...]:
    """Return both ends of the interval of the mean; nothing where there is none."""
    if len(gains) < 2:
        return ()
    interval = statistics.t_interval(np.array(gains))
    return interval.low, interval.high


def _network(drawing: plot.Plot, y: float, series: int, gains: list[float]) -> None:
    paint, shape = svg.colour(series), plot.MARKERS[series % len(plot.MARKERS)]
    if ends := _interval(gains):
        low, high = max(ends[0], drawing.x.low), min(ends[1], drawing.x.high)
        drawing.line(((low, y), (high, y)), paint, 1.2, opacity=0.7)
    for gain in gains:
        drawing.marker((gain, y), paint, shape, 2.5, 0.8)
    mean = statistics.mean(gains)
    drawing.line(((mean, y - STEP / 2.4), (mean, y + STEP / 2.4)), paint, 2.4)
