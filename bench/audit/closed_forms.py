"""Closed forms of noise and sharpness of filtered back-projection, which the audit compares the simulator with.

They follow from the definitions and not from the code under audit: independent noise in each ray, V views, bins a
distance d apart, a ramp ``|f|`` times a window W(f) (f in cycles per bin), linear interpolation between bins. A fan
obeys them at its isocentre, d being the distance of rays there: with its weights D cos g / L^2 and its 2 pi of views
the filter (g / sin g)^2 / 2 is the parallel one to first order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from bench.audit.objects import Real

_NODES = 2048


def window(name: str, f: Real) -> Real:
    """Return the window of a filter at ``f`` cycles per bin, |f| <= 1/2; 1 at zero and for the bare ramp.

    Shepp and Logan 1974 (doi 10.1109/TNS.1974.6499235), cosine and Hann as in Kak and Slaney; ``KeyError`` else.
    """
    forms = {
        "ram-lak": np.ones_like(f),
        "shepp-logan": np.sinc(f),
        "cosine": np.cos(np.pi * f),
        "hann": 0.5 + 0.5 * np.cos(2 * np.pi * f),
    }
    return forms[name]


def _band() -> Real:
    """Return the middle of each of many steps over -1/2 .. 1/2."""
    return (np.arange(_NODES) + 0.5) / _NODES - 0.5


def noise_gain(name: str) -> float:
    """Return ``k g``, the integral of ``|f W|^2 (2 + cos 2 pi f) / 3`` over ``|f| < 1/2``; 0.464 / 12 for the ramp.

    ``g`` is the filter's own gain, 1/12 for the ramp (Riederer, Pelc and Chesler 1978, doi 10.1088/0031-9155/23/3/008);
    linear interpolation makes it smaller by ``k``, 2/3 - 2/pi^2 for the ramp.
    """
    f = _band()
    return float(np.mean((f * window(name, f)) ** 2 * (2.0 + np.cos(2 * np.pi * f)) / 3.0))


def noise_variance(name: str, ray_variance: float, views: int, pitch_cm: float) -> float:
    """Return the variance in 1/cm^2 of a reconstructed pixel at the centre of rotation: ``pi^2 v k g / (V d^2)``.

    Each view adds a band of noise along its direction with the power spectrum ``(pi / (V d))^2 v |f W|^2 sinc(f)^4``,
    v the variance of one ray (``ray_variance``).
    """
    return math.pi**2 * noise_gain(name) * ray_variance / (views * pitch_cm**2)


def noise_power(name: str, pixels: int, pitches: Sequence[tuple[float, float]]) -> Real:
    """Return the shape of the noise power spectrum on the (pixels, pixels) grid of ``numpy.fft.fftfreq``, sum 1.

    The band of one view over the circumference 2 pi rho of all directions, with the images of the spectrum that
    linear interpolation leaves and what pixels fold back. ``pitches``: the distances of rays in pixels that occur,
    each with its weight. A view's power at a distance d of its rays goes as ``1 / d^3`` (the square of its scale
    ``pi / d``, times the width of a bin).
    """
    base = np.fft.fftfreq(pixels)
    power = np.zeros((pixels, pixels))
    folds = range(-2, 3)
    for up, right in itertools.product(folds, folds):
        rho = np.hypot(base[:, None] + up, base[None, :] + right)
        rho[rho == 0.0] = 1e-12
        for pitch, weight in pitches:
            f = rho * pitch
            inside = f - np.rint(f)
            power += weight / pitch**3 * (inside * window(name, inside)) ** 2 * np.sinc(f) ** 4 / rho
    total: Real = power / power.sum()
    return total


def edge(name: str, pitch: float, object_pixel: float) -> tuple[Real, Real]:
    """Return places from 0 to 4 pixels beside a sharp edge from 1 to 0, and by how much it has fallen there.

    The edge is blurred by the object's own pixels, the bins, the window and linear interpolation. At equal distances on
    its other side it has fallen by one minus that.
    """
    f = _band() / pitch  # cycles per pixel
    aperture = (
        np.sinc(f * object_pixel / math.sqrt(2.0)) ** 2
    )  # a square seen along its diagonal; the other ways are close
    transfer = window(name, f * pitch) * np.sinc(f * pitch) ** 3 * aperture
    x = np.linspace(0.0, 4.0, 401)
    line = (transfer[None, :] * np.cos(2 * np.pi * x[:, None] * f[None, :])).mean(axis=1) / pitch
    steps = (line[1:] + line[:-1]) / 2 * (x[1] - x[0])
    return x, 0.5 + np.concatenate([[0.0], np.cumsum(steps)])


def edge_width(name: str, pitch: float, object_pixel: float) -> float:
    """Return how many pixels such an edge takes from three quarters to a quarter of its height."""
    x, fallen = edge(name, pitch, object_pixel)
    first = int(np.flatnonzero(fallen > 0.75)[0]) + 1
    return 2.0 * float(np.interp(0.75, fallen[:first], x[:first]))
