"""One slice of the phantom: every organ painted onto a canvas, in the order in which one covers the other."""

from __future__ import annotations

import numpy as np

from bench.phantom.anatomy import Anatomy
from bench.phantom.belly import paint_belly
from bench.phantom.canvas import Canvas
from bench.phantom.lungs import paint_effusion, paint_lungs
from bench.phantom.section import section
from bench.phantom.skeleton import (
    paint_clavicles,
    paint_ribs,
    paint_shoulder_blades,
    paint_spine,
    paint_sternum,
)
from bench.phantom.thorax import paint_heart
from bench.phantom.vessels import paint_airway, paint_great_vessels, paint_lung_vessels
from bench.phantom.wall import paint_arms, paint_cavity, paint_couch, paint_wall

SMALLEST, LARGEST = 16, 2048


def draw(a: Anatomy, z: float, size: int) -> Canvas:
    """Return the painted canvas of a slice at the relative height ``z``; ValueError for an impossible size."""
    if not isinstance(size, (int, np.integer)) or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be a whole number of {SMALLEST} to {LARGEST} pixels, not {size}")
    canvas = Canvas(a, z * a.length, int(size))
    paint(a, canvas)
    return canvas


def paint(a: Anatomy, canvas: Canvas) -> None:
    """Paint every organ that the slice cuts."""
    shared = section(a, canvas)
    for organ in (
        paint_couch,
        paint_arms,
        paint_wall,
        paint_cavity,
        paint_lungs,
        paint_belly,
        paint_heart,
        paint_great_vessels,
        paint_lung_vessels,
        paint_effusion,
        paint_airway,
        paint_ribs,
        paint_spine,
        paint_sternum,
        paint_clavicles,
        paint_shoulder_blades,
    ):
        organ(shared)
