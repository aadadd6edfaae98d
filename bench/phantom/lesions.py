"""The known lesions of a patient: where they lie, how large they are, and by how much they stand out.

They are spheres, so that a slice through the middle shows a disc of the listed diameter. Vessels are led
around them and no other texture is laid over them: the listed contrast is that of the drawn slice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from bench.phantom.anatomy import Anatomy, Tissue
from bench.phantom.canvas import Canvas, View
from bench.phantom.fields import Array, step
from bench.phantom.liver import liver_distance
from bench.phantom.routes import airway, great_arteries, great_veins
from bench.phantom.thorax import fluid_distance, gravity, lung_distance
from bench.phantom.tubes import Segments, depths

SMALLEST_MM, LARGEST_MM = 3.0, 20.0  # diameters of lung nodules
_ROOM = 3.0  # mm of undisturbed tissue around a lesion
_APART = 10.0  # mm between the surfaces of two lesions

Points = NDArray[np.float64]
Point = tuple[float, float, float]
Shift = tuple[float, float]


@dataclass(frozen=True)
class Nodule:
    """A sphere in the lung or the liver.

    ``x_mm`` and ``y_mm`` count from the centre of the field, x to image right and y down; ``z_mm`` is the
    height below the top slice. ``hu`` is its mean, ``contrast_hu`` its mean less that of the tissue around.
    """

    kind: str  # solid, ground-glass or liver
    x_mm: float
    y_mm: float
    z_mm: float
    diameter_mm: float
    hu: float
    contrast_hu: float

    def diameter_at(self, z: float) -> float:
        """Diameter in mm of the disc that the plane at height ``z`` mm cuts out; 0 where it passes by."""
        half = (0.5 * self.diameter_mm) ** 2 - (z - self.z_mm) ** 2
        return 2.0 * sqrt(max(0.0, half))


def lung_points(a: Anatomy, what: str, side: float, count: int, depth: float) -> Points:
    """Up to ``count`` points at least ``depth`` mm inside the lung on one side, evenly thrown; (n, 3)."""
    rng = a.rng(what)
    kept = np.empty((0, 3))
    for _ in range(20):
        x = side * rng.uniform(4.0, a.cage_width, 6 * count)
        y = a.cage_y + a.cage_depth * rng.uniform(-1.0, 1.0, 6 * count)
        z = rng.uniform(-0.08, 1.0, 6 * count) * a.length
        inside = lung_distance(a, x, y, z) < -depth
        kept = np.vstack([kept, np.stack([x, y, z], axis=1)[inside]])
        if len(kept) >= count:
            break
    return kept[:count]


def _liver_points(a: Anatomy, what: str, count: int, depth: float) -> Points:
    """Up to ``count`` points at least ``depth`` mm inside the liver and the scanned length; (n, 3)."""
    x, y, t = a.rng(what).uniform((-1.0, -1.0, a.dome_right), (0.5, 1.0, 0.99), (60 * count, 3)).T
    place = np.stack([x * a.cage_width, a.cage_y + y * a.cage_depth, t * a.length], axis=1)
    inside = liver_distance(a, *place.T) < -depth
    return place[inside][:count]


def _first(place: Points, radius: float, placed: list[Nodule], tubes: Segments) -> list[Point]:
    """The first point with room for a sphere beside the great ``tubes`` and those ``placed``, if any."""
    for point in place:
        apart = all(
            np.linalg.norm(point - (n.x_mm, n.y_mm, n.z_mm)) > radius + 0.5 * n.diameter_mm + _APART
            for n in placed
        )
        if apart and (depths(tubes, point) > radius + _ROOM).all():
            return [(float(point[0]), float(point[1]), float(point[2]))]
    return []


@lru_cache(maxsize=64)
def nodules_of(a: Anatomy) -> tuple[Nodule, ...]:
    """The lesions of a patient, those of the lung first; diameters spread evenly in their logarithm."""
    rng = a.rng("nodules")
    tubes = np.vstack([great_arteries(a), great_veins(a), airway(a)])
    placed: list[Nodule] = []
    count = int(rng.integers(5, 9))
    for number in reversed(range(count)):
        ratio = (LARGEST_MM / SMALLEST_MM) ** ((number + rng.random()) / count)
        side, solid = (-1.0 if rng.random() < 0.55 else 1.0), rng.random() < 0.6
        hu, above = float(rng.uniform(0.0, 70.0)), float(rng.uniform(140.0, 350.0))
        radius = 0.5 * SMALLEST_MM * ratio
        place = lung_points(a, f"nodule {number}", side, 40, radius + 6.0)
        place = place[np.abs(place[:, 2] - 0.5 * a.length) < 0.5 * a.length - radius]
        if a.disease == "effusion":
            place = place[fluid_distance(a, *place.T) > radius + 18.0]
        for x, y, z in _first(place, radius, placed, tubes):
            around = a.tissues.lung.hu + float(gravity(a, y))
            kind, value = ("solid", hu) if solid else ("ground-glass", around + above)
            placed.append(Nodule(kind, x, y, z, 2.0 * radius, value, value - around))
    for number in range(int(rng.integers(2, 5))):
        radius, below = float(rng.uniform(2.5, 10.0)), float(rng.uniform(15.0, 40.0))
        place = _liver_points(a, f"liver lesion {number}", 40, radius + 12.0)
        for x, y, z in _first(place, radius, placed, tubes):
            placed.append(Nodule("liver", x, y, z, 2.0 * radius, a.tissues.liver.hu - below, -below))
    return tuple(_moved(n, a.shift(n.z_mm)) for n in placed)


def _moved(n: Nodule, way: Shift) -> Nodule:
    return replace(n, x_mm=n.x_mm + way[0], y_mm=n.y_mm + way[1])


def _seen(n: Nodule, shift: Shift) -> Nodule:
    """A lesion in the patient's frame, which lies at ``shift`` in the field."""
    return _moved(n, (-shift[0], -shift[1]))


def paint_nodules(a: Anatomy, canvas: Canvas, organ: str) -> None:
    """The lesions of ``organ``, lung or liver, that the slice cuts."""
    for known in nodules_of(a):
        n = _seen(known, canvas.shift)
        if (n.kind == "liver") != (organ == "liver") or abs(canvas.z - n.z_mm) > 0.5 * n.diameter_mm + 1.0:
            continue
        view = canvas.window(n.x_mm, n.y_mm, 0.5 * n.diameter_mm)
        ball = canvas.cover(_away(n, view, canvas.z) - 0.5 * n.diameter_mm)
        canvas.paint(view, ball, _tissue(a, n), gravity(a, view.y) if n.kind == "ground-glass" else 0.0)


def _away(n: Nodule, view: View, z: float) -> Array:
    """Distance from the middle of a lesion, in mm."""
    square: Array = (view.x - n.x_mm) ** 2 + (view.y - n.y_mm) ** 2 + (z - n.z_mm) ** 2
    result: Array = np.sqrt(square)
    return result


def _tissue(a: Anatomy, n: Nodule) -> Tissue:
    """A solid nodule has a texture of its own; the others keep that of the tissue they grow in."""
    if n.kind == "solid":
        return Tissue(n.hu, 6.0, 6.0)
    around = a.tissues.liver if n.kind == "liver" else a.tissues.lung
    return Tissue(around.hu + n.contrast_hu, around.fine, around.coarse)


def calm(a: Anatomy, canvas: Canvas) -> Array:
    """0 at the lung nodules of this slice and their surroundings, 1 from there on, on the whole grid."""
    result: Array = np.ones_like(canvas.hu)
    for known in nodules_of(a):
        n = _seen(known, canvas.shift)
        reach = 0.5 * n.diameter_mm + 12.0
        if n.kind == "liver" or abs(canvas.z - n.z_mm) > reach:
            continue
        view = canvas.window(n.x_mm, n.y_mm, reach)
        result[view.rows, view.columns] *= step((_away(n, view, canvas.z) - (reach - 7.0)) / 7.0)
    return result


def lead_around(a: Anatomy, segments: Segments) -> Segments:
    """Return ``segments`` (n, 8) bent so that none enters a lesion or the tissue close to it."""
    for known in nodules_of(a):
        n = _seen(known, a.shift(known.z_mm))
        centre, clear = np.array([n.x_mm, n.y_mm, n.z_mm]), 0.5 * n.diameter_mm + _ROOM
        close = depths(segments, centre) < 2.0 * clear + segments[:, 6:].max(axis=1)
        if close.any():
            bent = _split(segments[close])
            for first in (0, 3):
                _push(bent[:, first : first + 3], centre, clear + bent[:, 6:].max(axis=1))
            bent = bent[
                depths(bent, centre) > clear - 0.5 * _ROOM
            ]  # chords of a tube through the very middle
            segments = np.vstack([segments[~close], bent])
    return segments


def _push(points: Points, centre: NDArray[np.float64], clear: NDArray[np.float64]) -> None:
    """Move ``points`` away from the centre, in place: from distance d < 2 clear to clear + d / 2."""
    away = points - centre
    d = np.linalg.norm(away, axis=1) + 1e-9
    points += away * np.where(d < 2.0 * clear, (clear + 0.5 * d) / d - 1.0, 0.0)[:, None]


def _split(segments: Segments) -> Segments:
    """Each segment cut into as many equal parts as leave the longest of them 2 mm a part."""
    longest = float(np.linalg.norm(segments[:, 3:6] - segments[:, :3], axis=1).max())
    s = np.linspace(0.0, 1.0, ceil(0.5 * longest) + 1)[:, None, None]
    ends = segments[None, :, :3] * (1 - s) + segments[None, :, 3:6] * s
    radii = segments[None, :, 6] * (1 - s[..., 0]) + segments[None, :, 7] * s[..., 0]
    rows = np.concatenate([ends[:-1], ends[1:], radii[:-1, :, None], radii[1:, :, None]], axis=2)
    return rows.transpose(1, 0, 2).reshape(-1, 8)
