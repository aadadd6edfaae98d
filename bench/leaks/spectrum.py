"""A picture's spectrum on a polar grid: blind to shifts, turned where the picture is turned.

The magnitude of the Fourier transform does not change with a shift; on a polar grid a rotation becomes a
shift along the angle, and a mirror image runs backwards along it (Reddy and Chatterji 1996,
doi 10.1109/83.506761). The magnitudes of the Fourier series along the angle change with neither.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from bench.leaks.local_contrast import SIDE, Image, unit

PADDED = 2 * SIDE  # zeros around the picture, so that its spectrum can be read between samples
ANGLES = 180  # over half a turn: the spectrum of a real picture repeats after it
RADII = np.linspace(12.0, 72.0, 24)  # cycles per padded side: wavelengths of 21 down to 3.6 pixels
ORDERS = 48  # of the Fourier series along the angle, from 1

Indices = npt.NDArray[np.intp]


def polar(detail: Image) -> Image:
    """Return the square root of the magnitude of a detail's spectrum, (24, 180), each ring of mean 0, norm 1."""
    spectrum = np.sqrt(np.abs(fft.rfft2(detail, (PADDED, PADDED))))
    places, weights = _grid()
    rings = (spectrum.ravel()[places] * weights).sum(axis=0)
    return unit(rings - rings.mean(axis=1, keepdims=True))


def series(rings: Image) -> npt.NDArray[np.complex64]:
    """Return the Fourier series along the angle, (24, 91), of a polar spectrum."""
    found: npt.NDArray[np.complex64] = fft.rfft(rings, axis=1).astype(np.complex64)
    return found


def invariant(angular: npt.NDArray[np.complex64]) -> Image:
    """Return what no shift, turn or flip changes, (24 * 48,)."""
    return unit(np.sqrt(np.abs(angular[:, 1 : ORDERS + 1])).ravel())


@lru_cache(maxsize=1)
def _grid() -> tuple[Indices, Image]:
    """Return for each polar sample the places of four neighbours in the half spectrum and their weights."""
    angles = np.pi * np.arange(ANGLES) / ANGLES
    x = RADII[:, None] * np.cos(angles)  # from PADDED/2 to -PADDED/2
    y = RADII[:, None] * np.sin(angles)
    x0, y0 = np.floor(x), np.floor(y)
    places, weights = [], []
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = (x0 + dx).astype(int), (y0 + dy).astype(int)
            mirrored = column < 0  # the other half is the complex conjugate: point through the origin
            column, row = np.where(mirrored, -column, column), np.where(mirrored, -row, row)
            places.append((row % PADDED) * (PADDED // 2 + 1) + column)
            weights.append((1 - np.abs(x - x0 - dx)) * (1 - np.abs(y - y0 - dy)))
    return np.array(places), np.array(weights, np.float32)
