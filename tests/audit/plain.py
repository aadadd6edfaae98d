"""Textbook filtered back-projection of parallel rays in plain NumPy, with the filter given: a stand-in to break."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from bench.ct.geometry import ParallelBeam

Response = Callable[[int], np.ndarray]  # bins -> transform of the filter over the length that it implies


def ramp(bins: int, padding: int = 2) -> np.ndarray:
    """The ramp from its spatial taps, over ``padding`` times the bins."""
    length = padding * bins
    away = np.minimum(np.arange(length), length - np.arange(length))
    taps = np.where(away % 2 == 1, -1.0 / (np.pi * np.maximum(away, 1)) ** 2, 0.0)
    taps[0] = 0.25
    return np.fft.fft(taps).real


def sampled_ramp(bins: int) -> np.ndarray:
    """The ramp sampled in frequency: its mean is lost, and water is no longer water."""
    return np.abs(np.fft.fftfreq(2 * bins))


@functools.cache
def back_projection(geometry: ParallelBeam, nearest: bool) -> csr_matrix:
    """The share of each ray (view, bin) in each pixel, shape (size^2, views x bins): linear, or of the nearest bin."""
    n = geometry.size
    x = np.arange(n) - (n - 1) / 2
    angles = np.asarray(geometry.angles)[:, None, None]
    t = x * np.cos(angles) - x[:, None] * np.sin(angles) + (geometry.bins - 1) / 2
    low = np.rint(t) if nearest else np.floor(t)
    share = np.zeros_like(t) if nearest else t - low
    views, pixels = np.meshgrid(np.arange(geometry.views), np.arange(n * n), indexing="ij")
    rays = (views * geometry.bins).ravel() + low.astype(int).ravel()
    ends = np.concatenate([rays, rays + 1]), np.concatenate([1 - share.ravel(), share.ravel()])
    shape = n * n, geometry.views * geometry.bins + 1
    return csr_matrix((ends[1], (np.tile(pixels.ravel(), 2), ends[0])), shape)[:, :-1]


def filtered_back_projection(
    response: Response = ramp, *, nearest: bool = False
) -> Callable[..., np.ndarray]:
    """Return a ``reconstruct`` that filters with ``response``."""

    def reconstruct(
        sinograms: np.ndarray, geometry: ParallelBeam, pixel_cm: Sequence[float], *, stride: int = 1
    ) -> np.ndarray:
        used = geometry.every(stride)
        values = np.asarray(sinograms, float)[:, ::stride]
        gain = response(used.bins)
        filtered = np.fft.ifft(np.fft.fft(values, len(gain)) * gain).real[..., : used.bins]
        images = (back_projection(used, nearest) @ filtered.reshape(len(values), -1).T).T
        scale = np.pi / used.views / np.asarray(pixel_cm)
        return (images.reshape(-1, used.size, used.size) * scale[:, None, None]).astype(np.float32)

    return reconstruct
