"""The Fourier spectrum of a slice on a polar grid, for comparing slices that lie shifted, turned or mirrored.

The magnitude of the Fourier transform does not change with a shift; on a polar grid a rotation becomes a
shift along the angle, and a mirror image runs backwards along it (Reddy and Chatterji 1996,
doi 10.1109/83.506761). The magnitudes of the Fourier series along the angle change with neither.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from bench.leaks.local_contrast import SIDE, Image, unit

PADDED = 2 * SIDE  # zeros around the picture, so that its spectrum can be read between samples
ANGLES = 180  # over half a turn: the spectrum of a real picture repeats after it
RADII = np.linspace(12.0, 72.0, 24)  # cycles per padded side: wavelengths of 21 down to 3.6 pixels
ORDERS = 48  # of the Fourier series along the angle, from 1

_ANGLES = np.pi * np.arange(ANGLES) / ANGLES
_PLACES = np.stack([RADII[:, None] * np.sin(_ANGLES), RADII[:, None] * np.cos(_ANGLES)])  # row, column


def polar(detail: Image) -> Image:
    """Return the square root of the magnitude of a detail's spectrum, (24, 180), each ring of mean 0, norm 1."""
    spectrum = np.sqrt(np.abs(fft.fft2(detail, (PADDED, PADDED))))
    rings: Image = ndimage.map_coordinates(
        spectrum, _PLACES, order=1, mode="grid-wrap"
    )  # it repeats on each side
    return unit(rings - rings.mean(axis=1, keepdims=True))


def series(rings: Image) -> npt.NDArray[np.complex64]:
    """Return the Fourier series along the angle, (24, 91), of a polar spectrum."""
    coefficients: npt.NDArray[np.complex64] = fft.rfft(rings, axis=1).astype(np.complex64)
    return coefficients


def invariant(angular: npt.NDArray[np.complex64]) -> Image:
    """Return the descriptor of a slice that no shift, turn or flip changes, (24 * 48,), of mean 0 and norm 1."""
    return unit(np.sqrt(np.abs(angular[:, 1 : ORDERS + 1])).ravel())
