"""Tubes and trees of the chest: great vessels, airways, gullet, vessels and bronchi of the lungs; nodules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.ct.phantom.anatomy import Anatomy
from bench.ct.phantom.fields import Ellipsoid
from bench.ct.phantom.routes import airway, great_arteries, great_veins, gullet
from bench.ct.phantom.trunk import Section, lung_distance
from bench.ct.phantom.tubes import Segments, tree, tube_cover

LEAVES = 1400  # end branches of each of the four lung trees


@dataclass(frozen=True, eq=False)
class Vessels:
    """Segments of every tube of a patient, by what fills them."""

    arteries: Segments
    veins: Segments
    airway: Segments
    gullet: Segments
    lung: Segments
    bronchi: Segments
    nodules: tuple[Ellipsoid, ...]


def _lung_points(a: Anatomy, what: str, side: float, count: int, depth: float) -> NDArray[np.float64]:
    """Points at least ``depth`` mm inside the lung on one side, evenly thrown."""
    rng = a.rng(what)
    kept = np.empty((0, 3))
    for _ in range(20):
        x = side * rng.uniform(4.0, a.cage_width, 6 * count)
        y = a.cage_y + a.cage_depth * rng.uniform(-1.0, 1.0, 6 * count)
        z = rng.uniform(-0.08, 1.0, 6 * count) * a.length
        inside = lung_distance(a, *(v.astype(np.float32) for v in (x, y, z))) < -depth
        kept = np.vstack([kept, np.stack([x, y, z], axis=1)[inside]])
        if len(kept) >= count:
            break
    return kept[:count]


def _lung_trees(a: Anatomy) -> tuple[Segments, Segments]:
    trees, airways = [], []
    h = a.heart_t
    tip = 0.5 * a.scale
    for side, name in ((-1.0, "right"), (1.0, "left")):
        hilum = np.array(a.at(side * 44, 0.10, h - (0.13 if side < 0 else 0.165)))
        veins = np.array(a.at(side * 46, 0.0, h - 0.08))
        arteries = tree(hilum, _lung_points(a, f"{name} arteries", side, LEAVES, 4.0), tip)
        trees += [arteries, tree(veins, _lung_points(a, f"{name} veins", side, LEAVES, 4.0), tip)]
        wide = arteries[arteries[:, 6] > 2.4 * tip].copy()
        wide[:, [0, 3]] -= side * (1.7 * wide[:, [6, 7]])
        wide[:, [1, 4]] += 0.9 * wide[:, [6, 7]]
        wide[:, 6:] *= 0.8
        airways.append(wide)
    return np.vstack(trees), np.vstack(airways)


def _nodules(a: Anatomy) -> tuple[Ellipsoid, ...]:
    rng = a.rng("nodules")
    found = []
    for number in range(int(rng.integers(0, 4))):
        side = -1.0 if rng.random() < 0.55 else 1.0
        point = _lung_points(a, f"nodule {number}", side, 1, 9.0)[0]
        radius = float(rng.uniform(2.5, 9.0))
        stretch = rng.uniform(0.85, 1.2, 3) * radius
        centre = (float(point[0]), float(point[1]), float(point[2]))
        found.append(
            Ellipsoid(
                centre,
                (float(stretch[0]), float(stretch[1]), float(stretch[2])),
                yaw=float(rng.uniform(0.0, 3.0)),
            )
        )
    return tuple(found)


@lru_cache(maxsize=64)
def vessels(a: Anatomy) -> Vessels:
    """All tubes of a patient; built once and kept."""
    lung, bronchi = _lung_trees(a)
    return Vessels(great_arteries(a), great_veins(a), airway(a), gullet(a), lung, bronchi, _nodules(a))


def paint_great_vessels(s: Section) -> None:
    """Gullet, aorta and its branches, pulmonary and great veins."""
    v, canvas, tissues = vessels(s.a), s.canvas, s.a.tissues
    canvas.paint(canvas.whole, tube_cover(canvas, v.gullet), tissues.soft)
    canvas.paint(canvas.whole, tube_cover(canvas, v.gullet, -4.2), tissues.gas)
    canvas.paint(canvas.whole, tube_cover(canvas, v.veins), tissues.late_blood)
    canvas.paint(canvas.whole, tube_cover(canvas, v.arteries), tissues.blood)


def paint_lung_vessels(s: Section) -> None:
    """The vessel trees of the lungs, bronchi with their walls, and nodules, kept inside the lungs."""
    v, canvas, tissues = vessels(s.a), s.canvas, s.a.tissues
    inside = canvas.cover(s.lung - np.float32(1.5))
    if not inside.any():
        return
    canvas.paint(canvas.whole, tube_cover(canvas, v.lung) * inside, tissues.late_blood)
    canvas.paint(canvas.whole, tube_cover(canvas, v.bronchi, 0.75) * inside, tissues.soft)
    canvas.paint(canvas.whole, tube_cover(canvas, v.bronchi) * inside, tissues.gas)
    for nodule in v.nodules:
        if not nodule.misses(s.z):
            view = canvas.window(nodule.centre[0], nodule.centre[1], nodule.reach)
            ball = canvas.cover(nodule.distance(view.x, view.y, s.z)) * inside[view.rows, view.columns]
            canvas.paint(view, ball, tissues.nodule)


def paint_airway(s: Section) -> None:
    """Trachea and main bronchi: a soft wall around air."""
    v, canvas, tissues = vessels(s.a), s.canvas, s.a.tissues
    canvas.paint(canvas.whole, tube_cover(canvas, v.airway, 1.5), tissues.soft)
    canvas.paint(canvas.whole, tube_cover(canvas, v.airway), tissues.gas)
