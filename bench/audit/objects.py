"""Objects whose projections and reconstructions are known in closed form, drawn on square pixels.

Places and lengths are in pixels of the ``size`` x ``size`` grid from its centre, x to the right and y up. Objects
have ``FINER`` times as many pixels a side, so that projector and reconstruction do not share a grid.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.ct.units import MU_WATER

Image = npt.NDArray[np.float32]
Real = npt.NDArray[np.float64]

FINER = 2
BLOBS = ((0.2, 0.1, 0.06, 0.2), (-0.15, 0.22, 0.09, 0.3), (0.05, -0.25, 0.05, 0.4))
"""Centre x and y, width (all in sizes) and height in 1/cm of each Gaussian of ``blobs``."""
_OVER = 8  # points along a side of a pixel over which an edge is averaged


def coordinates(pixels: int, size: int) -> tuple[Real, Real]:
    """Return the centres (1, pixels) x and (pixels, 1) y of a grid of ``pixels`` a side over the field."""
    x = (np.arange(pixels) - (pixels - 1) / 2) * size / pixels
    return x[None, :], -x[:, None]


def distance(size: int, x: float = 0.0, y: float = 0.0) -> Real:
    """Return how far each pixel centre of the ``size`` x ``size`` grid lies from (x, y)."""
    columns, rows = coordinates(size, size)
    return np.hypot(columns - x, rows - y)


def disc(size: int, radius: float, x: float = 0.0, y: float = 0.0) -> Image:
    """Return a water disc in 1/cm, shape (1, 2 size, 2 size), its edge averaged over 8 x 8 points a pixel."""
    fine = FINER * size
    columns, rows = coordinates(fine * _OVER, size)
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    shares = inside.reshape(fine, _OVER, fine, _OVER).mean(axis=(1, 3), dtype=np.float32)
    image: Image = shares[None] * np.float32(MU_WATER)
    return image


def blobs(size: int, factor: int = FINER) -> Image:
    """Return three Gaussians without any symmetry in 1/cm, shape (1, factor size, factor size)."""
    columns, rows = coordinates(factor * size, size)
    image = np.zeros((factor * size, factor * size))
    for x, y, width, height in BLOBS:
        square = (columns - x * size) ** 2 + (rows - y * size) ** 2
        image += height * np.exp(-square / (2 * (width * size) ** 2))
    return image.astype(np.float32)[None]


def point(size: int) -> Image:
    """Return a square of 1 /cm, a pixel wide, in the middle of the field, shape (1, 2 size, 2 size)."""
    image = np.zeros((1, FINER * size, FINER * size), np.float32)
    image[0, size - 1 : size + 1, size - 1 : size + 1] = 1.0
    return image
