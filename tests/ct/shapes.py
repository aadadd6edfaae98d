"""Objects with known integrals, for the tests of the simulator."""

from __future__ import annotations

import numpy as np

from bench.ct.kernels import Array
from bench.ct.units import MU_WATER

MU = np.float32(MU_WATER)
BLOBS = ((0.2, 0.1, 0.06, 0.2), (-0.15, 0.22, 0.09, 0.3), (0.05, -0.25, 0.05, 0.4))
"""Centre x and y, width (all in sizes) and height in 1/cm of each Gaussian of ``blobs``."""


def coordinates(pixels: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres (x, y) of a pixels x pixels grid over the field of ``size`` pixels, from its centre."""
    x = (np.arange(pixels) - (pixels - 1) / 2) * size / pixels
    return x[None, :], -x[:, None]


def disc(
    size: int, radius: float, factor: int = 2, over: int = 8, at: tuple[float, float] = (0.0, 0.0)
) -> Array:
    """Water disc of ``radius`` pixels, (1, factor size, factor size), edges averaged over ``over`` points."""
    fine = size * factor
    x, y = coordinates(fine * over, size)
    inside = ((x - at[0]) ** 2 + (y - at[1]) ** 2 <= radius**2).reshape(fine, over, fine, over)
    return inside.mean(axis=(1, 3), dtype=np.float32)[None] * MU


def blobs(size: int, factor: int = 2) -> Array:
    """Three Gaussians without any symmetry, (1, factor size, factor size)."""
    x, y = coordinates(size * factor, size)
    found = np.zeros((size * factor, size * factor))
    for cx, cy, width, height in BLOBS:
        found += height * np.exp(-((x - cx * size) ** 2 + (y - cy * size) ** 2) / (2 * (width * size) ** 2))
    return found.astype(np.float32)[None]
