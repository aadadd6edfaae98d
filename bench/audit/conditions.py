"""The conditions of a configuration, through the code that builds its pairs: their noise, their spokes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from bench.audit import noise, spokes
from bench.audit.check import Check, between, within
from bench.audit.discs import pixel_cm
from bench.audit.objects import Image, disc
from bench.audit.simulator import Setup, Simulator
from bench.ct.dose import Condition
from bench.ct.units import MU_WATER, effective_electronic, effective_photons


def conditions(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield level of noise and number of spokes of every condition that has them."""
    for condition in setup.conditions:
        if condition.photons is not None and _arriving(condition.photons, setup.geometry.size) >= 1.0:
            yield level(simulator, setup, condition)
        if condition.views is not None:
            scan = spokes.scan_for(setup.geometry, condition.views)
            if scan is not None:
                yield spokes.spokes(simulator, scan, condition.views, condition.name)
    if setup.reference.photons is not None:
        yield from inheritance(simulator, setup)


def _arriving(photons: float, size: int) -> float:
    """Return the photons expected behind the middle of the disc; fewer than one make a variance of rare counts."""
    return effective_photons(photons, size) * math.exp(-2.0 * noise.RADIUS_CM * MU_WATER)


def level(simulator: Simulator, setup: Setup, condition: Condition) -> Check:
    """Return the variance of a condition against the law for its views, photons and electronic noise."""
    size = setup.geometry.size
    found = noise.variance(_water(simulator, setup, [condition])[condition.name])
    law = law_of(setup, condition)
    views = condition.views or setup.geometry.views
    photons = effective_photons(condition.photons or 0.0, size)
    return between(
        f"noise.level[{condition.name}]", found / law, (0.85, 1.15), "of law",
        f"the same with the {views} views and {condition.photons:g} photons at 512 ({photons:.4g} here) of this "
        "condition, its electronic noise and the noise it inherits, through the code that builds the pairs",
    )  # fmt: skip


def inheritance(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield how much of the reference's noise the degraded slices inherit."""
    photons = setup.reference.photons or 0.0
    whole = Condition("whole", views=setup.geometry.views)
    low = Condition("low", photons=photons / 2.0)
    images = _water(simulator, setup, [whole, low])
    own = law_of(setup, whole)
    yield between(
        "noise.level[reference]", noise.variance(images["whole"]) / own, (0.85, 1.15), "of law",
        f"variance of the full-dose scan against the law for its {photons:g} photons at 512",
    )  # fmt: skip
    ring = noise.ring(setup.geometry.size)
    apart = [(values[:, ring] - values[:, ring].mean(axis=0)).ravel() for values in images.values()]
    expected = float(np.sqrt(own / law_of(setup, low)))
    yield within(
        "noise.inherited", np.corrcoef(apart)[0, 1] - expected, 0.06, "",
        f"correlation of the noise of full dose and of half of it against {expected:.2f}: the root of the share that "
        "the degraded slice inherits",
    )  # fmt: skip


def law_of(setup: Setup, condition: Condition) -> float:
    """Return the law's variance of a condition in 1/cm^2: its own noise and that of the full dose."""
    size = setup.geometry.size
    scan = setup.geometry.every(condition.stride(setup.geometry))
    found = 0.0
    if condition.photons is not None:
        electronic = effective_electronic(condition.electronic, size)
        found += noise.law(scan, effective_photons(condition.photons, size), electronic)
    if setup.reference.photons is not None:
        found += noise.law(scan, effective_photons(setup.reference.photons, size))
    return found


def _water(simulator: Simulator, setup: Setup, asked: Sequence[Condition]) -> dict[str, Image]:
    """Return many draws of a water disc under each condition, (draws, size, size) in 1/cm."""
    size = setup.geometry.size
    pixel, count = pixel_cm(size), noise.draws(size, noise.SAMPLES)
    objects = np.repeat(disc(size, noise.RADIUS_CM / pixel), count, axis=0)
    keys = [(setup.noise_seed, "audit", f"{draw}") for draw in range(count)]
    reference = {} if setup.reference.original else {"reference": setup.reference}
    return simulator.degrade(objects, np.full(count, pixel), setup.geometry, asked, keys, **reference)
