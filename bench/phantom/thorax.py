"""Heart, mediastinum and lungs as smooth 3-D distance fields, and the heart as it is painted."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bench.phantom.anatomy import Anatomy
from bench.phantom.fields import Array, Ellipsoid, smooth_max, smooth_min, step
from bench.phantom.routes import airway, great_arteries, great_veins, gullet
from bench.phantom.trunk import belly_distance, cage_distance, cage_frame, spine_centre
from bench.phantom.tubes import Segments, smooth_chain, tubes_distance

if TYPE_CHECKING:
    from bench.phantom.section import Section

HEART_Y = -0.22  # of the rib cage's half depth
# left ventricle, right ventricle, right atrium, left atrium: place and semi-axes in scaled mm, yaw and pitch
_CHAMBERS = (
    ((26.0, 4.0, 8.0), (36.0, 18.0, 20.0), -0.70, 0.45),
    ((4.0, -22.0, 8.0), (36.0, 15.0, 28.0), -0.45, 0.35),
    ((-34.0, -2.0, 2.0), (17.0, 22.0, 28.0), 0.2, 0.0),
    ((-6.0, 25.0, -18.0), (29.0, 14.0, 19.0), 0.05, 0.0),
)
WALLS = (9.0, 3.5, 2.5, 2.5)  # mm of muscle about each


@lru_cache(maxsize=64)
def chambers(a: Anatomy) -> tuple[Ellipsoid, ...]:
    """The cavities of the left and right ventricle, right and left atrium."""
    k = a.heart_size * a.scale
    cx, cy, cz = a.at(a.heart_x, HEART_Y, a.heart_t)
    return tuple(
        Ellipsoid((cx + k * x, cy + k * y, cz + k * z), (k * p, k * q, k * r), yaw, pitch)
        for (x, y, z), (p, q, r), yaw, pitch in _CHAMBERS
    )


def heart_distance(a: Anatomy, x: Array, y: Array, z: float | Array, fillet: float) -> Array:
    """Distance to the muscle of the heart; the grooves between its chambers rounded by ``fillet`` mm."""
    cavities = [c.distance(x, y, z) - wall for c, wall in zip(chambers(a), WALLS, strict=True)]
    left, right = smooth_min(cavities[0], cavities[3], fillet), smooth_min(cavities[1], cavities[2], fillet)
    k = a.heart_size * a.scale
    cx, cy, cz = a.at(a.heart_x, HEART_Y, a.heart_t)
    middle = Ellipsoid((cx - 6.0 * k, cy + 1.0 * k, cz - 2.0 * k), (24.0 * k, 17.0 * k, 26.0 * k), -0.5)
    return smooth_min(smooth_min(left, right, fillet), middle.distance(x, y, z), 4.0)


def paint_heart(s: Section) -> None:
    """Muscle, four chambers of blood and fat in the grooves; flattened by the diaphragm."""
    a, canvas, tissues = s.a, s.canvas, s.a.tissues
    k = a.scale * a.heart_size
    centre = a.at(a.heart_x, HEART_Y, a.heart_t)
    if abs(s.z - centre[2]) > 80.0 * k:
        return
    view = canvas.window(centre[0], centre[1], 84.0 * k)
    uneven = 1.5 * canvas.swell[view.rows, view.columns]
    uneven = uneven + 0.8 * canvas.coarse[view.rows, view.columns]
    heart = heart_distance(a, view.x, view.y, s.z, 4.0) + uneven
    heart = smooth_max(heart, 2.0 - s.belly[view.rows, view.columns], 6.0)
    heart = smooth_max(heart, s.cage[view.rows, view.columns] + 4.0, 4.0)
    canvas.paint(view, canvas.cover(heart), tissues.myocardium)
    for chamber in chambers(a):
        if not chamber.misses(s.z):
            room = smooth_max(chamber.distance(view.x, view.y, s.z) + uneven, heart + 2.5, 3.0)
            canvas.paint(view, canvas.cover(room), tissues.blood)


@lru_cache(maxsize=64)
def _pipes(a: Anatomy) -> Segments:
    s, h = a.scale, a.heart_t
    way = [
        a.at(0, -0.15, -0.02),
        a.at(-4, -0.15, a.arch_t),
        a.at(-3, -0.1, a.carina_t),
        a.at(2, -0.05, h - 0.12),
    ]
    behind = [
        (-2.0 * s, float(spine_centre(a, t * a.length)) - 42.0 * s, t * a.length) for t in (h, h + 0.1, 0.8)
    ]
    above = smooth_chain(way, [s * r for r in (8, 11, 13, 12)])
    fat = np.vstack([above, smooth_chain(behind, [s * r for r in (13, 15, 13)])])
    return np.vstack([great_arteries(a), great_veins(a), airway(a), gullet(a), fat])


def mediastinum_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Distance to everything that parts the lungs: heart, great vessels, airways, spine, anterior septum."""
    t = np.asarray(z, np.float64) / a.length
    _, depth, centre = cage_frame(a, z)
    s = a.scale
    septum = np.abs(x - 5.0 * s) - s * (1.5 + 9.0 * step((0.16 - t) / 0.2))
    septum = np.maximum(septum, y - centre + 0.2 * depth)
    spine_y = spine_centre(a, z)
    wedge = (19.0 * s) + 0.45 * np.clip(y - spine_y, 0.0, 40.0 * s)
    spine = np.maximum(np.abs(x) - wedge, spine_y - 19.0 * s - y)
    spine = smooth_max(spine, np.hypot(x, np.minimum(y - spine_y, 0.0)) - 21.0 * s, 6.0)
    core = np.hypot(0.9 * x, y - spine_y + 26.0 * s) - 12.0 * s
    pipes = tubes_distance(x, y, z, _pipes(a)) - 2.5
    space = smooth_min(smooth_min(pipes, core, 12.0), smooth_min(spine, septum, 6.0), 12.0)
    return smooth_min(space, heart_distance(a, x, y, z, 16.0) - 3.5, 10.0)


def lung_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Distance to the lungs: inside the cage, beside the mediastinum, above the diaphragm, below the apex."""
    cage = cage_distance(a, x, y, z)
    return lung_inside(a, x, y, z, cage, belly_distance(a, x, y, z, cage))


def lung_inside(a: Anatomy, x: Array, y: Array, z: float | Array, cage: Array, belly: Array) -> Array:
    """``lung_distance`` where the distances to cage and belly are known."""
    outer = smooth_max(cage + 2.5, 2.5 - belly, 3.0)
    return smooth_max(outer, -mediastinum_distance(a, x, y, z), 6.0)


def gravity(a: Anatomy, y: float | Array) -> Array:
    """What the weight of the lung adds to its value in HU at ``y``: denser towards the back."""
    slope = (38.0 / a.cage_depth) * (np.asarray(y, np.float64) - a.cage_y)
    result: Array = np.clip(slope, -32.0, 32.0)
    return result


def fluid_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Height in mm above the fluid that lies behind the lungs of a patient with an effusion."""
    t = np.asarray(z, np.float64) / a.length
    deep = 0.7 * a.grade * a.cage_depth * step((t - 0.15) / 0.45)
    across: Array = np.abs(x) * (1.0 / a.cage_width)
    result: Array = (a.cage_y + a.cage_depth) - deep * (1.0 + across * across) - y
    return result
