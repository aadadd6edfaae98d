"""Noise power spectra: what each network removed beside the noise of its input, a drawing a condition and anatomy."""

from __future__ import annotations

import math

from bench.config.schema import INPUT
from bench.metrics.tissues import NAMES
from bench.report import statistics
from bench.report.board import Scoreboard
from bench.report.render import plot, svg
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
    return Figure(
        name="spectra",
        title="Noise removed",
        lead="Noise power against frequency in patches of soft tissue: dotted, the noise of the input (input less "
        "reference); in colour, what each network removed (input less output). A network that removes noise alone "
        "stays on or below the dotted line and keeps its shape; above it, more than noise was removed, "
        "or something was added.",
        drawings=drawings,
        legend=(*plot.legend(board.plan.models, board.names), ("noise of the input", "")),
        dashed=True,
    )


def _drawing(board: Scoreboard, row: Row, region: str) -> Drawing | None:
    removed = {model: _mean(row, model, region, "removed") for model in board.plan.models}
    noise = _mean(row, INPUT, region, "noise") or next(
        filter(None, (_mean(row, model, region, "noise") for model in board.plan.models)), {}
    )
    if not noise or not any(removed.values()):
        return None
    frequencies, powers = zip(
        *((f, p) for one in (noise, *removed.values()) for f, p in one.items()), strict=True
    )
    drawn = plot.Plot(
        300,
        205,
        plot.linear(frequencies, "Cycles per pixel"),
        plot.linear((0.0, *powers), "Power (HU² pixels²)"),
    )
    for at, spectrum in enumerate(removed.values()):
        drawn.line(list(spectrum.items()), svg.colour(at), 1.8, plot.dash(at))
    drawn.line(list(noise.items()), plot.INK, 1.4, plot.LEVEL)
    text = drawn.svg()
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
