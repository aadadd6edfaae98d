"""Outline, shoulder girdle, rib cage, diaphragm and spine as smooth 3-D distance fields."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bench.phantom.anatomy import Anatomy
from bench.phantom.fields import Array, Ellipsoid, smooth_min, step, superellipse


def cage_frame(a: Anatomy, z: float | Array) -> tuple[Array, Array, Array]:
    """Half width, half depth and centre y of the rib cage's inner side at height z, in mm."""
    t = np.asarray(z, np.float64) / a.length
    width = a.cage_width * (0.52 + 0.48 * step((t + 0.16) / 0.56))
    shrink = 0.64 + 0.36 * step((t + 0.12) / 0.52)
    depth = a.cage_depth * shrink
    return width, depth, a.cage_y + 0.8 * (a.cage_depth - depth)


def cage_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Distance to the inner side of the rib cage; it goes on below as the wall of the abdomen.

    Wider behind than in front, with a furrow on both sides of the spine.
    """
    width, depth, centre = cage_frame(a, z)
    v = (y - centre) / depth
    oval = superellipse(x, y - centre, width * (1.0 + 0.05 * v), depth, a.cage_power, 2.7)
    across = x / (0.30 * width)
    dent: Array = (25.0 * a.scale) * np.exp(-across * across) * step(v / 0.7)
    return oval + dent


def spine_centre(a: Anatomy, z: float | Array) -> Array:
    """The y of the middle of the vertebral body at height z, in mm."""
    _, depth, centre = cage_frame(a, z)
    return centre + depth - 46.0 * a.scale - 4.0 * a.scale * step((z / a.length - 0.55) / 0.5)


@lru_cache(maxsize=64)
def girdle(a: Anatomy) -> tuple[Ellipsoid, Ellipsoid]:
    """The muscles about the left shoulder blade and those of the left shoulder; mirrored for the right."""
    k = a.scale
    blade = Ellipsoid(a.at(119.0, 0.50, 0.0), (70.0 * k, 31.0 * k, 0.44 * a.length), yaw=-0.86, pitch=0.10)
    shoulder = Ellipsoid(a.at(127.0, 0.10, -0.06), (41.0 * k, 45.0 * k, 0.17 * a.length))
    return blade, shoulder


def girdle_distance(a: Anatomy, x: Array, y: Array, z: float) -> Array:
    """Distance to the muscles of both shoulders, which lie a little to one side; large where there are none."""
    near: Array = np.full(np.broadcast_shapes(np.shape(x), np.shape(y)), 99.0)
    for part in girdle(a):
        if not part.misses(z, 30.0):
            near = smooth_min(near, part.distance(np.abs(x - a.lean), y, z), 10.0)
    return near


def body_distance(a: Anatomy, x: Array, y: Array, z: float, shoulders: Array) -> Array:
    """Distance to the skin without breasts; ``shoulders`` is ``girdle_distance``."""
    t = z / a.length
    depth = a.half_depth * (0.86 + 0.14 * float(step((t + 0.1) / 0.45)))
    width = a.half_width * (0.93 + 0.07 * float(step(t / 0.4)) - 0.03 * float(step((t - 0.6) / 0.4)))
    dy = y - (a.body_y + (a.half_depth - depth) * 0.8)
    front, back = a.powers
    distance = superellipse(x, dy, width, depth, front, back)
    sine, cosine = dy / depth, x / width
    radius = np.sqrt(sine * sine + cosine * cosine) + 1e-3
    sine, cosine = sine / radius, cosine / radius
    first = sine * cosine
    second = sine * sine - cosine * cosine
    (p, f), (q, g), (r, _), (s, _) = a.lumps
    wave = (
        (p * np.sin(f + 3.0 * t)) * first
        + (q * np.cos(g + 4.0 * t)) * second
        + 0.6 * r * sine
        + 0.6 * s * first * second
    )
    furrow = np.exp(-((x / (0.09 * a.half_width)) ** 2)) * (dy > 0) * 4.0
    cleft = np.exp(-((x / (0.2 * a.half_width)) ** 2)) * (dy < 0) * (4.0 * step((0.7 - t) / 0.2))
    plain: Array = distance - wave * a.half_width + furrow + cleft
    return smooth_min(plain, shoulders - (4.0 + 0.5 * a.fat), 30.0)


def breast_distance(a: Anatomy, x: Array, y: Array, z: float) -> Array | None:
    """Distance to the breasts, or None where the slice has none."""
    if a.breasts <= 0.0:
        return None
    size = 0.31 * a.half_width * (0.7 + 0.4 * a.breasts)
    front = a.body_y - 0.80 * a.half_depth
    blob = Ellipsoid(
        (0.50 * a.half_width, front, 0.47 * a.length), (size, 0.62 * size, 1.05 * size), yaw=0.45
    )
    return None if blob.misses(z, 20.0) else blob.distance(np.abs(x), y, z)


def dome_height(a: Anatomy, x: Array, y: Array) -> Array:
    """Height z of the diaphragm's upper surface at (x, y), in mm."""
    heights: list[Array] = []
    for side, top in ((-1.0, a.dome_right), (1.0, a.dome_left)):
        u = (x - side * 0.50 * a.cage_width) / (0.62 * a.cage_width)
        u = u * np.where(u * side < 0.0, 0.72, 1.0)
        v = (y - a.cage_y + 0.22 * a.cage_depth) / (0.85 * a.cage_depth)
        height: Array = (top * a.length) + a.dome_fall * (u * u + v * v)
        heights.append(height)
    return smooth_min(heights[0], heights[1], 14.0)


def belly_distance(a: Anatomy, x: Array, y: Array, z: float | Array, cage: Array) -> Array:
    """Distance to the space below the diaphragm and inside the wall."""
    height = dome_height(a, x, y)
    u = np.abs(x) / a.cage_width - 0.5
    v = (y - a.cage_y) / a.cage_depth + 0.22
    slope = 2.0 * a.dome_fall * np.sqrt((u / 0.384 / a.cage_width) ** 2 + (v / 0.7225 / a.cage_depth) ** 2)
    return np.maximum((height - z) / np.sqrt(1.0 + slope * slope), cage)
