"""Painting below the diaphragm: liver, stomach, spleen, kidneys, gall bladder, pancreas and bowel."""

from __future__ import annotations

import numpy as np

from bench.phantom.anatomy import Tissue
from bench.phantom.canvas import View
from bench.phantom.fields import Array, Ellipsoid, smooth_max
from bench.phantom.lesions import paint_nodules
from bench.phantom.liver import gall_bladder, kidneys, lobes_distance
from bench.phantom.section import Section
from bench.phantom.shapes import Belly, belly
from bench.phantom.tubes import tube_cover, tubes_distance


def _blob(s: Section, body: Ellipsoid, room: float = 2.2) -> tuple[View, Array] | None:
    """The window and distance of an organ kept ``room`` mm inside the wall, or None if missed."""
    if body.misses(s.z):
        return None
    view = s.canvas.window(body.centre[0], body.centre[1], body.reach)
    wall = s.belly[view.rows, view.columns] + room
    uneven = (0.10 * min(body.semi)) * s.canvas.swell[view.rows, view.columns]
    return view, smooth_max(body.distance(view.x, view.y, s.z) + uneven, wall, 4.0)


def _paint(s: Section, body: Ellipsoid, tissue: Tissue, grow: float = 0.0) -> None:
    blob = _blob(s, body)
    if blob is not None:
        view, distance = blob
        s.canvas.paint(view, s.canvas.cover(distance - grow), tissue)


def paint_belly(s: Section) -> None:
    """All organs below the diaphragm; nothing where the slice lies above it."""
    if not (s.belly < 0.0).any():
        return
    organs, canvas, tissues = belly(s.a), s.canvas, s.a.tissues
    inside = canvas.cover(s.belly + 2.0)
    canvas.paint(canvas.whole, tube_cover(canvas, organs.crura) * inside, tissues.muscle)
    canvas.paint(canvas.whole, tube_cover(canvas, organs.bowel.pancreas) * inside, tissues.soft)
    canvas.paint(canvas.whole, tube_cover(canvas, organs.bowel.mesentery) * inside, tissues.late_blood)
    _paint_loops(s, organs, inside)
    _paint_stomach(s, organs)
    _paint_colon(s, organs, inside)
    _paint_spleen(s, organs)
    _paint_liver(s, organs)
    _paint_kidneys(s)
    _paint(s, gall_bladder(s.a), tissues.fluid)


def _paint_liver(s: Section, organs: Belly) -> None:
    view, canvas = s.canvas.whole, s.canvas
    x, y = view.x, view.y
    rough = 5.0 * canvas.swell + 1.0 * canvas.coarse
    whole = smooth_max(lobes_distance(s.a, x, y, s.z, rough), s.belly + 1.7, 4.0)
    cover = canvas.cover(whole)
    canvas.paint(view, cover, s.a.tissues.liver)
    blood = s.a.tissues.late_blood
    inside = canvas.cover(whole + 3.0) * (0.75 if s.a.contrast else 1.0)
    canvas.paint(view, tube_cover(canvas, organs.liver_vessels) * inside, blood)
    paint_nodules(s.a, canvas, "liver")


def _paint_stomach(s: Section, organs: Belly) -> None:
    """Wall with folds, contents, and gas above the level of the fluid."""
    canvas, tissues, view = s.canvas, s.a.tissues, s.canvas.whole
    distance = tubes_distance(view.x, view.y, s.z, organs.stomach)
    if not (distance < 2.0).any():
        return
    distance = smooth_max(distance + 2.5 * canvas.swell, s.belly + 2.5, 5.0)
    canvas.paint(view, canvas.cover(distance - 2.5), tissues.fat)
    canvas.paint(view, canvas.cover(distance), tissues.soft)
    lumen = distance + 4.5 + 1.2 * canvas.middle + 1.0 * canvas.coarse
    canvas.paint(view, canvas.cover(lumen), tissues.fluid)
    food = np.maximum(lumen + 2.0, 4.0 - 9.0 * canvas.coarse)
    canvas.paint(view, canvas.cover(food), tissues.bowel)
    air = np.maximum(lumen, view.y - organs.air_y)
    canvas.paint(view, canvas.cover(air), tissues.gas)


def _paint_spleen(s: Section, organs: Belly) -> None:
    whole, hollow = organs.spleen
    blob = None if whole.misses(s.z) else _blob(s, whole)
    if blob is not None:
        view, distance = blob
        cut = smooth_max(distance, -hollow.distance(view.x, view.y, s.z), 8.0)
        s.canvas.paint(view, s.canvas.cover(cut - 1.5), s.a.tissues.fat)
        s.canvas.paint(view, s.canvas.cover(cut), s.a.tissues.spleen)


def _paint_colon(s: Section, organs: Belly, inside: Array) -> None:
    canvas, tissues = s.canvas, s.a.tissues
    canvas.paint(canvas.whole, tube_cover(canvas, organs.bowel.colon, 2.0) * inside, tissues.fat)
    canvas.paint(canvas.whole, tube_cover(canvas, organs.bowel.colon) * inside, tissues.soft)
    lumen = tube_cover(canvas, organs.bowel.colon, -2.6) * inside
    canvas.paint(canvas.whole, lumen, tissues.bowel)
    bubbles = canvas.cover(-9.0 * (canvas.coarse + 0.25 * canvas.fine + 0.1))
    canvas.paint(canvas.whole, lumen * bubbles, tissues.gas)


def _paint_loops(s: Section, organs: Belly, inside: Array) -> None:
    canvas, tissues = s.canvas, s.a.tissues
    canvas.paint(canvas.whole, tube_cover(canvas, organs.bowel.loops, 1.5) * inside, tissues.fat)
    canvas.paint(canvas.whole, tube_cover(canvas, organs.bowel.loops) * inside, tissues.soft)
    canvas.paint(canvas.whole, tube_cover(canvas, organs.bowel.loops, -3.0) * inside, tissues.fluid)


def _paint_kidneys(s: Section) -> None:
    for kidney in kidneys(s.a):
        blob = _blob(s, kidney)
        if blob is None:
            continue
        view, distance = blob
        canvas = s.canvas
        canvas.paint(view, canvas.cover(distance - 6.0), s.a.tissues.fat)
        canvas.paint(view, canvas.cover(distance), s.a.tissues.kidney)
        noise = canvas.middle[view.rows, view.columns] + canvas.coarse[view.rows, view.columns]
        pyramids = np.maximum(distance + 6.5, 1.0 - 4.0 * noise)
        canvas.paint(view, canvas.cover(pyramids), s.a.tissues.kidney, -0.28 * s.a.tissues.kidney.hu)
        side = np.sign(kidney.centre[0])
        inner = (kidney.centre[0] - side * 0.45 * kidney.semi[0], kidney.centre[1] - 3.0, kidney.centre[2])
        sinus = Ellipsoid(
            inner, (0.62 * kidney.semi[0], 0.34 * kidney.semi[1], 0.5 * kidney.semi[2]), kidney.yaw
        )
        canvas.paint(view, canvas.cover(sinus.distance(view.x, view.y, s.z)), s.a.tissues.fat)
