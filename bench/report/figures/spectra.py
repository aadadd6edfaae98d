"""Noise power spectra: what each network removed beside the noise of its input, a drawing a condition and anatomy."""

from __future__ import annotations

import math

from bench.config.schema import INPUT
from bench.metrics.tissues import NAMES
from bench.report import statistics
from bench.report.board import Scoreboard
from bench.report.render import svg
from bench.report.rows import Row
from bench.report.values import Drawing, Figure

Spectrum = dict[float, float]  # cycles per pixel -> HU^2 pixels^2


def figure(board: Scoreboard) -> Figure | None:
    """Return the noise power spectra of each condition and anatomy; None where no cell has stored one."""
    drawings = tuple(
        drawing
        for row in board.rows
        for region in NAMES
        if (drawing := _drawing(board, row, region)) is not None
    )
    if not drawings:
        return None
    legend = [(board.names[model], svg.colour(at)) for at, model in enumerate(board.plan.models)]
    return Figure(
        name="spectra",
        title="Noise removed",
        lead="Noise power against frequency in patches of soft tissue: dashed, the noise of the input (input less "
        "reference); in colour, what each network removed (input less output). A network that removes noise alone "
        "stays on or below the dashed line and keeps its shape; above it, anatomy was removed.",
        drawings=drawings,
        legend=(*legend, ("noise of the input", "")),
    )


def _drawing(board: Scoreboard, row: Row, region: str) -> Drawing | None:
    removed = {model: _mean(row, model, region, "removed") for model in board.plan.models}
    noise = _mean(row, INPUT, region, "noise") or next(
        filter(None, (_mean(row, model, region, "noise") for model in board.plan.models)), {}
    )
    if not noise or not any(removed.values()):
        return None
    with svg.canvas(f"spectra-{row.condition}-{region}", 4.4, 2.7) as drawn:
        axes = drawn.add_subplot()
        for at, spectrum in enumerate(removed.values()):
            axes.plot(
                list(spectrum),
                list(spectrum.values()),
                color=svg.PALETTE[at % len(svg.PALETTE)],
                linewidth=1.8,
            )
        axes.plot(
            list(noise), list(noise.values()), color=svg.INK, linewidth=1.0, linestyle=(0, (4, 3)), alpha=0.65
        )
        svg.dress(axes, "Cycles per pixel", "Power (HU² pixels²)")
        axes.set_ylim(bottom=0.0)
        text = svg.text(drawn)
    name = f"{board.condition(row)}, {NAMES[region]}"
    return Drawing(name, text, f"Noise power spectrum of the noise and of what was removed, {name}.")


def _mean(row: Row, model: str, region: str, kind: str) -> Spectrum:
    """Return the mean spectrum of the finished cells of a model, seeds and folds alike."""
    powers: dict[float, list[float]] = {}
    for run in row.groups[model].finished:
        for result in run.results:
            for line in result.folder.read_spectra():
                if line.get("anatomy") == region and math.isfinite(float(line[kind])):
                    powers.setdefault(float(line["cycles_per_pixel"]), []).append(float(line[kind]))
    return {frequency: statistics.mean(values) for frequency, values in sorted(powers.items())}
