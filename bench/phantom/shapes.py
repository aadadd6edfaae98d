"""The organs below the diaphragm as ellipsoids, tubes and trees, drawn once per patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.phantom.anatomy import Anatomy
from bench.phantom.fields import Ellipsoid
from bench.phantom.lesions import lead_around
from bench.phantom.liver import liver_lobes, organ
from bench.phantom.trunk import spine_centre
from bench.phantom.tubes import Segments, smooth_chain, tree


@dataclass(frozen=True, eq=False)
class Bowel:
    """Pancreas, colon, small bowel and the vessels between them."""

    pancreas: Segments
    colon: Segments
    loops: Segments
    mesentery: Segments


@dataclass(frozen=True, eq=False)
class Belly:
    """The organs below the diaphragm of one patient."""

    stomach: Segments
    air_y: float
    spleen: tuple[Ellipsoid, Ellipsoid]
    liver_vessels: Segments
    bowel: Bowel
    crura: Segments


@lru_cache(maxsize=64)
def belly(a: Anatomy) -> Belly:
    """Draw the abdominal organs of a patient."""
    stomach, liver = _stomach(a), liver_lobes(a)[0]
    air_y = a.cage_y + a.cage_depth * float(a.rng("air").uniform(-0.55, -0.15))
    cloud = a.rng("liver vessels").uniform(-0.75, 0.75, (70, 3)) * np.array(liver.semi)
    root = np.array(a.at(-24, 0.10, a.dome_right + 0.06))
    vessels = lead_around(a, tree(root, np.array(liver.centre) + cloud, 0.95 * a.scale))
    spleen = organ(a, "spleen", (86, 0.34, a.dome_right + 0.2), (3, 0.04, 0.012), (44, 60, 50), yaw=-0.3)
    (x, y, z), k = spleen.centre, a.scale
    hollow = Ellipsoid((x - 50.0 * k, y - 34.0 * k, z), (50.0 * k, 60.0 * k, 90.0 * k), yaw=-0.5)
    return Belly(stomach, air_y, (spleen, hollow), vessels, _bowel(a), _crura(a))


def _stomach(a: Anatomy) -> Segments:
    """From the fundus behind the left dome forwards and down to the outlet right of the midline."""
    top, size = a.dome_right, float(a.rng("stomach").uniform(0.75, 1.1))
    way = [(56, 0.22, 0.07), (60, 0.10, 0.13), (58, -0.18, 0.21), (44, -0.46, 0.28), (10, -0.54, 0.33)]
    way.append((-24, -0.36, 0.335))
    points = [a.at(x, y, top + t) for x, y, t in way]
    return smooth_chain(points, [a.scale * size * v for v in (26, 36, 35, 29, 21, 13)])


def _bowel(a: Anatomy) -> Bowel:
    s = a.scale
    rng = a.rng("bowel")
    pancreas = _strewn(a, rng, [(-22, 0.05, 0.97), (8, -0.08, 0.93), (40, 0.12, 0.90), (74, 0.34, 0.86)], 4.0)
    way = [(-60, -0.55, 1.06), (-10, -0.74, 1.02), (45, -0.66, 0.97), (88, -0.30, 0.90)]
    colon = _strewn(a, rng, [*way, (98, 0.05, 0.93), (96, 0.2, 1.1)], 9.0)
    wide = s * float(rng.uniform(0.8, 1.15))
    spread = a.rng("mesentery").uniform((-30, -0.6, 0.86), (95, 0.3, 1.1), (120, 3))
    leaves = np.array([a.at(x, y, t) for x, y, t in spread])
    return Bowel(
        smooth_chain(pancreas, [s * v for v in (13, 10, 10, 8)]),
        smooth_chain(colon, [wide * v for v in (20, 18, 17, 18, 16, 14)]),
        np.vstack([_loop(a, number) for number in range(3)]),
        tree(np.array(a.at(5, 0.05, 0.98)), leaves, 0.8 * s),
    )


def _strewn(
    a: Anatomy, rng: np.random.Generator, way: list[tuple[float, float, float]], spread: float
) -> list[tuple[float, float, float]]:
    """The points of ``way`` (see ``Anatomy.at``), each moved by about ``spread`` mm."""
    moves = rng.normal(0.0, spread, (len(way), 3))
    points = np.array([a.at(*place) for place in way]) + moves
    return [(float(x), float(y), float(z)) for x, y, z in points]


def _loop(a: Anatomy, number: int) -> Segments:
    """A winding piece of small bowel that goes down through the left and middle of the belly."""
    rng = a.rng(f"bowel {number}")
    xs, ys, ts = rng.uniform(-25.0, 78.0, 9), rng.uniform(-0.62, 0.2, 9), np.linspace(0.9, 1.2, 9)
    points = [a.at(float(x), float(y), float(t)) for x, y, t in zip(xs, ys, ts, strict=True)]
    return smooth_chain(points, list(a.scale * rng.uniform(9.0, 13.0, 9)))


def _crura(a: Anatomy) -> Segments:
    """The two legs of the diaphragm beside the aorta, going over into the psoas."""
    s, chains = a.scale, []
    for side in (-1.0, 1.0):
        heights = [t * a.length for t in (a.dome_right + 0.08, 0.85, 0.95, 1.1)]
        points = [((side * 17 + 4) * s, float(spine_centre(a, z)) - 16 * s, z) for z in heights]
        chains.append(smooth_chain(points, [s * v for v in (2.5, 5.0, 6.0, 8.0)]))
    return np.vstack(chains)
