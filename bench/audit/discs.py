"""Checks of a water disc that goes through the whole simulator: CT numbers, position, size and edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.audit import closed_forms
from bench.audit.check import Check, at_most, between, within
from bench.audit.objects import FINER, Image, Real, coordinates, disc, distance
from bench.audit.rays import Rays
from bench.audit.simulator import Setup, Simulator
from bench.ct.geometry import Geometry
from bench.ct.units import mu_to_hu

FIELD_CM = 40.0  # side of the audited field of view: a chest
MARGIN = 4.0  # pixels beside an edge that count neither as inside nor as outside
RADIUS = 0.4  # of the size: of the disc in the middle
OFF_CENTRE = (0.17, -0.11, 0.2)  # of the size: x, y and radius of the other one
_ASIDE = (0.3, 0.2)  # pixels: in the very middle all four quarters of the edge meet the pixels alike


@dataclass(frozen=True)
class Disc:
    """A reconstructed water disc: ``image`` (size, size) in HU, distances from its centre in pixels."""

    image: Image
    radius: float
    away: Real

    def mean(self, low: float, high: float) -> float:
        """Return the mean CT number at distances ``low`` to ``high``, NaN where no pixel is."""
        chosen = self.image[(self.away >= low) & (self.away < high)]
        return float(chosen.mean()) if chosen.size else float("nan")


def pixel_cm(size: int) -> float:
    """Return the width of a pixel of the audited field."""
    return FIELD_CM / size


def reconstructed(simulator: Simulator, geometry: Geometry, objects: Image) -> Image:
    """Return the noise-free reconstruction of one object, (size, size) in 1/cm."""
    widths = np.full(len(objects), pixel_cm(geometry.size))
    image: Image = simulator.reconstruct(simulator.project(objects, geometry, widths), geometry, widths)[0]
    return image


def water_disc(simulator: Simulator, geometry: Geometry) -> Disc:
    """Return the reconstructed disc in the middle, a fraction of a pixel aside."""
    size = geometry.size
    image = reconstructed(simulator, geometry, disc(size, RADIUS * size, *_ASIDE))
    return Disc(mu_to_hu(image), RADIUS * size, distance(size, *_ASIDE))


def water(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield the CT numbers of a water disc: 0 HU everywhere, -1000 HU beside it."""
    geometry = setup.geometry
    measured = water_disc(simulator, geometry)
    inner, outer = measured.radius - MARGIN, measured.radius + MARGIN
    reach = Rays(geometry, pixel_cm(geometry.size)).reach
    yield within(
        "water.mean", measured.mean(0.0, inner), 3.0, "HU",
        "mean CT number of a water disc against 0 HU; a ramp sampled in frequency misses it by tens; IEC 61223-3-5 "
        "allows scanners 4 HU",
    )  # fmt: skip
    rim = measured.mean(inner - 4.0, inner)
    yield within(
        "water.cupping", measured.mean(0.0, measured.radius / 3) - rim, 3.0, "HU",
        "centre of the disc minus its rim against 0 HU; line integrals that are not linear (beam hardening) make a cup",
    )  # fmt: skip
    yield within(
        "water.air", measured.mean(outer, reach) + 1000.0, 3.0, "HU",
        "mean CT number of the air around the disc, corners too where measured, against -1000 HU; without zero padding "
        "the far side of a view leaks in",
    )  # fmt: skip


def shape(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield place, radius and sharpness of a disc away from the centre of rotation."""
    geometry = setup.geometry
    size = geometry.size
    x, y, radius = (share * size for share in OFF_CENTRE)
    share = (reconstructed(simulator, geometry, disc(size, radius, x, y)) / 0.2).astype(np.float64)
    near = np.where(distance(size, x, y) < radius + MARGIN, share, 0.0)
    columns, rows = coordinates(size, size)
    mass = near.sum()
    found_x, found_y = (near * columns).sum() / mass, (near * rows).sum() / mass
    yield at_most(
        "disc.centroid", np.hypot(found_x - x, found_y - y), 0.05, "pixel",
        "centroid of an off-centre disc against where it was drawn; half a pixel or a mirrored image is far outside",
    )  # fmt: skip
    width = Rays(geometry, pixel_cm(size))
    quarter, half, three = _crossings(share, distance(size, x, y), radius)
    yield within(
        "disc.radius", half - radius, 0.05, "pixel",
        "radius at half the height of its edge against the one drawn",
    )  # fmt: skip
    expected = closed_forms.edge_width(geometry.filter, width.pitch, 1.0 / FINER)
    yield between(
        "disc.edge", (quarter - three) / expected, (0.93, 1.07), "of law",
        f"width of its edge from 75 % to 25 % against {expected:.2f} pixel: object pixel, bin, window and linear "
        "interpolation; a detector off by half a bin doubles the edge",
    )  # fmt: skip


def _crossings(share: Real, away: Real, radius: float) -> tuple[float, float, float]:
    """Return the distances at which the edge, averaged around the disc, falls to 25, 50 and 75 % of its height."""
    steps = np.arange(radius - MARGIN, radius + MARGIN, 0.25)
    bins = np.digitize(away, steps)
    counts = np.bincount(bins.ravel(), minlength=len(steps) + 1)[1:-1]
    sums = np.bincount(bins.ravel(), share.ravel(), minlength=len(steps) + 1)[1:-1]
    places = np.bincount(bins.ravel(), away.ravel(), minlength=len(steps) + 1)[1:-1]
    profile, at = (values[counts > 0] / counts[counts > 0] for values in (sums, places))
    inside = away < radius - MARGIN
    height = profile / share[inside].mean()
    return tuple(_falls_through(height, at, level) for level in (0.25, 0.5, 0.75))  # type: ignore[return-value]


def _falls_through(height: Real, at: Real, level: float) -> float:
    below = np.flatnonzero(height < level)
    if len(below) == 0 or below[0] == 0:
        return float("nan")
    last = below[0]
    high, low = height[last - 1], height[last]
    return float(at[last - 1] + (high - level) / (high - low) * (at[last] - at[last - 1]))
