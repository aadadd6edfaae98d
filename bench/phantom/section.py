"""The fields of the trunk at one height, which the painters of a slice share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.phantom.anatomy import Anatomy
from bench.phantom.canvas import Canvas
from bench.phantom.fields import Array, smooth_max, smooth_min, step
from bench.phantom.thorax import lung_inside
from bench.phantom.trunk import (
    belly_distance,
    body_distance,
    breast_distance,
    cage_distance,
    cage_frame,
    girdle_distance,
)


@dataclass(frozen=True)
class Section:
    """The canvas, and distances in mm on its whole grid; ``angle`` runs from 0 (back) to pi (front)."""

    a: Anatomy
    canvas: Canvas
    z: float
    body: Array
    shoulders: Array
    muscle: Array
    angle: Array
    cage: Array
    belly: Array
    lung: Array


def section(a: Anatomy, canvas: Canvas) -> Section:
    """Evaluate the fields of the trunk on the whole grid of ``canvas``."""
    x, y, z = canvas.whole.x, canvas.whole.y, canvas.z
    shoulders = girdle_distance(a, x, y, z) + 2.0 * canvas.swell
    trunk = body_distance(a, x, y, z, shoulders)
    cage = cage_distance(a, x, y, z) + 1.5 * canvas.swell
    belly = np.maximum(belly_distance(a, x, y, z, cage) + 3.0 * canvas.swell, cage)
    lung = smooth_max(lung_inside(a, x, y, z, cage, belly) + 0.8 * canvas.coarse, cage + 2.5, 3.0)
    breasts = breast_distance(a, x, y, z)
    body = trunk if breasts is None else smooth_min(trunk, breasts, 16.0)
    width, depth, centre = (float(v) for v in cage_frame(a, z))
    angle = np.arctan2(np.abs(x) / width, (y - centre) / depth)
    wall = _wall(a, z, angle) + 1.5 * canvas.swell
    muscle = smooth_max(cage - wall, trunk + (0.55 * a.fat + 2.0), 8.0)
    return Section(a, canvas, z, body, shoulders, muscle, angle, cage, belly, lung)


def _wall(a: Anatomy, z: float, angle: Array) -> Array:
    """Thickness in mm of ribs and muscle outside the cage; ``angle`` runs from 0 (back) to pi (front)."""
    t, k = z / a.length, a.scale
    flank = 9.0 * k * float(step((t - 0.3) / 0.3)) * np.exp(-(((angle - 1.2) / 0.5) ** 2))
    back = k * (26.0 * np.exp(-((angle / 0.5) ** 4)) + 22.0 * np.exp(-((angle / 0.27) ** 2)))
    chest = 15.0 * k * float(step((0.46 - t) / 0.25)) * np.exp(-(((angle - 2.3) / 0.42) ** 2))
    wall: Array = 10.5 + np.maximum(np.maximum(flank, back), chest)
    return wall
