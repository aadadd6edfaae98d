"""What holds for every object: a quarter turn, superposition, nothing from nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.audit.check import Check, at_most, between
from bench.audit.discs import pixel_cm, reconstructed
from bench.audit.objects import blobs, disc
from bench.audit.simulator import Simulator
from bench.ct.geometry import Geometry
from bench.ct.units import MU_WATER


def symmetry(simulator: Simulator, geometry: Geometry) -> Iterator[Check]:
    """Yield how far the simulator is from the symmetries of the transform."""
    yield quarter_turn(simulator, geometry)
    yield superposition(simulator, geometry)
    yield nothing(simulator, geometry)


def quarter_turn(simulator: Simulator, geometry: Geometry) -> Check:
    """Return how much the image of a turned object differs from the turned image."""
    views = geometry.views - geometry.views % 4 or 4
    even = replace(geometry, views=views)  # type: ignore[type-var]
    image = blobs(geometry.size)
    straight, turned = (
        reconstructed(simulator, even, values) for values in (image, np.rot90(image, axes=(1, 2)))
    )
    gap = float(np.abs(np.rot90(straight) - turned).max()) / MU_WATER
    return at_most(
        "object.turn", gap, 1e-4, "of water",
        f"image of an object turned by 90 degrees against the turned image, {views} views: rounding alone; worst pixel",
    )  # fmt: skip


def superposition(simulator: Simulator, geometry: Geometry) -> Check:
    """Return how much the image of a combination differs from the combination of images."""
    a, b = blobs(geometry.size), disc(geometry.size, 0.26 * geometry.size)
    first, second, both = (reconstructed(simulator, geometry, values) for values in (a, b, 2 * a - b))
    gap = float(np.abs(2 * first - second - both).max()) / MU_WATER
    return at_most(
        "object.superposition", gap, 1e-4, "of water",
        "image of 2a - b against 2 image(a) - image(b): rounding alone; worst pixel; clipping breaks it",
    )  # fmt: skip


def nothing(simulator: Simulator, geometry: Geometry) -> Check:
    """Return the largest value in line integrals and image of an empty field."""
    empty = np.zeros((1, 2 * geometry.size, 2 * geometry.size), np.float32)
    widths = [pixel_cm(geometry.size)]
    rays = simulator.project(empty, geometry, widths)
    image = simulator.reconstruct(rays, geometry, widths)
    largest = max(float(np.abs(rays).max()), float(np.abs(image).max()))
    return between(
        "object.zero", largest, (0.0, 0.0), "1/cm",
        "largest value in the line integrals and the image of an empty field: exactly 0",
    )  # fmt: skip
