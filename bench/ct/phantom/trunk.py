"""Outline, rib cage, diaphragm, mediastinum and lungs as smooth 3-D distance fields, and the body wall."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.ct.phantom.anatomy import Anatomy
from bench.ct.phantom.canvas import Canvas
from bench.ct.phantom.fields import Array, Ellipsoid, capsule, smooth_max, smooth_min, step, superellipse


@dataclass(frozen=True)
class Section:
    """What the painters of one slice share: the canvas and the fields of the trunk on its whole grid."""

    a: Anatomy
    canvas: Canvas
    z: float
    body: Array
    muscle: Array
    angle: Array
    cage: Array
    belly: Array
    lung: Array


def cage_frame(a: Anatomy, z: float | Array) -> tuple[Array, Array, Array]:
    """Half width, half depth and centre y of the rib cage's inner side at height z, in mm."""
    t = np.asarray(z, np.float32) / np.float32(a.length)
    width = np.float32(a.cage_width) * (np.float32(0.52) + np.float32(0.48) * step((t + 0.16) / 0.56))
    shrink = np.float32(0.64) + np.float32(0.36) * step((t + 0.12) / 0.52)
    depth = np.float32(a.cage_depth) * shrink
    return width, depth, np.float32(a.cage_y) + np.float32(0.8) * (np.float32(a.cage_depth) - depth)


def cage_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Distance to the inner side of the rib cage; it goes on below as the wall of the abdomen."""
    width, depth, centre = cage_frame(a, z)
    return superellipse(x, y - centre, width, depth, a.cage_power)


def body_distance(a: Anatomy, x: Array, y: Array, z: float) -> Array:
    """Distance to the skin without breasts."""
    t = z / a.length
    depth = a.half_depth * (0.84 + 0.16 * float(step((t + 0.1) / 0.45)))
    width = a.half_width * (0.96 + 0.04 * float(step(t / 0.3)) - 0.03 * float(step((t - 0.5) / 0.5)))
    dy = y - (a.body_y + (a.half_depth - depth) * 0.7)
    distance = superellipse(x, dy, width, depth, a.power)
    sine, cosine = dy / depth, x / width
    radius = np.sqrt(sine * sine + cosine * cosine) + np.float32(1e-3)
    sine, cosine = sine / radius, cosine / radius
    first = sine * cosine
    second = sine * sine - cosine * cosine
    (p, f), (q, g), (r, _), (s, _) = a.lumps
    wave = (
        p * np.sin(f + 3.0 * t) * first
        + q * np.cos(g + 4.0 * t) * second
        + 0.6 * r * sine
        + 0.6 * s * first * second
    )
    furrow = np.exp(-((x / (0.09 * a.half_width)) ** 2)) * (dy > 0)
    result: Array = distance - wave * a.half_width + furrow * np.float32(3.0)
    return result


def _breasts(a: Anatomy, x: Array, y: Array, z: float, body: Array) -> Array:
    if a.breasts <= 0.0:
        return body
    size = 0.30 * a.half_width * (0.7 + 0.4 * a.breasts)
    for side in (-1.0, 1.0):
        centre = (side * 0.5 * a.half_width, a.body_y - 0.82 * a.half_depth, 0.46 * a.length)
        blob = Ellipsoid(centre, (size, 0.55 * size, 1.05 * size), yaw=side * 0.4)
        if not blob.misses(z, 20.0):
            body = smooth_min(body, blob.distance(x, y, z), 16.0)
    return body


def dome_height(a: Anatomy, x: Array, y: Array) -> Array:
    """Height z of the diaphragm's upper surface at (x, y), in mm."""
    heights: list[Array] = []
    for side, top in ((-1.0, a.dome_right), (1.0, a.dome_left)):
        u = (x - side * 0.50 * a.cage_width) / (0.62 * a.cage_width)
        u = u * np.where(u * side < 0.0, np.float32(0.72), np.float32(1.0))
        v = (y - a.cage_y + 0.22 * a.cage_depth) / (0.85 * a.cage_depth)
        height: Array = np.float32(top * a.length) + np.float32(a.dome_fall) * (u * u + v * v)
        heights.append(height)
    return smooth_min(heights[0], heights[1], 14.0)


def belly_distance(a: Anatomy, x: Array, y: Array, z: float | Array, cage: Array) -> Array:
    """Distance to the space below the diaphragm and inside the wall."""
    height = dome_height(a, x, y)
    u = np.abs(x) / a.cage_width - 0.5
    v = (y - a.cage_y) / a.cage_depth + 0.22
    slope = 2.0 * a.dome_fall * np.sqrt((u / 0.384 / a.cage_width) ** 2 + (v / 0.7225 / a.cage_depth) ** 2)
    return np.maximum((height - z) / np.sqrt(1.0 + slope * slope), cage)


def spine_centre(a: Anatomy, z: float | Array) -> Array:
    """The y of the middle of the vertebral body at height z, in mm."""
    _, depth, centre = cage_frame(a, z)
    return centre + depth - np.float32(22.0 * a.scale) - 5.0 * a.scale * step((z / a.length - 0.55) / 0.5)


@lru_cache(maxsize=64)
def heart_hull(a: Anatomy) -> tuple[Ellipsoid, ...]:
    """The outline of the heart and of the great vessels' root."""
    k = a.heart_size * a.scale
    low = a.at(a.heart_x, -0.24, a.heart_t)
    back = a.at(-14.0, 0.06, a.heart_t - 0.015)
    return (
        Ellipsoid(low, (62.0 * k, 41.0 * k, 44.0 * k), yaw=-0.55, pitch=0.30),
        Ellipsoid(back, (36.0 * k, 33.0 * k, 44.0 * k)),
    )


def heart_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Distance to the outer surface of the heart."""
    first, second = heart_hull(a)
    return smooth_min(first.distance(x, y, z), second.distance(x, y, z), 14.0)


def mediastinum_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Distance to everything that parts the lungs: heart, vessel pedicle, spine, anterior septum."""
    t = np.asarray(z, np.float32) / np.float32(a.length)
    _, depth, centre = cage_frame(a, z)
    s = a.scale
    half: Array = np.float32(s) * (
        22.0 + 11.0 * step((t - 0.02) / 0.2) - 8.0 * step((t - a.carina_t - 0.1) / 0.25)
    )
    middle = superellipse(x - 3.0 * s, y - centre - 0.02 * depth, half, 0.78 * depth, 2.2)
    septum = np.abs(x - 5.0 * s) - s * (2.0 + 8.0 * step((0.16 - t) / 0.2))
    septum = np.maximum(septum, y - centre + 0.2 * depth)
    spine_y = spine_centre(a, z)
    spine = np.hypot(x, 0.9 * (y - spine_y - 4.0 * s)) - np.float32(23.0 * s)
    aorta = np.hypot(x - 22.0 * s, y - spine_y + 18.0 * s) - np.float32(15.0 * s)
    aorta = aorta + 30.0 * step((a.arch_t - t) / 0.06)
    space = smooth_min(smooth_min(middle, septum, 14.0), smooth_min(spine, aorta, 10.0), 12.0)
    return smooth_min(space, heart_distance(a, x, y, z) - np.float32(4.0), 12.0)


def lung_distance(a: Anatomy, x: Array, y: Array, z: float | Array) -> Array:
    """Distance to the lungs: inside the cage, beside the mediastinum, above the diaphragm, below the apex."""
    cage = cage_distance(a, x, y, z)
    return _lung(a, x, y, z, cage, belly_distance(a, x, y, z, cage))


def _lung(a: Anatomy, x: Array, y: Array, z: float | Array, cage: Array, belly: Array) -> Array:
    outer = smooth_max(cage + np.float32(2.5), np.float32(2.5) - belly, 3.0)
    return smooth_max(outer, -mediastinum_distance(a, x, y, z), 7.0)


def section(a: Anatomy, canvas: Canvas) -> Section:
    """Evaluate the fields of the trunk on the whole grid of ``canvas``."""
    x, y, z = canvas.whole.x, canvas.whole.y, canvas.z
    trunk = body_distance(a, x, y, z)
    cage = cage_distance(a, x, y, z) + np.float32(1.5) * canvas.swell
    belly = np.maximum(belly_distance(a, x, y, z, cage) + np.float32(3.0) * canvas.swell, cage)
    lung = smooth_max(_lung(a, x, y, z, cage, belly), cage + np.float32(2.5) + 1.2 * canvas.coarse, 3.0)
    body = _breasts(a, x, y, z, trunk)
    width, depth, centre = cage_frame(a, z)
    angle = np.arctan2(np.abs(x) / width, (y - centre) / depth)
    muscle = smooth_max(cage - _wall(a, z, angle, canvas.swell), trunk + np.float32(0.4 * a.fat + 3.0), 8.0)
    return Section(a, canvas, z, body, muscle, angle, cage, belly, lung)


def _wall(a: Anatomy, z: float, angle: Array, swell: Array) -> Array:
    """Thickness in mm of ribs and muscle outside the cage; ``angle`` runs from 0 (back) to pi (front)."""
    t = z / a.length
    gap = a.half_width - float(cage_frame(a, z)[0]) - a.fat
    flank = max(0.0, 0.95 * gap - 10.0) * np.exp(-(((angle - 1.25) / 0.55) ** 2))
    back = (12.0 + 12.0 * a.scale) * np.exp(-((angle / 0.42) ** 2))
    chest = 15.0 * float(step((0.46 - t) / 0.25)) * np.exp(-(((angle - 2.3) / 0.42) ** 2))
    wall: Array = np.float32(10.5) + np.maximum(np.maximum(flank, back), chest) + np.float32(2.0) * swell
    return wall


def paint_wall(s: Section) -> None:
    """Skin, subcutaneous fat, the muscles of the wall and the fat planes between them."""
    canvas, tissues = s.canvas, s.a.tissues
    canvas.paint(canvas.whole, canvas.cover(s.body), tissues.skin)
    canvas.paint(canvas.whole, canvas.cover(s.body + np.float32(1.8)), tissues.fat)
    muscle = canvas.cover(s.muscle)
    canvas.paint(canvas.whole, muscle, tissues.muscle)
    layer = np.abs(s.cage - np.float32(11.0) - 2.0 * canvas.swell) - np.float32(0.1) - 0.8 * canvas.coarse
    outer = np.abs(s.cage - np.float32(24.0) - 4.0 * canvas.swell) - np.float32(0.4) - 1.0 * canvas.coarse
    seam = np.abs(canvas.swell + 0.35 * canvas.coarse - 0.3) * np.float32(14.0) - np.float32(1.0)
    planes = np.minimum(np.minimum(layer, outer), np.maximum(seam, np.float32(11.0) - s.cage))
    canvas.paint(canvas.whole, canvas.cover(planes) * muscle * np.float32(0.9), tissues.fat)


def paint_cavity(s: Section) -> None:
    """Fat of the mediastinum, diaphragm and fat of the belly."""
    canvas, tissues = s.canvas, s.a.tissues
    canvas.paint(canvas.whole, canvas.cover(s.cage), tissues.fat)
    canvas.paint(canvas.whole, canvas.cover(s.belly), tissues.muscle)
    canvas.paint(canvas.whole, canvas.cover(s.belly + np.float32(1.9)), tissues.fat)


def gravity(a: Anatomy, y: float | Array) -> Array:
    """What the weight of the lung adds to its value in HU at ``y``: denser towards the back."""
    slope = np.float32(30.0 / a.cage_depth) * (np.asarray(y, np.float32) - np.float32(a.cage_y))
    result: Array = np.clip(slope, -25.0, 25.0)
    return result


def paint_couch(s: Section) -> None:
    """The table: a curved shell of carbon fibre around foam, a few mm below the back."""
    a, canvas = s.a, s.canvas
    view = canvas.whole
    lowest = a.body_y + a.half_depth + 5.0
    sag = lowest - 0.0011 * view.x * view.x
    depth = np.abs(view.y - sag - 14.0) - np.float32(14.0)
    bed = np.maximum(depth, np.abs(view.x) - np.float32(0.46 * a.fov))
    canvas.paint(view, canvas.cover(bed), a.tissues.couch)
    canvas.paint(view, canvas.cover(bed + np.float32(1.8)), a.tissues.foam)
    for side in (-1.0, 1.0):
        rail = capsule(
            view.x, view.y, (side * 0.3 * a.fov, lowest + 10.0), (side * 0.2 * a.fov, lowest + 24.0), 1.0
        )
        canvas.paint(view, canvas.cover(rail), a.tissues.couch)
