"""The tissue of the lungs: denser towards the back, parted by fissures."""

from __future__ import annotations

import numpy as np

from bench.ct.phantom.fields import Array
from bench.ct.phantom.lesions import calm
from bench.ct.phantom.trunk import Section, gravity


def paint_lungs(s: Section) -> None:
    """Both lungs with their gravity gradient and fissures; nothing is added near a nodule."""
    canvas, lung = s.canvas, s.a.tissues.lung
    inside = canvas.cover(s.lung)
    canvas.paint(canvas.whole, inside, lung, gravity(s.a, canvas.whole.y))
    canvas.paint(canvas.whole, inside * canvas.cover(_fissures(s)) * calm(s.a, canvas), lung, 90.0)


def _fissures(s: Section) -> Array:
    """Distance to the oblique fissures, two thin bent sheets that fall from back to front."""
    a, x, y = s.a, s.canvas.whole.x, s.canvas.whole.y
    bend = 0.35 * np.abs(np.abs(x) - 0.5 * a.cage_width) + 3.0 * s.canvas.swell
    level = (
        s.z
        - a.heart_t * a.length
        + 1.1 * (y - a.cage_y)
        + bend
        + np.where(x > 0, np.float32(10.0), np.float32(0.0))
    )
    sheet: Array = np.abs(level) * np.float32(0.67) - np.float32(0.45)
    return sheet
