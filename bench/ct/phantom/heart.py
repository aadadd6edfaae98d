"""The heart: its muscle, four chambers and the flat side on the diaphragm."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bench.ct.phantom.anatomy import Anatomy
from bench.ct.phantom.fields import Ellipsoid, smooth_max
from bench.ct.phantom.trunk import Section, heart_distance


@lru_cache(maxsize=64)
def _chambers(a: Anatomy) -> tuple[Ellipsoid, Ellipsoid, Ellipsoid, Ellipsoid]:
    """Left ventricle, right ventricle, right atrium, left atrium."""
    k, h, x = a.heart_size * a.scale, a.heart_t, a.heart_x
    return (
        Ellipsoid(a.at(x + 22, -0.14, h + 0.01), (38 * k, 20 * k, 24 * k), yaw=-0.60, pitch=0.30),
        Ellipsoid(a.at(x - 3, -0.46, h + 0.0), (42 * k, 14 * k, 30 * k), yaw=-0.42, pitch=0.25),
        Ellipsoid(a.at(x - 44, -0.18, h + 0.005), (19 * k, 22 * k, 30 * k), yaw=0.2),
        Ellipsoid(a.at(x - 18, 0.20, h - 0.055), (30 * k, 16 * k, 20 * k), yaw=0.05),
    )


def paint_heart(s: Section) -> None:
    """Muscle, four chambers of blood and fat in the grooves; flattened by the diaphragm."""
    a, canvas, tissues = s.a, s.canvas, s.a.tissues
    centre = a.at(a.heart_x, -0.2, a.heart_t)
    if abs(s.z - centre[2]) > 85.0 * a.scale:
        return
    view = canvas.window(centre[0], centre[1], 82.0 * a.scale)
    belly_here = s.belly[view.rows, view.columns]
    cage_here = s.cage[view.rows, view.columns]
    uneven = np.float32(2.5) * canvas.swell[view.rows, view.columns]
    heart = smooth_max(heart_distance(a, view.x, view.y, s.z) + uneven, np.float32(1.0) - belly_here, 6.0)
    heart = smooth_max(heart, cage_here + np.float32(4.0), 4.0)
    canvas.paint(view, canvas.cover(heart), tissues.myocardium)
    for chamber in _chambers(a):
        if not chamber.misses(s.z):
            room = smooth_max(chamber.distance(view.x, view.y, s.z), heart + np.float32(3.0), 4.0)
            canvas.paint(view, canvas.cover(room), tissues.blood)
