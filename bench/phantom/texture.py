"""Correlated 3-D texture in mm: smooth interpolation of random lattices, the same at every pixel size."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor, sqrt

import numpy as np
from scipy.sparse import csr_array

from bench.phantom.anatomy import Anatomy
from bench.phantom.fields import Array
from bench.seeds import generator

SPACINGS = (2.2, 5.5, 18.0, 45.0)  # mm between lattice points, finest first
_REACH = 255.0  # mm from the centre that every lattice covers, half the widest field and a little
_KERNEL_VARIANCE = 151.0 / 315.0  # mean over position of the sum of squared cubic B-spline weights


@lru_cache(maxsize=96)
def _plane(patient: str, seed: int, spacing: float, index: int) -> Array:
    side = 2 * ceil(_REACH / spacing) + 5
    rng = generator("phantom", seed, patient, "texture", f"{spacing:g}", index)
    plane: Array = rng.standard_normal((side, side))
    return plane


@lru_cache(maxsize=32)
def _weights(pixels: int, pixel_mm: float, spacing: float) -> csr_array:
    """Cubic B-spline weights (pixels, lattice points), averaged over the width of each pixel.

    Sparse, because a dense product of matrices may round otherwise with another number of threads.
    """
    half = ceil(_REACH / spacing) + 2
    parts = max(1, ceil(2.0 * pixel_mm / spacing))
    sub = (np.arange(pixels * parts) + 0.5) / parts - 0.5 * pixels
    gap = np.abs(sub[:, None] * (pixel_mm / spacing) - np.arange(-half, half + 1)[None, :])
    near = (4.0 - 6.0 * gap**2 + 3.0 * gap**3) / 6.0
    far = np.clip(2.0 - gap, 0.0, None) ** 3 / 6.0
    spline = np.where(gap < 1.0, near, far)
    return csr_array(spline.reshape(pixels, parts, -1).mean(axis=1))


def lattice_noise(a: Anatomy, z: float, spacing: float, pixels: int, pixel_mm: float) -> Array:
    """Unit-variance noise, correlated over about ``spacing`` mm, at height z mm; shape (pixels, pixels)."""
    low = floor(z / spacing)
    part = z / spacing - low
    blend = 0.5 - 0.5 * np.cos(np.pi * part)
    norm = _KERNEL_VARIANCE * sqrt(blend**2 + (1.0 - blend) ** 2)
    plane = _plane(a.patient, a.seed, spacing, low) * ((1.0 - blend) / norm)
    plane = plane + _plane(a.patient, a.seed, spacing, low + 1) * (blend / norm)
    weights = _weights(pixels, pixel_mm, spacing)
    result: Array = weights @ np.ascontiguousarray((weights @ plane).T)
    return result
