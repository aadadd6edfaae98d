"""Planted faults: each returns a simulator that is wrong in one way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.audit.simulator import Simulator
from bench.ct.conditions import Condition
from bench.ct.geometry import FanBeam, ParallelBeam
from bench.ct.noise import Noise, Quanta
from bench.ct.units import deviation_factor
from bench.seeds import Name, generator

REAL = Simulator()
Sinogram = Image = np.ndarray


def projected(change: Callable[[Sinogram], Sinogram]) -> Simulator:
    """A simulator whose line integrals are changed."""
    return replace(REAL, project=lambda *arguments: change(REAL.project(*arguments)))


def imaged(change: Callable[[Image], Image]) -> Simulator:
    """A simulator whose images are changed."""
    return replace(
        REAL, reconstruct=lambda *arguments, **asked: change(REAL.reconstruct(*arguments, **asked))
    )


def measured(change: Callable[[Sinogram], Sinogram]) -> Simulator:
    """A simulator that changes line integrals before it reconstructs them."""
    return replace(
        REAL,
        reconstruct=lambda values, *arguments, **asked: REAL.reconstruct(change(values), *arguments, **asked),
    )


def keyed(change: Callable[[int, Sequence[Any]], tuple[Any, ...]]) -> Simulator:
    """A simulator that draws by other keys: ``change`` gets a slice's place in its batch and its key."""

    def degrade(objects: Any, pixel: Any, geometry: Any, conditions: Any, keys: Any) -> dict[str, Image]:
        changed = [change(place, key) for place, key in enumerate(keys)]
        return REAL.degrade(objects, pixel, geometry, conditions, changed)

    return replace(REAL, degrade=degrade)


def counted(measure: Callable[..., np.ndarray]) -> Simulator:
    """A simulator whose noise is ``measure(line integrals, photons, random, electronic)``."""

    def add_noise(values: Any, noise: Quanta, names: Sequence[Name]) -> np.ndarray:
        integrals = np.asarray(values, np.float64)
        found = measure(integrals, noise.photons, generator(*names), noise.electronic)
        return np.asarray(found, np.float32)

    return replace(REAL, add_noise=add_noise)


def shifted(values: np.ndarray) -> np.ndarray:
    """Half a step along the last axis."""
    return (values + np.roll(values, 1, axis=-1)) / 2


def blurred(values: Sinogram) -> Sinogram:
    """Each bin as the mean of itself and its two neighbours."""
    return (np.roll(values, -1, axis=-1) + values + np.roll(values, 1, axis=-1)) / 3


def stretched(values: Sinogram) -> Sinogram:
    """Each view as it is seen by bins that lie 2 % farther apart."""
    bins = np.arange(values.shape[-1])
    places = (bins - bins.mean()) * 1.02 + bins.mean()
    return np.apply_along_axis(lambda view: np.interp(places, bins, view), -1, values)


def without_view(values: Sinogram) -> Sinogram:
    """A view that was never written."""
    found = values.copy()
    found[:, 7] = 0.0
    return found


def half_as_wide_a_scan() -> Simulator:
    """Views over 180 degrees that the reconstruction takes as spread over 360."""

    def reconstruct(values: Any, geometry: ParallelBeam, pixel: Any, stride: int = 1) -> Image:
        return REAL.reconstruct(values, replace(geometry, arc_degrees=360.0), pixel, stride=stride)

    return replace(REAL, reconstruct=reconstruct)


def same_noise_for_conditions() -> Simulator:
    """Noise that forgets the name of its condition."""

    def degrade(objects: Any, pixel: Any, geometry: Any, conditions: Any, keys: Any) -> dict[str, Image]:
        found = {}
        for condition in conditions:
            renamed = replace(condition, name="condition")
            found[condition.name] = REAL.degrade(objects, pixel, geometry, [renamed], keys)["condition"]
        return found

    return replace(REAL, degrade=degrade)


def brighter(noise: Noise, times: float) -> Noise:
    """The same noise of so many times the photons."""
    return Quanta(photons=noise.photons * times) if isinstance(noise, Quanta) else noise


def deviation_not_scaled() -> Simulator:
    """Deviations of line integrals that are not raised where slices are smaller."""

    def degrade(
        objects: Any, pixel: Any, geometry: Any, conditions: Sequence[Condition], keys: Any
    ) -> dict[str, Image]:
        square = deviation_factor(geometry.size) ** 2  # as many photons more have as much less noise
        raised = [replace(c, noise=brighter(c.noise, square)) for c in conditions]
        return REAL.degrade(objects, pixel, geometry, raised, keys)

    return replace(REAL, degrade=degrade)


def half_of_the_views() -> Simulator:
    """A sparse set that takes half as many views as it says."""

    def degrade(
        objects: Any, pixel: Any, geometry: Any, conditions: Sequence[Condition], keys: Any
    ) -> dict[str, Image]:
        fewer = [replace(c, views=c.views and c.views // 2) for c in conditions]
        return REAL.degrade(objects, pixel, geometry, fewer, keys)

    return replace(REAL, degrade=degrade)


def bits_by_company() -> Simulator:
    """Images scaled by the largest value of their batch and back: the last bits depend on the others."""

    def degrade(objects: Any, *arguments: Any) -> dict[str, Image]:
        top = np.float32(np.max(objects) + 0.37)
        return {name: values * top for name, values in REAL.degrade(objects / top, *arguments).items()}

    return replace(REAL, degrade=degrade)


def logarithm(counts: np.ndarray, photons: float) -> np.ndarray:
    """What a scanner makes of counts."""
    return np.log(photons) - np.log(np.maximum(counts, 1))


def poisson(p: np.ndarray, photons: float, random: np.random.Generator, electronic: float) -> np.ndarray:
    """The right noise, to be made wrong."""
    counts = random.poisson(photons * np.exp(-p))
    return logarithm(counts + (random.normal(0.0, electronic, p.shape) if electronic else 0.0), photons)


def gaussian(p: np.ndarray, photons: float, random: np.random.Generator, electronic: float) -> np.ndarray:
    """The right mean and variance, rounded to whole photons, but bell-shaped."""
    expected = photons * np.exp(-p)
    return logarithm(np.rint(expected + random.normal(0.0, np.sqrt(expected + electronic**2))), photons)


def constant(p: np.ndarray, photons: float, random: np.random.Generator, electronic: float) -> np.ndarray:
    """Gaussian noise of one variance for every ray, whatever it passed through."""
    return p + random.normal(0.0, 1.0 / np.sqrt(photons), p.shape)


def same_for_all_rays(
    p: np.ndarray, photons: float, random: np.random.Generator, electronic: float
) -> np.ndarray:
    """One draw for all views."""
    flat = np.atleast_2d(p)
    one = logarithm(random.poisson(photons * np.exp(-flat[:1])), photons) - flat[:1]
    return (flat + one).reshape(p.shape)


def unguarded(p: np.ndarray, photons: float, random: np.random.Generator, electronic: float) -> np.ndarray:
    """The logarithm of zero."""
    with np.errstate(divide="ignore"):
        return np.log(photons) - np.log(random.poisson(photons * np.exp(-p)))


def filtered(name: str) -> Simulator:
    """A reconstruction with another filter than it was asked for."""

    def reconstruct(values: Any, geometry: Any, pixel: Any, stride: int = 1) -> Image:
        return REAL.reconstruct(values, replace(geometry, filter=name), pixel, stride=stride)

    return replace(REAL, reconstruct=reconstruct)


class NoOffset(FanBeam):
    """A fan without its quarter-bin offset."""

    offset = 0.0


class NearSource(FanBeam):
    """A fan whose source is 3 cm too near."""

    source_cm = 56.5


def other_fan(kind: type[FanBeam], *, projects: bool) -> Simulator:
    """A fan beam of another shape than the scan's, in projection or in reconstruction."""

    def other(geometry: FanBeam) -> FanBeam:
        return kind(geometry.size, geometry.views, geometry.filter)

    if projects:
        return replace(REAL, project=lambda values, fan, pixel: REAL.project(values, other(fan), pixel))
    return replace(
        REAL,
        reconstruct=lambda values, fan, pixel, stride=1: REAL.reconstruct(
            values, other(fan), pixel, stride=stride
        ),
    )


def forgets_the_reference() -> Simulator:
    """Degraded slices of a scan without the noise of the full dose."""
    return replace(REAL, degrade=lambda *arguments, reference=None: REAL.degrade(*arguments))


def noise_drawn_anew() -> Simulator:
    """A full dose whose noise is drawn anew for every condition."""

    def degrade(objects: Any, pixel: Any, geometry: Any, conditions: Any, keys: Any, **asked: Any) -> Any:
        return {
            c.name: REAL.degrade(objects, pixel, geometry, [c], [(*key, c.name) for key in keys], **asked)[
                c.name
            ]
            for c in conditions
        }

    return replace(REAL, degrade=degrade)


def doses_in_series() -> Simulator:
    """A low dose whose photons are drawn anew behind the noisy line integrals of the full dose: both noises add."""

    def degrade(
        objects: Any, pixel: Any, geometry: Any, conditions: Any, keys: Any, reference: Any = None
    ) -> Any:
        found = REAL.degrade(objects, pixel, geometry, conditions, keys)
        if reference is None:
            return found
        whole = Condition("whole", views=geometry.views)
        full = REAL.degrade(objects, pixel, geometry, [whole], keys, reference=reference)["whole"]
        clean = REAL.degrade(objects, pixel, geometry, [whole], keys)["whole"]
        return {name: images + full - clean for name, images in found.items()}

    return replace(REAL, degrade=degrade)
