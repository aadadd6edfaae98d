"""Checks of the noise of the reconstruction: its level, its dependence on the photons, its power spectrum."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.audit import closed_forms
from bench.audit.check import Check, at_most, between
from bench.audit.discs import pixel_cm
from bench.audit.objects import Image, Real, disc, distance
from bench.audit.rays import Rays
from bench.audit.simulator import Setup, Simulator
from bench.ct.geometry import Geometry
from bench.ct.noise import Noise, Quanta
from bench.ct.units import MU_WATER

LEVELS = (1e4, 1e5, 1e6)  # photons per ray; deviations are not multiplied here
RADIUS_CM = 6.0  # water disc in whose middle the noise is measured
_RING = (
    0.04,
    0.1,
)  # of the size: where it is measured; pixels too near the centre keep a place between two bins
SAMPLES = 8000  # pixels x draws: the variance is known to about 3 %
_POWER_PIXELS = 1 << 20  # pixels x draws: each ring is known to a few per cent
_BATCH = 16  # slices reconstructed at once


@dataclass(frozen=True)
class Level:
    """A variance in 1/cm^2 and the law's for the same number of photons per ray."""

    photons: float
    measured: float
    law: float


def noise(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield the checks of the level, the slope and the spectrum of the noise."""
    geometry = setup.geometry
    variances = levels(simulator, geometry)
    ratios = [level.measured / level.law for level in variances]
    worst = max(ratios, key=lambda ratio: abs(math.log(ratio)) if ratio > 0 else math.inf)
    yield between(
        "noise.level", worst, (0.85, 1.15), "of law",
        f"variance in the middle of a water disc of {2 * RADIUS_CM:g} cm against k pi^2 g / (V d^2) exp(p) / I0, "
        f"k g = {closed_forms.noise_gain(geometry.filter):.4g} for {geometry.filter} and linear interpolation, at "
        + ", ".join(f"{level.photons:g}" for level in variances) + " photons; the farthest from 1",
    )  # fmt: skip
    yield between(
        "noise.slope", slope(variances), (-1.1, -0.9), "", "exponent of the photons in the variance: -1",
    )  # fmt: skip
    f, measured, law = spectrum(simulator, geometry)
    used = (f > 0.06) & (f < 0.45)
    ratio = measured[used] / measured[used].sum() * law[used].sum() / law[used]
    yield at_most(
        "noise.spectrum", np.abs(ratio - 1.0).max(), 0.15, "of law",
        "noise power of empty slices against f |W|^2 sinc^4 from 0.06 to 0.45 cycles per pixel, at equal total; worst "
        "ring",
    )  # fmt: skip


def slope(variances: Sequence[Level]) -> float:
    """Return the exponent of the photons in the variance, by least squares on logarithms."""
    photons, measured = (
        np.array([getattr(level, key) for level in variances]) for key in ("photons", "measured")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.log(photons), np.log(measured)
    return float(np.polyfit(x, y, 1)[0]) if np.isfinite(y).all() else float("nan")


def levels(
    simulator: Simulator, geometry: Geometry, photons: Sequence[float] = LEVELS, samples: int = SAMPLES
) -> list[Level]:
    """Return variance and law for each number of photons, by ``add_noise`` and ``reconstruct``."""
    size, pixel = geometry.size, pixel_cm(geometry.size)
    sinogram = simulator.project(disc(size, RADIUS_CM / pixel), geometry, [pixel])[0]
    count = draws(size, samples)
    variances = []
    for i0 in photons:
        model = Quanta(photons=i0)
        noisy = [
            simulator.add_noise(sinogram, model, ("audit", "level", int(i0), draw)) for draw in range(count)
        ]
        images = simulator.reconstruct(np.stack(noisy), geometry, np.full(count, pixel))
        variances.append(Level(i0, variance(images), law(geometry, model)))
    return variances


def draws(size: int, samples: int) -> int:
    """Return how many noise images have at least ``samples`` pixels in their rings together."""
    return math.ceil(samples / np.count_nonzero(ring(size)))


def spectrum(simulator: Simulator, geometry: Geometry) -> tuple[Real, Real, Real]:
    """Return frequencies in cycles per pixel, measured noise power and the law's, each as means over rings, sum 1.

    From empty slices, whose noise is alike everywhere, in the middle half of the field under a Hann window; the
    law is blurred by the same window.
    """
    size, pixel = geometry.size, pixel_cm(geometry.size)
    side = size // 2
    middle = slice(size // 4, size // 4 + side)
    hann = np.outer(np.hanning(side), np.hanning(side))
    flat = np.zeros((geometry.views, geometry.bins))
    power = np.zeros((side, side))
    for first in range(0, math.ceil(_POWER_PIXELS / size**2), _BATCH):
        names = range(first, first + _BATCH)
        noisy = np.stack(
            [simulator.add_noise(flat, Quanta(photons=1e5), ("audit", "power", name)) for name in names]
        )
        images = simulator.reconstruct(noisy, geometry, np.full(_BATCH, pixel))[:, middle, middle]
        power += (np.abs(np.fft.fft2(images.astype(np.float64) * hann)) ** 2).sum(axis=0)
    law = closed_forms.noise_power(geometry.filter, side, Rays(geometry, pixel).pitches(side))
    blur = np.abs(np.fft.fft2(hann)) ** 2
    law = np.fft.ifft2(np.fft.fft2(law) * np.fft.fft2(blur)).real
    f, measured, law = _rings(power, law)
    return f, measured, law


def _rings(*planes: Real) -> list[Real]:
    """Return the mean distance from the origin of each ring, and each plane's means over rings, their sum 1."""
    side = len(planes[0])
    base = np.fft.fftfreq(side)
    rho = np.hypot(base[:, None], base)
    steps = np.arange(0.02, 0.51, 0.03)
    ring = np.digitize(rho, steps).ravel()
    means = []
    for plane in (rho, *planes):
        sums = np.bincount(ring, plane.ravel(), minlength=len(steps) + 1)[1:-1]
        means.append(sums / np.bincount(ring, minlength=len(steps) + 1)[1:-1])
    return [means[0], *(values / values.sum() for values in means[1:])]


def ring(size: int) -> NDArray[np.bool_]:
    """Return the mask of the ring of pixels in which the noise of a slice is measured, (size, size)."""
    away = distance(size)
    mask: NDArray[np.bool_] = (away > _RING[0] * size) & (away < _RING[1] * size)
    return mask


def variance(images: Image) -> float:
    """Return the variance of (draws, size, size) images over draws, as the mean over the ring, in 1/cm^2."""
    return float(images[:, ring(images.shape[1])].astype(np.float64).var(axis=0, ddof=1).mean())


def law(geometry: Geometry, model: Noise) -> float:
    """Return the law's variance, averaged over the rays through the ring of the disc."""
    size, pixel = geometry.size, pixel_cm(geometry.size)
    away = np.linspace(0.0, _RING[1] * size * pixel, 9)
    paths = 2.0 * MU_WATER * np.sqrt(RADIUS_CM**2 - away**2)
    each = [model.variance(path) for path in paths]
    turn = np.cos((np.arange(64) + 0.5) * (math.pi / 128))
    ray = float(np.interp(np.outer(distance(size)[ring(size)] * pixel, turn), away, each).mean())
    return closed_forms.noise_variance(
        geometry.filter, ray, geometry.views, Rays(geometry, pixel).pitch * pixel
    )
