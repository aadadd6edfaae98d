"""Tubes and trees of the chest: great vessels, airways, gullet, vessels and bronchi of the lungs; nodules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.phantom.anatomy import Anatomy
from bench.phantom.lesions import lead_around, lung_points, paint_nodules
from bench.phantom.routes import airway, aorta, great_arteries, great_veins, gullet
from bench.phantom.section import Section
from bench.phantom.tubes import Segments, tree, tube_cover

SLAB = 0.8  # mm of half a slice's thickness, over which a lung vessel is seen
LEAVES = 1900  # end branches of each of the four lung trees


@dataclass(frozen=True, eq=False)
class Vessels:
    """Segments of every tube of a patient, by what fills them."""

    arteries: Segments
    aorta: Segments
    veins: Segments
    airway: Segments
    gullet: Segments
    lung: Segments
    bronchi: Segments


def _lung_trees(a: Anatomy) -> tuple[Segments, Segments]:
    trees, airways = [], []
    h = a.heart_t
    tip = 0.46 * a.scale
    for side, name in ((-1.0, "right"), (1.0, "left")):
        hilum = np.array(a.at(side * 44, 0.10, h - (0.13 if side < 0 else 0.165)))
        veins = np.array(a.at(side * 46, 0.0, h - 0.08))
        arteries = tree(hilum, lung_points(a, f"{name} arteries", side, LEAVES, 4.0), tip)
        trees += [arteries, tree(veins, lung_points(a, f"{name} veins", side, LEAVES, 4.0), tip)]
        wide = arteries[arteries[:, 6] > 3.4 * tip].copy()
        wide[:, [0, 3]] -= side * (1.7 * wide[:, [6, 7]])
        wide[:, [1, 4]] += 0.9 * wide[:, [6, 7]]
        wide[:, 6:] *= 0.8
        airways.append(wide)
    return lead_around(a, np.vstack(trees)), lead_around(a, np.vstack(airways))


@lru_cache(maxsize=64)
def vessels(a: Anatomy) -> Vessels:
    """All tubes of a patient; built once and kept."""
    lung, bronchi = _lung_trees(a)
    return Vessels(great_arteries(a), aorta(a), great_veins(a), airway(a), gullet(a), lung, bronchi)


def paint_great_vessels(s: Section) -> None:
    """Gullet, aorta and its branches, pulmonary and great veins."""
    v, canvas, tissues = vessels(s.a), s.canvas, s.a.tissues
    canvas.paint(canvas.whole, tube_cover(canvas, v.gullet), tissues.soft)
    canvas.paint(canvas.whole, tube_cover(canvas, v.gullet, -4.2), tissues.gas)
    canvas.paint(canvas.whole, tube_cover(canvas, v.veins), tissues.late_blood)
    arteries = tube_cover(canvas, v.arteries)
    canvas.paint(canvas.whole, arteries, tissues.blood)
    some = s.a.rng("plaques").uniform(1.2, 3.5)  # few to none
    wall = arteries * (1.0 - tube_cover(canvas, v.aorta, -1.3)) * tube_cover(canvas, v.aorta)
    spots = canvas.cover((some - canvas.coarse - 0.6 * canvas.swell) * 4.0)
    canvas.paint(canvas.whole, wall * spots, tissues.plaque)


def paint_lung_vessels(s: Section) -> None:
    """The vessel trees of the lungs, bronchi with their walls, and nodules, kept inside the lungs."""
    v, canvas, tissues = vessels(s.a), s.canvas, s.a.tissues
    inside = canvas.cover(s.lung - 1.5)
    if not inside.any():
        return
    canvas.paint(canvas.whole, tube_cover(canvas, v.lung, slab=SLAB) * inside, tissues.late_blood)
    canvas.paint(canvas.whole, tube_cover(canvas, v.bronchi, 0.6) * inside, tissues.soft)
    canvas.paint(canvas.whole, tube_cover(canvas, v.bronchi) * inside, tissues.gas)
    paint_nodules(s.a, canvas, "lung")


def paint_airway(s: Section) -> None:
    """Trachea and main bronchi: a soft wall around air."""
    v, canvas, tissues = vessels(s.a), s.canvas, s.a.tissues
    canvas.paint(canvas.whole, tube_cover(canvas, v.airway, 1.5), tissues.soft)
    canvas.paint(canvas.whole, tube_cover(canvas, v.airway), tissues.gas)
