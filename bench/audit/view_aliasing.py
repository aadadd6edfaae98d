"""The check of view aliasing: a sparse set leaves one spoke in the Fourier plane for each distinct direction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.audit.check import Check, between
from bench.audit.discs import pixel_cm
from bench.audit.objects import Image, point
from bench.audit.rays import Rays
from bench.audit.simulator import Simulator
from bench.ct.conditions import Condition
from bench.ct.geometry import Geometry

PLANE = 1024  # samples a side of the Fourier plane
MOST = 256  # pixels a side: the largest slice in which spokes are counted
_RING = 0.3  # cycles per pixel at which they are counted
_APART = 2.2  # two spokes are told apart at so many times 1 / size; the window makes them 1.6 wide
_BRIGHT = 0.45  # of the brightest; what the window leaves between spokes is below a third


def directions(geometry: Geometry, views: int) -> int:
    """Return the lines that so many evenly spread views draw through the centre of rotation."""
    return Rays(geometry.every(geometry.views // views), 1.0).directions


def scan_for(geometry: Geometry, views: int) -> Geometry | None:
    """Return the scan, at twice the size if need be, in whose images the spokes can be told apart; None if in none."""
    needed = directions(geometry, views) * _APART / (np.pi * _RING)
    for size in (geometry.size, MOST):
        if needed <= size:
            return replace(geometry, size=size)  # type: ignore[type-var]
    return None


def plane(simulator: Simulator, geometry: Geometry, views: int) -> Image:
    """Return the absolute Fourier plane (PLANE, PLANE), zero in the middle, of a point seen in so many views.

    The point lies at the centre of rotation; its image is taken under a sine window, which keeps the borders out.
    """
    size = geometry.size
    sparse = [Condition("sparse", views)]
    images = simulator.degrade(point(size), [pixel_cm(size)], geometry, sparse, [(0, "audit", "spokes")])
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    image = images["sparse"][0] * np.outer(window, window)
    return np.abs(np.fft.fftshift(np.fft.fft2(image, (PLANE, PLANE)))).astype(np.float32)


def spokes(simulator: Simulator, geometry: Geometry, views: int, name: str) -> Check:
    """Return how many spokes ``views`` evenly spread views leave."""
    values = plane(simulator, geometry, views)
    angle = np.arange(0.0, np.pi, np.pi / 1440)
    rows, columns = (
        np.rint(PLANE / 2 + _RING * PLANE * wave(angle)).astype(int) for wave in (np.sin, np.cos)
    )
    ring = values[rows, columns]
    bright = ring > _BRIGHT * ring.max()
    expected = directions(geometry, views)
    return between(
        f"spokes[{name}]", np.count_nonzero(bright & ~np.roll(bright, 1)), (expected, expected), "spokes",
        f"spokes in the Fourier plane of a point seen in {views} views over {geometry.arc_degrees:g} degrees: one for "
        "each distinct line through the centre of rotation",
    )  # fmt: skip
