"""Reconstruction filters: the ramp by its spatial taps, under a window over frequency.

The ramp's taps are those of Ramachandran and Lakshminarayanan 1971 (doi 10.1073/pnas.68.9.2236): sampled in
space, not in frequency, so that its mean is right and water stays water. The windows multiply its transform
W(f), f in cycles per bin up to 1/2: ``shepp-logan`` sinc(f) (Shepp and Logan 1974,
doi 10.1109/TNS.1974.6499235), ``cosine`` cos(pi f) and ``hann`` (1 + cos(2 pi f)) / 2 (both Harris 1978,
doi 10.1109/PROC.1978.10837). All are 1 at f = 0; in this order they give up sharpness for less noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]

WINDOWS: dict[str, Callable[[Values], Values]] = {
    "ram-lak": np.ones_like,
    "shepp-logan": np.sinc,
    "cosine": lambda frequency: np.cos(np.pi * frequency),
    "hann": lambda frequency: 0.5 + 0.5 * np.cos(2.0 * np.pi * frequency),
}
"""The window of each filter over frequencies in cycles per bin."""


def response(bins: int, name: str, angular_pitch: float = 0.0) -> npt.NDArray[np.float32]:
    """Return the filter's transform at unit pitch, float32 (length / 2 + 1,), to multiply ``rfft`` with.

    ``length`` is a power of two of at least 2 ``bins``: zero-padded, views do not wrap around. Bins at equal
    angles ``angular_pitch`` (radians) need the taps times (gamma / sin gamma)^2 (Kak and Slaney, reissue of
    2001, doi 10.1137/1.9780898719277, eq. 3.106 without its half); 0 stands for bins on a line.
    """
    length = 1 << (2 * bins - 1).bit_length()
    distance = np.minimum(np.arange(length), length - np.arange(length))
    taps = _taps(distance, name)
    if angular_pitch:
        near = (distance > 0) & (distance < bins)  # no two bins of a view are further apart
        angle = distance[near] * angular_pitch
        taps[near] *= (angle / np.sin(angle)) ** 2
    return np.fft.rfft(taps).real.astype(np.float32)


def _taps(distance: npt.NDArray[np.int64], name: str) -> Values:
    """Return the filter in space at a circle of integer ``distance`` (in bins) from its centre."""
    odd = distance % 2 == 1
    taps = np.zeros(len(distance))
    taps[0] = 0.25
    taps[odd] = -1.0 / (np.pi * distance[odd]) ** 2
    if name == "ram-lak":
        return taps
    window = WINDOWS[name](np.fft.rfftfreq(len(taps)))
    return np.fft.irfft(np.fft.rfft(taps) * window, n=len(taps))
