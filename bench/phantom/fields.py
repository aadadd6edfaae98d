"""Signed distance fields in millimetres: negative inside, positive outside, and how to combine them.

Axes of every field: x to the patient's left (image right), y to the back (image down), z to the feet.
Arguments broadcast, so the same function serves a pixel grid at one height and a cloud of points.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]  # double, so that what processors differ by stays below the rounding of a slice


def step(x: float | Array) -> Array:
    """Cubic smooth step: 0 for x <= 0, 1 for x >= 1."""
    t = np.clip(np.asarray(x, np.float64), 0.0, 1.0)
    result: Array = t * t * (3.0 - 2.0 * t)
    return result


def bump(x: float, centre: float, width: float) -> float:
    """Periodic smooth bump of period 1: 1 at ``centre``, 0 from ``width`` away."""
    away = abs((x - centre + 0.5) % 1.0 - 0.5)
    return float(step(1.0 - away / width))


def smooth_min(a: Array, b: Array, radius: float) -> Array:
    """Union of two distances with a fillet of about ``radius`` mm."""
    overlap = np.maximum(radius - np.abs(a - b), 0.0)
    result: Array = np.minimum(a, b) - overlap * overlap * (0.25 / radius)
    return result


def smooth_max(a: Array, b: Array, radius: float) -> Array:
    """Intersection of two distances with an edge rounded by about ``radius`` mm."""
    overlap = np.maximum(radius - np.abs(a - b), 0.0)
    result: Array = np.maximum(a, b) + overlap * overlap * (0.25 / radius)
    return result


def superellipse(
    x: Array, y: Array, a: float | Array, b: float | Array, power: float, behind: float | None = None
) -> Array:
    """Distance along the ray from the centre to the curve |x/a|^power + |y/b|^power = 1.

    ``behind`` is the power of the half with y > 0, if it has another.
    """
    if behind is not None and y.ndim == 2 and y.shape[1] == 1:  # a grid: each half by itself
        split = int(np.searchsorted(y[:, 0], 0.0))
        rows = (slice(None, split), slice(split, None))
        wide = [a if isinstance(a, float) or a.ndim == 0 else a[r] for r in rows]
        halves = zip(rows, wide, (power, behind), strict=True)
        return np.vstack([superellipse(x, y[r], w, b, p) for r, w, p in halves])
    if behind is not None:
        front, back = (superellipse(x, y, a, b, p) for p in (power, behind))
        return np.where(y < 0.0, front, back)
    total = np.power(np.abs(x) / a, power) + np.power(np.abs(y) / b, power)
    level = np.power(np.maximum(total, 1e-6), 1.0 / power)
    result: Array = np.sqrt(x * x + y * y) * (1.0 - 1.0 / level)
    return result


def capsule(x: Array, y: Array, start: tuple[float, float], end: tuple[float, float], radius: float) -> Array:
    """Distance in the plane to a thick line from ``start`` to ``end``."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy + 1e-9)
    along = np.clip(along, 0.0, 1.0)
    return np.hypot(x - start[0] - along * dx, y - start[1] - along * dy) - radius


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid: centre and semi-axes in mm, turned by ``yaw`` about z and then tipped by ``pitch``."""

    centre: tuple[float, float, float]
    semi: tuple[float, float, float]
    yaw: float = 0.0
    pitch: float = 0.0

    @property
    def reach(self) -> float:
        """The radius of a sphere about the centre that holds the body."""
        return max(self.semi)

    def distance(self, x: Array, y: Array, z: float | Array) -> Array:
        """First-order distance (level over gradient), exact to first order at the surface."""
        cy, sy, cp, sp = cos(self.yaw), sin(self.yaw), cos(self.pitch), sin(self.pitch)
        dx, dy = x - self.centre[0], y - self.centre[1]
        dz = np.asarray(z - self.centre[2], np.float64)
        first = dx * (cy * cp) + dy * (sy * cp) + dz * sp
        second = dx * -sy + dy * cy
        third = dx * (-cy * sp) + dy * (-sy * sp) + dz * cp
        p, q, r = first / self.semi[0], second / self.semi[1], third / self.semi[2]
        level = np.sqrt(p * p + q * q + r * r) + 1e-6
        p, q, r = p / self.semi[0], q / self.semi[1], r / self.semi[2]
        slope = np.sqrt(p * p + q * q + r * r) + 1e-6
        result: Array = level * (level - 1.0) / slope
        return result

    def misses(self, z: float, margin: float = 3.0) -> bool:
        """Whether the plane at height ``z`` surely passes by."""
        return abs(z - self.centre[2]) > self.reach + margin
