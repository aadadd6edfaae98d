"""Registration of the details of two slices: the mirror image, rotation, zoom and shift that agree best.

The angle comes from the polar spectra, the shift from the correlation of the pictures themselves (Reddy and
Chatterji 1996, doi 10.1109/83.506761). A spectrum does not tell half a turn, so both are tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from bench.leaks.local_contrast import COARSE, Image
from bench.leaks.spectrum import ANGLES

PEAKS = 2  # angles tried of each pair and each handedness
REACH = 0.15  # of the side: larger shifts are not looked for
_GAIN_ANGLES = (-1.0, -0.5, 0.0, 0.5, 1.0)  # degrees around the best, when a coarse match is made fine
_GAIN_ZOOMS = (0.97, 0.985, 1.0, 1.015, 1.03)


@dataclass(frozen=True)
class Pose:
    """How the second picture lies over the first: mirrored left to right, then turned, zoomed, shifted.

    ``angle`` in degrees, ``rows`` and ``columns`` in parts of the side; ``score`` is the correlation there.
    """

    score: float
    mirrored: bool = False
    angle: float = 0.0
    zoom: float = 1.0
    rows: float = 0.0
    columns: float = 0.0


def guesses(first: npt.NDArray[np.complex64], second: npt.NDArray[np.complex64]) -> list[tuple[bool, int]]:
    """Return the (mirrored, whole degrees) that the angular series of two polar spectra speak for."""
    hypotheses = []
    for mirrored in (False, True):
        product = first * (second if mirrored else second.conj())
        agreement = fft.irfft(product.sum(axis=0), ANGLES)
        peaks = (agreement >= np.roll(agreement, 1)) & (agreement > np.roll(agreement, -1))
        places = np.flatnonzero(peaks)
        best = places[np.argsort(-agreement[places])[:PEAKS]]
        hypotheses += [(mirrored, int(angle) + half) for angle in best for half in (0, ANGLES)]
    return hypotheses


def turned(images: Sequence[Image], hypotheses: Sequence[tuple[bool, int]]) -> Image:
    """Return coarse details, each mirrored and turned by whole degrees, (H, 64, 64)."""
    places, weights = _rotations()
    out = np.empty((len(images), COARSE * COARSE), np.float32)
    for row, (image, (mirrored, angle)) in enumerate(zip(images, hypotheses, strict=True)):
        flat = np.append((image[:, ::-1] if mirrored else image).ravel(), np.float32(0.0))
        out[row] = (flat[places[angle]] * weights[angle]).sum(axis=0)
    return out.reshape(-1, COARSE, COARSE)


def agreement(fixed: Image, moving: Image) -> tuple[Image, Image]:
    """Return for each moving picture (H, n, n) its best correlation with ``fixed`` (n, n) and that shift (H, 2).

    The peak is read between whole pixels, from a parabola through it and its neighbours on each axis.
    """
    n = fixed.shape[0]
    field = fft.irfft2(fft.rfft2(fixed) * fft.rfft2(moving).conj(), (n, n))
    reach = int(REACH * n)
    near = np.arange(-reach, reach + 1)
    window = field[:, near[:, None], near[None, :]].reshape(len(moving), -1)
    best = window.argmax(axis=1)
    lines, shifts = (
        np.arange(len(moving)),
        np.stack([near[best // len(near)], near[best % len(near)]], axis=1),
    )
    peak = window[lines, best].astype(np.float64)
    height, places = peak.copy(), shifts.astype(np.float64)
    for axis, (rows, columns) in enumerate(((1, 0), (0, 1))):
        before = field[lines, shifts[:, 0] - rows, shifts[:, 1] - columns]
        after = field[lines, (shifts[:, 0] + rows) % n, (shifts[:, 1] + columns) % n]
        bend = np.maximum(2 * peak - before - after, 1e-9)
        off = np.clip((after - before) / (2 * bend), -0.5, 0.5)
        height += np.maximum(0.0, off * (after - before) / 2 - off**2 * bend / 2)
        places[:, axis] += off
    norms = np.sqrt(np.square(moving).sum(axis=(1, 2)))
    return (np.minimum(1.0, height / np.maximum(norms, 1e-6))).astype(np.float32), places.astype(np.float32)


def refine(fixed: Image, moving: Image, pose: tuple[bool, int]) -> Pose:
    """Return the best pose of ``moving`` over ``fixed``, both (n, n), near a coarse one."""
    mirrored, start = pose
    image = moving[:, ::-1] if mirrored else moving
    best = _try(fixed, image, mirrored, [(start + gain, 1.0) for gain in _GAIN_ANGLES])
    return _try(fixed, image, mirrored, [(best.angle, zoom) for zoom in _GAIN_ZOOMS])


def _try(fixed: Image, image: Image, mirrored: bool, places: Sequence[tuple[float, float]]) -> Pose:
    moved = np.stack([_affine(image, angle, zoom) for angle, zoom in places])
    scores, shifts = agreement(fixed, moved)
    k = int(scores.argmax())
    angle, zoom = places[k]
    rows, columns = (float(value) / fixed.shape[0] for value in shifts[k])
    return Pose(float(scores[k]), mirrored, (angle + 180.0) % 360.0 - 180.0, zoom, rows, columns)


def _affine(image: Image, angle: float, zoom: float) -> Image:
    if zoom == 1.0 and angle % 90.0 == 0.0:
        return np.rot90(image, -int(angle // 90.0))
    matrix = _matrix(angle) / zoom
    centre = (np.array(image.shape) - 1) / 2
    turned: Image = ndimage.affine_transform(
        image, matrix, centre - matrix @ centre, order=1, output=np.float32
    )
    return turned


def _matrix(angle: float) -> npt.NDArray[np.float64]:
    """Return what takes (row, column) from the centre of a turned picture to the place it came from."""
    a = np.deg2rad(angle)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


@lru_cache(maxsize=1)
def _rotations() -> tuple[npt.NDArray[np.int16], Image]:
    """Return for each whole degree four neighbours of each pixel (360, 4, n * n) and their weights."""
    grid = np.indices((COARSE, COARSE)).reshape(2, -1) - (COARSE - 1) / 2
    places = np.empty((360, 4, COARSE * COARSE), np.int16)
    weights = np.empty((360, 4, COARSE * COARSE), np.float32)
    for angle in range(360):
        at = _matrix(angle) @ grid + (COARSE - 1) / 2
        low = np.floor(at)
        for k, (dr, dc) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            r, c = low[0] + dr, low[1] + dc
            inside = (r >= 0) & (r < COARSE) & (c >= 0) & (c < COARSE)
            places[angle, k] = np.where(inside, r * COARSE + c, COARSE * COARSE)
            weights[angle, k] = (1 - np.abs(at[0] - r)) * (1 - np.abs(at[1] - c))
    return places, weights
