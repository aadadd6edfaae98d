"""Dose and response: quality against the photons per ray and against the number of views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bench.config.schema import INPUT
from bench.ct.noise import Noiseless
from bench.metrics import PSNR
from bench.report.board import Scoreboard
from bench.report.render import plot, svg
from bench.report.values import Drawing, Figure

FEWEST = 2  # doses that make a curve
Point = tuple[float, Mapping[str, float]]  # dose, mean of each model


@dataclass(frozen=True)
class Series:
    """Conditions that differ in one dose only: what is varied, what is kept, and the means at each dose."""

    axis: str
    kept: str
    points: tuple[Point, ...]


def figure(board: Scoreboard) -> Figure | None:
    """Return PSNR against dose; None where no two conditions differ in their photons, or in their views, alone."""
    drawings = tuple(_drawing(board, series) for series in _series(board))
    if not drawings:
        return None
    return Figure(
        name="dose",
        title="Dose and quality",
        lead=f"Mean {board.label(PSNR)} over the test slices against what the dose comes from; the axis is "
        "logarithmic. Each point is a network that was trained at that dose.",
        drawings=drawings,
        legend=(*plot.legend(board.plan.models, board.names), ("untreated input", "")),
        dashed=True,
    )


def _series(board: Scoreboard) -> Iterator[Series]:
    """Yield the conditions in which only the photons are varied, then those in which only the views are."""
    photons: dict[str, list[Point]] = {}
    views: dict[str, list[Point]] = {}
    for row in board.rows:
        cells = [result for group in row.groups.values() for result in group.results]
        means = {m: mean for m, group in row.groups.items() if (mean := group.mean(PSNR)) is not None}
        if not cells or not means or not row.comparable:
            continue
        dose = cells[0].planned.spec.dataset.dose
        sparse = f"{dose.views} views" if dose.views is not None else ""
        if dose.photons is not None:
            other = f"electronic noise {dose.electronic_noise:g}" if dose.electronic_noise else ""
            kept = ", ".join(filter(None, (sparse, other)))
            photons.setdefault(kept, []).append((dose.photons, means))
        if dose.views is not None:
            noise = "" if isinstance(dose.noise_model, Noiseless) else dose.noise_model.words(_count)
            views.setdefault(noise, []).append((float(dose.views), means))
    for axis, families in (("Photons per ray", photons), ("Views", views)):
        for kept, points in families.items():
            if len({dose for dose, _ in points}) >= FEWEST:
                yield Series(axis, kept, tuple(sorted(points, key=lambda point: point[0])))


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _drawing(board: Scoreboard, series: Series) -> Drawing:
    title = f"{series.axis}, {series.kept}" if series.kept else series.axis
    return Drawing(title, _svg(board, series), f"{board.label(PSNR)} against {title.lower()}.")


def _svg(board: Scoreboard, series: Series) -> str:
    doses = sorted({dose for dose, _ in series.points})
    heights = [mean for _, means in series.points for mean in means.values()]
    across = replace(
        plot.logarithmic(doses, series.axis), ticks=tuple((dose, _count(dose)) for dose in doses)
    )
    drawing = plot.Plot(300, 205, across, plot.linear(heights, board.named(PSNR), span=0.5), grid="xy")
    for at, model in enumerate((INPUT, *board.plan.models), -1):
        points = [(dose, means[model]) for dose, means in series.points if model in means]
        if model == INPUT:
            drawing.line(points, plot.INK, 1.4, plot.LEVEL)
            continue
        drawing.line(points, svg.colour(at), 1.8, plot.dash(at))
        for point in points:
            drawing.marker(point, svg.colour(at), plot.MARKERS[at % len(plot.MARKERS)])
    return drawing.svg()
