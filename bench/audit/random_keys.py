"""Checks of the random keys of the noise: two keys are uncorrelated, one key gives the same noise to the bit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bench.audit import closed_forms
from bench.audit.check import Check, at_most, between
from bench.audit.discs import pixel_cm
from bench.audit.objects import blobs
from bench.audit.rays import Rays
from bench.audit.simulator import Setup, Simulator
from bench.ct.conditions import Condition
from bench.ct.geometry import Geometry
from bench.ct.noise import Quanta

TWINS = tuple(Condition(name, noise=Quanta(photons=1e7)) for name in ("first", "second"))


def draws(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield the checks of the random keys: noise of different keys is independent, noise of one key comes again."""
    yield independence(simulator, setup.geometry)
    yield regeneration(simulator, setup.geometry)


def independence(simulator: Simulator, geometry: Geometry) -> Check:
    """Return the largest correlation of the noise of two seeds, patients, slices or conditions."""
    size = geometry.size
    keys = list(itertools.product((1, 2), ("a", "b"), ("x", "y")))
    empty = np.zeros((len(keys), 2 * size, 2 * size), np.float32)
    noise = simulator.degrade(empty, np.full(len(keys), pixel_cm(size)), geometry, TWINS, keys)
    side = size // 2
    images = np.concatenate(list(noise.values()))[
        :, size // 4 : size // 4 + side, size // 4 : size // 4 + side
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.corrcoef(images.reshape(len(images), -1))
    largest = np.abs(table[np.triu_indices(len(images), 1)]).max() / _spread(geometry, side)
    return at_most(
        "draws.independent", largest, 5.0, "s.d.",
        f"largest correlation of the noise of {len(images)} images of two seeds, patients, slices and conditions, in "
        "standard deviations of that of independent images with the law's spectrum",
    )  # fmt: skip


def _spread(geometry: Geometry, side: int) -> float:
    """Return the standard deviation of the correlation of two independent noise images of ``side`` pixels.

    That is the root of the sum of the squared spectrum (of sum 1). Few views leave it on spokes 1 / side wide and pi f
    over their number apart, which are that much stronger.
    """
    rays = Rays(geometry, pixel_cm(geometry.size))
    power = closed_forms.noise_power(geometry.filter, side, rays.pitches(side))
    base = np.fft.fftfreq(side)
    apart = np.pi * np.hypot(base[:, None], base) / rays.directions
    return float(np.sqrt((power**2 * np.maximum(1.0, apart * side)).sum()))


def regeneration(simulator: Simulator, geometry: Geometry) -> Check:
    """Return how many pixels differ when the same slices are simulated in another order, batch and thread."""
    size = geometry.size
    count = 3
    objects = np.concatenate([share * blobs(size) for share in (0.5, 0.8, 1.0)])
    widths = pixel_cm(size) * np.array([0.9, 1.0, 1.1])
    keys = [(1, "audit", f"{index}") for index in range(count)]
    conditions = (*TWINS, Condition("all", views=geometry.views))
    first = simulator.degrade(objects, widths, geometry, conditions, keys)
    order = [2, 0, 1]
    again = simulator.degrade(
        objects[order], widths[order], geometry, conditions[::-1], [keys[index] for index in order]
    )
    differing = sum(int(np.count_nonzero(first[name][order] != again[name])) for name in first)

    def alone(index: int, condition: Condition) -> int:
        one = slice(index, index + 1)
        images = simulator.degrade(objects[one], widths[one], geometry, [condition], keys[one])
        return int(np.count_nonzero(images[condition.name] != first[condition.name][one]))

    with ThreadPoolExecutor(2) as pool:
        differing += sum(pool.map(alone, *zip(*itertools.product(range(count), conditions), strict=True)))
    return between(
        "draws.regenerated", differing, (0, 0), "pixels",
        "pixels that differ when slices are made again in another order, and each alone, condition by condition, on "
        "two threads: none, to the bit",
    )  # fmt: skip
