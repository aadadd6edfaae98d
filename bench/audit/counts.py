"""Checks of the photons of single rays: Poisson counts, electronic noise on top, rays in which none arrives."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bench.audit.check import Check, at_most, within
from bench.audit.objects import Real
from bench.audit.simulator import Setup, Simulator
from bench.ct.noise import Quanta

RAYS = 200_000
PHOTONS, EXPECTED = 2e4, 16.0  # few enough that a Poisson law is visibly no Gaussian one
DEVIATIONS = 4.0  # standard errors; one sound simulator in 16,000 would fail


def measured(simulator: Simulator, expected: float, noise: Quanta) -> Real:
    """Return the counts of many rays in which ``expected`` photons arrive, computed back from the logarithm."""
    flat = np.full(RAYS, math.log(noise.photons / expected))
    names = ("audit", "counts", round(1000 * expected), *(["electronic"] if noise.electronic else []))
    return noise.photons * np.exp(-simulator.add_noise(flat, noise, names).astype(np.float64))


def counts(simulator: Simulator, _: Setup) -> Iterator[Check]:
    """Yield the checks of the counts of equal rays: mean, dispersion and shape of their distribution."""
    counted = measured(simulator, EXPECTED, Quanta(photons=PHOTONS))
    yield within(
        "counts.mean", (counted.mean() - EXPECTED) / math.sqrt(EXPECTED / RAYS), DEVIATIONS, "s.e.",
        f"mean of {RAYS} rays against I0 exp(-p) = {EXPECTED:g} photons, in standard errors",
    )  # fmt: skip
    yield within(
        "counts.dispersion", (counted.var() / counted.mean() - 1.0) / math.sqrt(2.0 / RAYS), DEVIATIONS, "s.e.",
        "variance over mean of the counts against 1, in standard errors: Poisson",
    )  # fmt: skip
    yield within(
        "counts.shape", _chi_square(counted), DEVIATIONS, "s.e.",
        "chi-square of the histogram of counts against the Poisson law, as deviations from its degrees of freedom; a "
        "Gaussian of the right variance fails",
    )  # fmt: skip
    yield dark(simulator)
    yield electronic(simulator)


def dark(simulator: Simulator) -> Check:
    """Return how a ray in which no photon arrives is measured."""
    with np.errstate(all="ignore"):
        integrals = simulator.add_noise(np.full(100, 60.0), Quanta(photons=PHOTONS), ("audit", "dark"))
    gap = float(np.abs(integrals - math.log(PHOTONS)).max())
    return at_most(
        "counts.dark", gap, 1e-5, "",
        "line integral of a ray without any photon against ln I0: no photon counts as one; never infinite",
    )  # fmt: skip


def electronic(simulator: Simulator) -> Check:
    """Return the variance that electronic noise adds, as deviations from its square."""
    expected, deviation = 400.0, 20.0
    counted = measured(simulator, expected, Quanta(photons=PHOTONS, electronic=deviation))
    law = expected + deviation**2
    return within(
        "counts.electronic", (counted.var() / law - 1.0) / math.sqrt(2.0 / RAYS), DEVIATIONS, "s.e.",
        f"variance of {expected:g} photons with electronic noise of {deviation:g} against {law:g}, in standard errors",
    )  # fmt: skip


def _chi_square(counted: Real) -> float:
    """Return (chi-square - degrees of freedom) / sqrt(2 degrees of freedom); counts off whole numbers are lumped."""
    from scipy.stats import poisson  # late: a second to load

    if not np.isfinite(counted).all() or np.abs(counted - np.rint(counted)).max() > 0.05:
        return math.inf
    values = np.arange(math.ceil(EXPECTED * 4) + 1, dtype=np.float64)
    law = RAYS * poisson.pmf(values, EXPECTED)
    kept = law >= 25.0
    seen = np.bincount(np.rint(counted).astype(np.int64), minlength=len(values))[: len(values)]
    rest = RAYS - law[kept].sum(), RAYS - seen[kept].sum()
    chi = float(((seen[kept] - law[kept]) ** 2 / law[kept]).sum() + (rest[1] - rest[0]) ** 2 / rest[0])
    free = int(kept.sum())
    return (chi - free) / math.sqrt(2.0 * free)
