"""Dose and response: quality against the photons per ray and against the number of views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.config.schema import INPUT
from bench.metrics import PSNR
from bench.report.board import Scoreboard
from bench.report.render import svg
from bench.report.rows import Row
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
    drawings = tuple(_drawing(board, at, series) for at, series in enumerate(_series(board)))
    if not drawings:
        return None
    return Figure(
        name="dose",
        title="Dose and quality",
        lead=f"Mean {board.label(PSNR)} over the test slices against what the dose comes from; the axis is "
        "logarithmic. Each point is a network that was trained at that dose.",
        drawings=drawings,
        legend=(*svg.legend(board.plan.models, board.names), ("untreated input", "")),
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
            noise = dose.noise_model.words(lambda number: f"{number:,.0f}")
            views.setdefault(noise, []).append((float(dose.views), means))
    for axis, families in (("Photons per ray", photons), ("Views", views)):
        for kept, points in families.items():
            if len({dose for dose, _ in points}) >= FEWEST:
                yield Series(axis, kept, tuple(sorted(points, key=lambda point: point[0])))


def _drawing(board: Scoreboard, at: int, series: Series) -> Drawing:
    title = f"{series.axis}, {series.kept}" if series.kept else series.axis
    return Drawing(title, _svg(board, f"dose-{at}", series), f"{board.label(PSNR)} against {title.lower()}.")


def _svg(board: Scoreboard, name: str, series: Series) -> str:
    with svg.canvas(name, 4.4, 2.9) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        for model in (INPUT, *board.plan.models):
            points = [(dose, means[model]) for dose, means in series.points if model in means]
            if points:
                axes.plot(*zip(*points, strict=True), **_style(board, model))
        svg.dress(axes, series.axis, board.named(PSNR), grid="both")
        doses = sorted({dose for dose, _ in series.points})
        axes.set_xticks(doses, [f"{dose:,.0f}" for dose in doses], minor=False)
        axes.set_xticks([], minor=True)
        axes.margins(x=0.06, y=0.08)
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        return svg.text(figure)


def _style(board: Scoreboard, model: str) -> dict[str, Any]:
    if model == INPUT:
        return {"color": svg.INK, "linestyle": svg.LEVEL, "linewidth": 1.2, "alpha": 0.75, "marker": ".", "markersize": 4}
    at = list(board.plan.models).index(model)
    return {**svg.line(at), "linewidth": 1.8, "marker": svg.MARKERS[at % len(svg.MARKERS)], "markersize": 5}
