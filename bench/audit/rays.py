"""The rays of a scan, computed from its geometry alone, which the audit compares the projector with.

Parallel beam: the ray of view angle a and bin b is the line ``x cos a + y sin a = s`` with ``s`` the distance of the
bin from the middle one. Fan beam (Kak and Slaney, reissue of 2001, doi 10.1137/1.9780898719277, section 3.4): the
ray that leaves the source of view angle b at the angle g from the central line is the parallel ray with
``a = b + g`` and ``s = D sin g``, D the distance of the source. Lengths are in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.audit.objects import Real
from bench.ct.geometry import FanBeam, Geometry


@dataclass(frozen=True)
class Rays:
    """The rays of a scan of slices whose pixels are ``pixel_cm`` wide."""

    geometry: Geometry
    pixel_cm: float

    @property
    def fan(self) -> FanBeam | None:
        """The scan if it is a fan beam."""
        return self.geometry if isinstance(self.geometry, FanBeam) else None

    @property
    def source(self) -> float:
        """Distance of the source from the centre of rotation; infinite for parallel rays."""
        return self.fan.source_cm / self.pixel_cm if self.fan else math.inf

    @property
    def step(self) -> float:
        """Distance of neighbouring bins on the detector's own scale: pixels, or radians of the fan."""
        return self.fan.pitch if self.fan else 1.0

    @property
    def pitch(self) -> float:
        """Distance of neighbouring rays at the centre of rotation, in pixels."""
        return self.source * self.step if self.fan else 1.0

    @property
    def reach(self) -> float:
        """Radius of the circle that every view measures, in pixels."""
        ends = self.lines()[1][..., [0, -1], 0]
        return float(np.abs(ends).min())

    @property
    def views(self) -> Real:
        """Angle of each view in radians, shape (views,)."""
        count = self.geometry.views
        return np.arange(count, dtype=np.float64) * (math.radians(self.geometry.arc_degrees) / count)

    def places(self, over: int = 1) -> Real:
        """Return where the bins lie on the detector's own scale, (bins, over): points spread over each bin."""
        count = self.geometry.bins
        middle = (count - 1) / 2 - (self.fan.offset if self.fan else 0.0)
        within = (np.arange(over) + 0.5) / over - 0.5
        points: Real = (np.arange(count, dtype=np.float64)[:, None] - middle + within) * self.step
        return points

    def lines(self, over: int = 1) -> tuple[Real, Real]:
        """Return angle and distance from the centre of every ray, shapes that combine to (views, bins, over)."""
        places, views = self.places(over)[None], self.views[:, None, None]
        return (views + places, self.source * np.sin(places)) if self.fan else (views, places)

    def pitches(self, side: float, parts: int = 7) -> list[tuple[float, float]]:
        """Return the distances of neighbouring rays in pixels within ``side`` pixels of the middle, and their shares.

        Shares are those of a Hann window over that square. A fan's rays part with the distance from the source.
        """
        if not self.fan:
            return [(1.0, 1.0)]
        x = ((np.arange(24) + 0.5) / 24 - 0.5) * side
        hann = np.cos(np.pi * x / side) ** 4  # the square of the window: its power
        ahead = self.source + np.hypot(x, x[:, None])[..., None] * np.cos(
            (np.arange(24) + 0.5) * (np.pi / 12)
        )
        weights, edges = np.histogram(
            ahead * self.step, parts, weights=np.outer(hann, hann)[..., None] * np.ones(24), density=False
        )
        middles = (edges[1:] + edges[:-1]) / 2
        return [(float(m), float(w)) for m, w in zip(middles, weights / weights.sum(), strict=True)]

    @property
    def directions(self) -> int:
        """How many different lines the views draw through the centre of rotation; opposite views draw the same."""
        lines = np.mod(self.views, math.pi)
        lines[math.pi - lines < 1e-9] = 0.0
        return len(np.unique(np.round(lines, 9)))

    def seen(self, view: int, x: Real, y: Real) -> tuple[Real, Real]:
        """Return where a view sees the points (x, y) on the detector's own scale, and with which weight.

        The integral over the detector of the line integrals of f is the integral over the plane of f times the
        weight: 1 for parallel rays, one over the distance from the source for a fan.
        """
        cos, sin = math.cos(self.views[view]), math.sin(self.views[view])
        if not self.fan:
            return x * cos + y * sin, np.ones(np.broadcast(x, y).shape)
        right, ahead = x * cos + y * sin, self.source + x * sin - y * cos
        return np.arctan2(right, ahead), 1.0 / np.hypot(right, ahead)
