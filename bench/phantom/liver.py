"""The liver and its neighbours, the gall bladder and the kidneys, as distance fields without roughness."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bench.phantom.anatomy import Anatomy
from bench.phantom.fields import Array, Ellipsoid, smooth_max, smooth_min
from bench.phantom.trunk import belly_distance, cage_distance, spine_centre


def organ(
    a: Anatomy,
    what: str,
    place: tuple[float, float, float],
    spread: tuple[float, float, float],
    semi: tuple[float, float, float],
    yaw: float = 0.0,
    pitch: float = 0.0,
) -> Ellipsoid:
    """An organ near ``place`` (see ``Anatomy.at``), moved by ``spread``; semi-axes in scaled mm, +-6 %."""
    rng = a.rng(what)
    x, y, t = (float(v) for v in np.array(place) + rng.normal(size=3) * np.array(spread))
    p, q, r = (float(v) for v in np.array(semi) * a.scale * rng.uniform(0.94, 1.06, 3))
    return Ellipsoid(a.at(x, y, t), (p, q, r), yaw + float(rng.normal(0.0, 0.08)), pitch)


@lru_cache(maxsize=64)
def liver_lobes(a: Anatomy) -> tuple[Ellipsoid, Ellipsoid]:
    """The right and the left lobe."""
    top, s = a.dome_right, 1.0 / a.scale
    right = (74.0, 0.97 * a.cage_depth * s, 0.235 * a.length * s)
    left = (60.0, 0.36 * a.cage_depth * s, 0.135 * a.length * s)
    return (
        organ(a, "liver", (-64, 0.04, top + 0.185), (3, 0.03, 0.01), right, pitch=0.25),
        organ(a, "left liver", (2, -0.48, top + 0.14), (8, 0.04, 0.01), left, yaw=-0.12),
    )


@lru_cache(maxsize=64)
def gall_bladder(a: Anatomy) -> Ellipsoid:
    """The gall bladder, in the lower side of the liver."""
    size = float(a.rng("gall size").uniform(8.0, 16.0))
    return organ(
        a,
        "gall",
        (-38, -0.40, a.dome_right + 0.33),
        (7, 0.07, 0.015),
        (size, 1.4 * size, 1.8 * size),
        yaw=0.6,
    )


@lru_cache(maxsize=64)
def kidneys(a: Anatomy) -> tuple[Ellipsoid, Ellipsoid]:
    """The right and the left kidney, beside the spine."""
    back = (float(spine_centre(a, 0.95 * a.length)) - a.cage_y) / a.cage_depth - 0.03
    semi = (25.0, 28.0, 48.0)
    return (
        organ(a, "right kidney", (-55, back, 1.0), (2, 0.01, 0.01), semi, yaw=0.6),
        organ(a, "left kidney", (55, back, 0.97), (2, 0.01, 0.01), semi, yaw=-0.6),
    )


def lobes_distance(a: Anatomy, x: Array, y: Array, z: float | Array, rough: float | Array = 0.0) -> Array:
    """Distance to both lobes together, with ``rough`` mm added, kept away from the spine."""
    first, second = liver_lobes(a)
    both = smooth_min(first.distance(x, y, z), second.distance(x, y, z), 12.0) + rough
    away = (36.0 * a.scale) - np.hypot(x - 6.0, y - spine_centre(a, z))
    cleft = np.abs(x + 14.0 * a.scale + 0.2 * (y - a.cage_y)) - 1.2
    cleft = np.maximum(cleft, y - (a.cage_y - 0.25 * a.cage_depth))
    cleft = np.maximum(cleft, (a.dome_right + 0.12) * a.length - z)
    return smooth_max(smooth_max(both, away, 10.0), -cleft, 5.0)


def liver_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Distance to the tissue of the liver alone: below the diaphragm, without gall bladder and kidney."""
    wall = belly_distance(a, x, y, z, cage_distance(a, x, y, z)) + 1.7
    inside: Array = np.maximum(lobes_distance(a, x, y, z), wall)
    for other in (gall_bladder(a), kidneys(a)[0]):
        inside = np.maximum(inside, 4.0 - other.distance(x, y, z))
    return inside
