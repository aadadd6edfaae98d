"""Textbook filtered back-projection of parallel rays in plain NumPy, with the filter given: a stand-in to break."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

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


def filtered_back_projection(
    response: Response = ramp, *, nearest: bool = False
) -> Callable[..., np.ndarray]:
    """Return a ``reconstruct`` that filters with ``response``."""

    def reconstruct(
        sinograms: np.ndarray, geometry: ParallelBeam, pixel_cm: Sequence[float], *, stride: int = 1
    ) -> np.ndarray:
        used, n = geometry.every(stride), geometry.size
        values = np.asarray(sinograms, float)[:, ::stride]
        gain = response(used.bins)
        filtered = np.fft.ifft(np.fft.fft(values, len(gain)) * gain).real[..., : used.bins]
        x = np.arange(n) - (n - 1) / 2
        images = np.zeros((len(values), n, n))
        for view, angle in enumerate(used.angles):
            t = x * np.cos(angle) - x[:, None] * np.sin(angle) + (used.bins - 1) / 2
            low = np.rint(t) if nearest else np.floor(t)
            share = 0.0 if nearest else t - low
            left = filtered[:, view, low.astype(int)]
            images += left + share * (filtered[:, view, low.astype(int) + 1] - left)
        return (images * np.pi / used.views / np.asarray(pixel_cm)[:, None, None]).astype(np.float32)

    return reconstruct
