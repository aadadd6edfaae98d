"""Bones: vertebrae with canal and processes, slanted ribs with a cortical shell, sternum, shoulder blades."""

from __future__ import annotations

from math import cos, sin

import numpy as np

from bench.phantom.canvas import View
from bench.phantom.fields import Array, Ellipsoid, bump, capsule, smooth_max, smooth_min, step
from bench.phantom.section import Section
from bench.phantom.trunk import cage_frame, girdle, spine_centre
from bench.phantom.tubes import smooth_chain, tube_cover

RIBS = 12
_BONE_END = np.array([2.42] * 7 + [2.25, 2.1, 2.0, 1.5, 1.05])  # angle from the back, radians
_CARTILAGE_END = np.array([2.95] * 7 + [2.7, 2.55, 2.4, 1.5, 1.05])


def paint_bone(s: Section, view: View, distance: Array, shell: float) -> None:
    """A bone: trabecular inside, cortical within ``shell`` mm of its surface."""
    if not (distance < 1.0).any():
        return
    outer = s.canvas.cover(distance)
    inner = s.canvas.cover(distance + shell)
    s.canvas.paint(view, outer, s.a.tissues.cortical)
    s.canvas.paint(view, inner, s.a.tissues.trabecular)


def paint_spine(s: Section) -> None:
    """The vertebra or disc at this height with canal, arch, spinous and transverse processes."""
    a, k = s.a, s.a.scale
    centre = float(spine_centre(a, s.z))
    view = s.canvas.window(0.0, centre + 20.0 * k, 62.0 * k)
    phase = (s.z - a.first_rib) / a.pitch % 1.0
    grow = 1.0 + 0.22 * s.z / a.length
    x, y = view.x, view.y
    waist = 1.0 + 0.07 * abs(phase - 0.5) * 2.0
    body = np.hypot(x / 1.18, y - centre) - 15.2 * k * grow * waist
    canal_y = centre + 21.0 * k * grow
    canal = np.hypot(x / 1.1, y - canal_y) - 8.0 * k
    body = smooth_max(body, -canal, 3.0)
    s.canvas.paint(view, s.canvas.cover(body), a.tissues.cartilage)
    s.canvas.paint(view, s.canvas.cover(canal), a.tissues.fat)
    s.canvas.paint(view, s.canvas.cover(canal + 2.0), a.tissues.soft)
    edge = min(phase, 1.0 - phase) * a.pitch - 2.6  # mm inside the nearer end of the vertebra
    bony, plate = float(step((edge + 1.0) / 2.0)), max(0.0, 1.0 - abs(edge - 0.9) / 1.6)
    s.canvas.paint(view, s.canvas.cover(body) * bony, a.tissues.cortical)
    inner = s.canvas.cover(body + 1.1) * bony
    s.canvas.paint(view, inner, a.tissues.trabecular)
    s.canvas.paint(view, inner * plate, a.tissues.endplate)
    deep = s.muscle[view.rows, view.columns] + 2.0
    paint_bone(s, view, np.maximum(_arch(s, x, y, canal, canal_y, phase), deep), 1.3)


def _arch(s: Section, x: Array, y: Array, canal: Array, canal_y: float, phase: float) -> Array:
    """Distance to pedicles, laminae and processes; each part shrinks away from its own level."""
    k = s.a.scale
    pedicle, lamina = bump(phase, 0.38, 0.5), bump(phase, 0.68, 0.6)
    side = np.abs(x)
    ring = smooth_max(canal - 5.0 * k, -canal, 1.0)
    front = np.maximum(ring, y - canal_y) + (9.0 * (1.0 - min(1.0, 1.6 * pedicle)))
    rear = np.maximum(ring, canal_y - y) + (7.0 * (1.0 - min(1.0, 1.6 * lamina)))
    lumbar = float(step((s.z / s.a.length - 0.8) / 0.12))
    tip = ((33.0 + 4.0 * lumbar) * k, canal_y + (9.0 - 9.0 * lumbar) * k)
    process = capsule(side, y, (10.0 * k, canal_y + 1.0), tip, 4.2 * k)
    process = process + (8.0 * (1.0 - min(1.0, 1.7 * bump(phase, 0.36, 0.42))))
    reach = (4.0 + 14.0 * bump(phase, 0.85, 0.7)) * k
    spinous = capsule(x, y, (0.0, canal_y + 11.0 * k), (0.0, canal_y + 11.0 * k + reach), 3.2 * k)
    return smooth_min(smooth_min(front, rear, 2.0), smooth_min(process, spinous, 2.0), 3.0)


def paint_ribs(s: Section) -> None:
    """All ribs and their cartilages: rings in planes that fall from back to front, cut by the slice."""
    a, canvas = s.a, s.canvas
    width, _, centre = (float(v) for v in cage_frame(a, s.z))
    reach = width + 16.0
    view = canvas.window(0.0, centre, reach)
    cage = s.cage[view.rows, view.columns]
    angle = s.angle[view.rows, view.columns]
    angle = angle + np.where(view.x > 0, 0.02, -0.02)
    bent = np.minimum(angle, 2.7)
    fall = a.rib_drop * (0.25 * (1.0 - np.cos(bent)) + 0.19 * bent)
    level = (s.z - a.first_rib - fall) / a.pitch
    index = np.clip(np.rint(level), 0, RIBS - 1).astype(np.intp)
    across = (level - index) * a.pitch
    radial = cage - 3.6 - 1.2 * np.sin(angle * 3.0)
    slope = a.rib_drop * (0.25 * np.sin(bent) + 0.19) / (0.8 * width)
    half_high, half_thick = 6.6 * a.scale, 3.7 * a.scale
    p, q = across / half_high, radial / half_thick
    size = np.sqrt(p * p + q * q) + 1e-4
    tilt = np.sqrt((p * slope / half_high) ** 2 + (q / half_thick) ** 2) / size + 0.02
    ring = (size - 1.0) / tilt
    start = (0.2 - angle) * (0.7 * width)
    bone = np.maximum(np.maximum(ring, start), (angle - _BONE_END[index]) * width)
    gristle = np.maximum(np.maximum(ring, start), (angle - _CARTILAGE_END[index]) * width)
    canvas.paint(view, canvas.cover(gristle), a.tissues.cartilage)
    paint_bone(s, view, bone, 1.4)


def paint_sternum(s: Section) -> None:
    """Manubrium, body of the sternum and xiphoid in one tapering plate."""
    a, k = s.a, s.a.scale
    t = s.z / a.length
    away = max(0.10 - t, t - 0.60) * a.length / 4.0
    if away > 4.0:
        return
    _, depth, centre = (float(v) for v in cage_frame(a, s.z))
    half = k * (15.0 + 13.0 * float(step((0.22 - t) / 0.12)) - 8.0 * float(step((t - 0.48) / 0.1)))
    y0 = centre - depth - 4.0 * k
    thick = k * float(a.rng("sternum").uniform(4.2, 6.4))
    view = s.canvas.window(0.0, y0, half + 12.0)
    plate = capsule(view.x, view.y + 0.004 * view.x * view.x, (-half, y0), (half, y0), thick)
    paint_bone(s, view, np.maximum(plate, away), 1.0)


def paint_clavicles(s: Section) -> None:
    """Both collar bones, from the manubrium up and outwards."""
    a, canvas = s.a, s.canvas
    if s.z > 0.16 * a.length:
        return
    bones = np.vstack(
        [
            smooth_chain(
                [a.at(side * 22, -0.80, 0.075), a.at(side * 58, -0.76, 0.01), a.at(side * 105, -0.4, -0.06)],
                [a.scale * v for v in (8.5, 6.0, 6.5)],
            )
            for side in (-1.0, 1.0)
        ]
    )
    canvas.paint(canvas.whole, tube_cover(canvas, bones), a.tissues.cortical)
    canvas.paint(canvas.whole, tube_cover(canvas, bones, -1.4), a.tissues.trabecular)


def paint_shoulder_blades(s: Section) -> None:
    """A thin bent plate in the muscles outside the ribs, thicker at its outer border, with its ridge above."""
    a, k, canvas = s.a, s.a.scale, s.canvas
    t = s.z / a.length
    present = float(step((0.40 - t) / 0.22))
    if present <= 0.0:
        return
    home, shoulder = girdle(a)
    c, n = cos(home.yaw), sin(home.yaw)
    side = np.abs(canvas.whole.x - a.lean)
    x, y = side - home.centre[0], canvas.whole.y - home.centre[1]
    along: Array = x * c + y * n
    out: Array = y * c - x * n
    half = 41.0 * k * present
    u = along + 6.0 * k
    level = (k * (-2.0 - 9.0 * (1.0 - present))) - (0.004 / k) * u * u
    thick = 1.5 + 3.4 * k * step((u / half - 0.35) / 0.6)
    thick = thick + 1.6 * k * step((-u / half - 0.75) / 0.25)
    blade = np.hypot(np.maximum(np.abs(u) - half, 0.0), out - level) - thick
    high = 9.0 * (1.0 - float(step((0.17 - t) / 0.1)))
    ridge = capsule(along, out, (-12.0 * k, 0.0), (18.0 * k, 21.0 * k), 2.6 * k) + high
    glenoid = np.hypot(along - 40.0 * k, out + 8.0 * k) - 11.0 * k
    glenoid = glenoid + 14.0 * (1.0 - float(step((0.09 - t) / 0.06)))
    bone = smooth_min(smooth_min(blade, ridge, 4.0), glenoid, 6.0)
    bone = np.maximum(bone + (6.0 * (1.0 - min(1.0, 2.5 * present))), s.shoulders + 3.0)
    bone = np.maximum(bone, 11.5 - s.cage)
    paint_bone(s, canvas.whole, bone, 1.1)
    head = Ellipsoid(shoulder.centre, (22.0 * k, 23.0 * k, 27.0 * k))
    if not head.misses(s.z):
        paint_bone(s, canvas.whole, head.distance(side, canvas.whole.y, s.z), 1.6)
