"""The spokes that a sparse set leaves in the Fourier plane: one for each distinct direction."""

from __future__ import annotations

import numpy as np

from bench.audit.check import Check, between
from bench.audit.discs import pixel_cm
from bench.audit.objects import Image, point
from bench.audit.simulator import Simulator
from bench.ct.dose import Condition
from bench.ct.geometry import Geometry

PLANE = 1024  # samples a side of the Fourier plane
_RING = 0.3  # cycles per pixel at which spokes are counted
_APART = 2.0  # two spokes are told apart at so many times 1 / size, the width of one


def resolvable(size: int) -> int:
    """Return how many directions can be told apart in the Fourier plane of a slice."""
    return int(np.pi * _RING * size / _APART)


def plane(simulator: Simulator, geometry: Geometry, views: int, *, tapered: bool = False) -> Image:
    """Return the absolute Fourier plane (PLANE, PLANE) of a point seen in so many views, zero in the middle.

    ``tapered``: the image under a Hann window, which widens the spokes and takes away what its borders leave between.
    """
    size = geometry.size
    found = simulator.degrade(
        point(size), [pixel_cm(size)], geometry, [Condition("sparse", views)], [(0, "audit", "spokes")]
    )
    taper = np.outer(np.hanning(size), np.hanning(size)) if tapered else 1.0
    values = np.abs(np.fft.fftshift(np.fft.fft2(found["sparse"][0] * taper, (PLANE, PLANE))))
    return values.astype(np.float32)


def spokes(simulator: Simulator, geometry: Geometry, views: int, name: str) -> Check:
    """Return how many spokes ``views`` evenly spread views leave."""
    values = plane(simulator, geometry, views)
    angle = np.arange(0.0, np.pi, np.pi / 1440)
    rows, columns = (
        np.rint(PLANE / 2 + _RING * PLANE * wave(angle)).astype(int) for wave in (np.sin, np.cos)
    )
    ring = values[rows, columns]
    bright = ring > 0.5 * ring.max()
    wanted = geometry.distinct_directions(geometry.views // views)
    return between(
        f"spokes[{name}]", np.count_nonzero(bright & ~np.roll(bright, 1)), (wanted, wanted), "spokes",
        f"spokes in the Fourier plane of a point seen in {views} views over {geometry.arc_degrees:g} degrees: one for "
        "each distinct direction",
    )  # fmt: skip
