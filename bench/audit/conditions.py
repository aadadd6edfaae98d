"""Checks of each condition, made by the code that builds its pairs: noise level, spokes, inherited noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from bench.audit import noise, view_aliasing
from bench.audit.check import Check, between, within
from bench.audit.discs import pixel_cm
from bench.audit.objects import Image, disc
from bench.audit.simulator import Setup, Simulator
from bench.ct.conditions import Condition
from bench.ct.noise import Noise, Noiseless, Quanta
from bench.ct.units import MU_WATER, deviation_factor


def conditions(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield the checks of the noise level and the number of spokes of every condition that has them."""
    for condition in setup.conditions:
        if not isinstance(condition.noise, Noiseless) and _arriving(condition.noise) >= 1.0:
            yield level(simulator, setup, condition)
        if condition.views is not None:
            scan = view_aliasing.scan_for(setup.geometry, condition.views)
            if scan is not None:
                yield view_aliasing.spokes(simulator, scan, condition.views, condition.name)
    if setup.reference.photons is not None:
        yield from inheritance(simulator, setup)


def _arriving(model: Noise) -> float:
    """Return the photons expected behind the middle of the disc; fewer than one make a variance of rare counts."""
    photons = model.photons if isinstance(model, Quanta) else math.inf
    return photons * math.exp(-2.0 * noise.RADIUS_CM * MU_WATER)


def level(simulator: Simulator, setup: Setup, condition: Condition) -> Check:
    """Return the variance of a condition against the law for its views, photons and electronic noise."""
    measured = noise.variance(_water(simulator, setup, [condition])[condition.name])
    law = law_of(setup, condition)
    views = condition.views or setup.geometry.views
    return between(
        f"noise.level[{condition.name}]", measured / law, (0.85, 1.15), "of law",
        f"the same with the {views} views and the noise of this condition ({condition.noise.words()}) and "
        f"{deviation_factor(setup.geometry.size):.3g}, the square of which this size multiplies variances by, through "
        "the code that builds the pairs",
    )  # fmt: skip


def inheritance(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield the checks of a noisy reference: its noise level, and its correlation with the noise of half the dose."""
    photons = setup.reference.photons or 0.0
    whole = Condition("whole", views=setup.geometry.views)
    low = Condition("low", noise=Quanta(photons=photons / 2.0))
    images = _water(simulator, setup, [whole, low])
    law = law_of(setup, whole)
    yield between(
        "noise.level[reference]", noise.variance(images["whole"]) / law, (0.85, 1.15), "of law",
        f"variance of the full-dose scan against the law for its {photons:g} photons",
    )  # fmt: skip
    ring = noise.ring(setup.geometry.size)
    apart = [(values[:, ring] - values[:, ring].mean(axis=0)).ravel() for values in images.values()]
    expected = float(np.sqrt(law / law_of(setup, low)))
    yield within(
        "noise.inherited", np.corrcoef(apart)[0, 1] - expected, 0.06, "",
        f"correlation of the noise of full dose and of half of it against {expected:.2f}: the root of the ratio of "
        "their variances, since the photons of the lower dose are some of those of the full one",
    )  # fmt: skip


def law_of(setup: Setup, condition: Condition) -> float:
    """Return the law's variance of a condition in 1/cm^2; one without noise of its own has that of the full dose."""
    scan = setup.geometry.every(condition.stride(setup.geometry))
    model = condition.noise
    if isinstance(model, Noiseless):
        model = setup.reference.noise or model
    return deviation_factor(scan.size) ** 2 * noise.law(scan, model)


def _water(simulator: Simulator, setup: Setup, doses: Sequence[Condition]) -> dict[str, Image]:
    """Return many draws of a water disc under each condition, (draws, size, size) in 1/cm."""
    size = setup.geometry.size
    pixel, count = pixel_cm(size), noise.draws(size, noise.SAMPLES)
    objects = np.repeat(disc(size, noise.RADIUS_CM / pixel), count, axis=0)
    keys = [(setup.noise_seed, "audit", f"{draw}") for draw in range(count)]
    reference = {} if setup.reference.original else {"reference": setup.reference}
    return simulator.degrade(objects, np.full(count, pixel), setup.geometry, doses, keys, **reference)
