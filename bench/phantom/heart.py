"""The heart: its muscle, four chambers and the flat side on the diaphragm."""

from __future__ import annotations

from bench.phantom.fields import smooth_max
from bench.phantom.section import Section
from bench.phantom.thorax import HEART_Y, chambers, heart_distance


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
