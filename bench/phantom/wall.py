"""Painting the wall of the trunk: skin, fat, breasts, muscles and the planes between them, arms, couch."""

from __future__ import annotations

from math import sqrt

import numpy as np

from bench.phantom.section import Section
from bench.phantom.trunk import breast_distance
from bench.phantom.tubes import smooth_chain, tube_cover


def paint_wall(s: Section) -> None:
    """Skin, subcutaneous fat, the muscles of the wall and the fat planes between them."""
    canvas, tissues = s.canvas, s.a.tissues
    canvas.paint(canvas.whole, canvas.cover(s.body), tissues.skin)
    under = canvas.cover(s.body + 1.8)
    canvas.paint(canvas.whole, under, tissues.fat)
    strands = np.abs(canvas.coarse - 0.6 * canvas.swell + 0.25 * canvas.middle) * 3.0
    canvas.paint(canvas.whole, under * canvas.cover(strands - 0.2) * 0.22, tissues.soft)
    _paint_gland(s)
    shoulders = canvas.cover(s.shoulders) * under
    muscle = canvas.cover(s.muscle)
    canvas.paint(canvas.whole, np.maximum(muscle, shoulders), tissues.muscle)
    waves = 2.0 * canvas.swell
    inner = np.abs(s.cage - 10.5 - waves) - 0.3 - 0.8 * canvas.coarse
    outer = np.abs(s.cage - 22.0 - 2.0 * waves) - 0.4 - 1.0 * canvas.coarse
    seam = np.abs(canvas.swell + 0.35 * canvas.coarse - 0.3) * 14.0 - 1.0
    edge = np.abs(s.shoulders - 1.5) - 1.4
    planes = np.minimum(np.minimum(inner, outer), np.maximum(seam, 11.0 - s.cage))
    planes = np.minimum(planes, np.maximum(edge, 9.0 - s.cage))
    gaps = canvas.cover(planes) * np.maximum(muscle, shoulders) * 0.9
    canvas.paint(canvas.whole, gaps, tissues.fat)


def _paint_gland(s: Section) -> None:
    """The strands of gland in the breasts."""
    a, canvas = s.a, s.canvas
    breasts = breast_distance(a, canvas.whole.x, canvas.whole.y, s.z)
    if breasts is None:
        return
    strands = np.abs(canvas.coarse + 0.5 * canvas.middle) * 5.0 - 1.6
    core = np.maximum(np.maximum(breasts + 9.0, s.body + 6.0), strands)
    canvas.paint(canvas.whole, canvas.cover(core) * 0.8, a.tissues.gland)


def paint_cavity(s: Section) -> None:
    """Fat of the mediastinum, diaphragm and fat of the belly."""
    canvas, tissues = s.canvas, s.a.tissues
    canvas.paint(canvas.whole, canvas.cover(s.cage), tissues.fat)
    canvas.paint(canvas.whole, canvas.cover(s.belly), tissues.muscle)
    canvas.paint(canvas.whole, canvas.cover(s.belly + 1.9), tissues.fat)


def paint_arms(s: Section) -> None:
    """Arms that lie beside the trunk, where the patient could not raise them."""
    a, canvas, tissues = s.a, s.canvas, s.a.tissues
    if not a.arms:
        return
    for side in (-1.0, 1.0):
        x = side * (a.half_width + 40.0)
        way = [(x - side * 6.0, a.cage_y + 30.0, -60.0), (x, a.cage_y + 36.0, 0.5 * a.length)]
        way.append((x - side * 4.0, a.cage_y + 20.0, 1.2 * a.length))
        arm = smooth_chain(way, [41.0, 36.0, 31.0])
        bone = smooth_chain(way, [13.0, 11.0, 12.0])
        canvas.paint(canvas.whole, tube_cover(canvas, arm), tissues.skin)
        canvas.paint(canvas.whole, tube_cover(canvas, arm, -1.8), tissues.fat)
        canvas.paint(canvas.whole, tube_cover(canvas, arm, -2.5 - 0.3 * a.fat), tissues.muscle)
        canvas.paint(canvas.whole, tube_cover(canvas, bone), tissues.cortical)
        canvas.paint(canvas.whole, tube_cover(canvas, bone, -4.0), tissues.trabecular)


def paint_couch(s: Section) -> None:
    """The table: a shell of carbon fibre around foam, bent or flat, some mm below the back, and a mattress."""
    a, canvas = s.a, s.canvas
    bent, thick, wall, gap, flat = a.rng("couch").uniform(0.0, 1.0, 5)
    view, across = canvas.whole, canvas.whole.x + canvas.shift[0]
    lowest = a.body_y + a.half_depth + 2.0 - canvas.shift[1] + a.shift(0.0)[1] + abs(a.bends[1][1])
    side = min(170.0 + 45.0 * thick, sqrt((0.49 * a.fov) ** 2 - (lowest + canvas.shift[1] + 30.0) ** 2))
    if flat < 0.45:
        trough = np.maximum(np.abs(across) - 90.0, 0.0) * (0.45 * bent)
    else:
        trough = (0.0004 + 0.0012 * bent) * across * across
    top = (lowest + 4.0 + 14.0 * gap) - trough
    half = 4.0 + 11.0 * thick
    bed = np.maximum(np.abs(view.y - top - half) - half, np.abs(across) - side)
    pad = np.maximum(np.abs(view.y - top + 4.0) - 3.0, np.abs(across) - 0.8 * side)
    canvas.paint(view, canvas.cover(pad), a.tissues.foam)
    canvas.paint(view, canvas.cover(bed), a.tissues.couch)
    canvas.paint(view, canvas.cover(bed + (0.9 + 1.0 * wall)), a.tissues.foam)
