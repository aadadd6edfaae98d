"""The tissue of the lungs: denser towards the back, parted by fissures, and changed by disease.

Nothing is added near a nodule, so that its contrast is the one listed. The patterns follow the usual words
for them (Hansell et al. 2008, Fleischner glossary, doi 10.1148/radiol.2462070712).
"""

from __future__ import annotations

import numpy as np

from bench.phantom.fields import Array, step
from bench.phantom.lesions import calm
from bench.phantom.section import Section
from bench.phantom.thorax import fluid_distance, gravity


def paint_lungs(s: Section) -> None:
    """Both lungs with their gravity gradient, fissures and disease."""
    canvas, lung = s.canvas, s.a.tissues.lung
    inside = canvas.cover(s.lung)
    if not inside.any():
        return
    quiet = calm(s.a, canvas)
    change = quiet * _DISEASES.get(s.a.disease, _healthy)(s)
    canvas.paint(canvas.whole, inside, lung, gravity(s.a, canvas.whole.y) + change)
    canvas.paint(canvas.whole, inside * canvas.cover(_fissures(s)) * quiet, lung, 90.0)


def _healthy(s: Section) -> Array:
    """Lobules that hold a little more or less air."""
    result: Array = 9.0 * s.canvas.swell
    return result


def _emphysema(s: Section) -> Array:
    """Holes without walls, mostly in the upper lobes (centrilobular emphysema)."""
    n, height = s.canvas, s.z / s.a.length
    share = s.a.grade * float(1.0 - 0.75 * step((height - 0.15) / 0.5))
    holes = step((n.middle + 0.7 * n.coarse + 0.7 * n.swell - (1.6 - 1.8 * share)) / 0.6)
    result: Array = _healthy(s) - 105.0 * holes
    return result


def _fibrosis(s: Section) -> Array:
    """A net of thick septa under the pleura and at the base, with small cysts (usual pattern)."""
    n, height = s.canvas, s.z / s.a.length
    low = s.a.grade * float(0.25 + 0.75 * step((height - 0.2) / 0.4))
    rind = step((s.lung + 20.0 * low + 7.0 * n.coarse + 6.0 * n.swell) / 10.0)
    net = step((0.55 - np.abs(n.middle + 0.4 * n.fine)) / 0.4)
    result: Array = rind * (330.0 * net - 30.0) + _healthy(s)
    return result


def _infiltrates(s: Section) -> Array:
    """Patches of ground glass that go over into consolidation, more towards the back."""
    n = s.canvas
    back = (n.whole.y - s.a.cage_y) / s.a.cage_depth
    level = n.swell + 0.45 * n.coarse + 0.15 * n.middle + 0.5 * back
    level = level - (1.75 - 1.1 * s.a.grade)
    glass, solid = step(level / 0.9), step((level - 0.9) / 0.7)
    result: Array = 230.0 * glass + 560.0 * solid + _healthy(s)
    return result


_DISEASES = {"emphysema": _emphysema, "fibrosis": _fibrosis, "infiltrates": _infiltrates}


def paint_effusion(s: Section) -> None:
    """Fluid behind the lungs, a sickle against the wall, and the lung next to it short of air."""
    a, canvas = s.a, s.canvas
    if a.disease != "effusion":
        return
    above = fluid_distance(a, canvas.whole.x, canvas.whole.y, s.z) + 2.5 * canvas.swell
    room = canvas.cover(s.lung)
    canvas.paint(canvas.whole, room * canvas.cover(above - 7.0), a.tissues.soft)
    canvas.paint(canvas.whole, room * canvas.cover(above), a.tissues.fluid)


def _fissures(s: Section) -> Array:
    """Distance to the oblique fissures, two thin bent sheets that fall from back to front."""
    a, x, y = s.a, s.canvas.whole.x, s.canvas.whole.y
    bend = 0.35 * np.abs(np.abs(x) - 0.5 * a.cage_width) + 3.0 * s.canvas.swell
    level = s.z - a.heart_t * a.length + 1.1 * (y - a.cage_y) + bend + np.where(x > 0, 10.0, 0.0)
    sheet: Array = np.abs(level) * 0.67 - 0.45
    return sheet
