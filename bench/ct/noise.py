"""What the detector adds to a line integral: one class for each noise model.

A model draws what a scan measures of noise-free line integrals, and states the variance of a single ray in closed
form; the audit and the tests hold one against the other. To add a model, write a class here or in a file of its own
and name it in ``AnyNoise`` (``bench.config.schema.datasets``): its fields are then keys of a condition's ``noise``.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bench.seeds import Name, derive

if TYPE_CHECKING:
    from bench.ct.quanta import Array, Doubles, Words

Photons = Annotated[float, Field(ge=1, le=1e15)]  # per ray; what a generator of Poisson numbers can draw
Deviation = Annotated[float, Field(ge=0, le=1e15)]  # in photons
_GAUSSIAN = 10_000.0  # photons from which a Poisson distribution is summed as a Gaussian one


@dataclass(frozen=True)
class FullDose:
    """What a scan at full dose measured of the same rays, all (views, bins): ``counts`` of ``photons`` per ray."""

    photons: float
    counts: Doubles
    integrals: Array


@dataclass(frozen=True)
class Rays:
    """Noise-free line ``integrals`` of one slice, (views, bins), float32, and what shapes their noise.

    ``names``: what the draws are keyed by; ``stride``: every how many-th view of the scan is given, so that a view
    draws alike in a sparse and in the whole scan; ``factor``: what deviations from the noise-free integral are
    multiplied by; ``full``: the full-dose scan that a lower dose is a part of, None where there is none.
    """

    integrals: Array
    names: tuple[Name, ...]
    stride: int = 1
    factor: float = 1.0
    full: FullDose | None = None

    def key(self, *more: Name) -> Words:
        """Return the two words of the key that stands for the names, and ``more`` for a second draw of a ray."""
        key = derive(*self.names, *more)
        return np.array([key % 2**64, key >> 64], np.uint64)


class Noise(BaseModel):
    """A noise model; its fields are the keys that ``datasets.yaml`` gives it, beside ``kind``, its name there."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    kind: str

    @abstractmethod
    def draw(self, rays: Rays) -> Array:
        """Return the line integrals as they are measured, float32 (views, bins), each ray from a stream of its own."""

    @abstractmethod
    def variance(self, integral: float) -> float:
        """Return the variance of the measured line integral of one ray, deviations not multiplied."""

    @abstractmethod
    def words(self, number: Callable[[float], str] = "{:g}".format) -> str:
        """Return the model in a few words, large numbers written by ``number``."""

    @property
    def besides_quanta(self) -> str:
        """What there is besides the noise of counted photons, in words; empty: nothing."""
        return f"noise of kind {self.kind}"

    def check_part_of(self, photons: float) -> None:
        """Raise ``ValueError`` where this noise cannot be drawn from a full dose of so many ``photons`` per ray."""
        raise ValueError(f"noise of kind {self.kind} cannot be a part of a full dose (reference_photons)")


class Noiseless(Noise):
    """No noise of its own: the noise-free line integrals, or those of the full dose where there is one."""

    kind: Literal["none"] = "none"

    def draw(self, rays: Rays) -> Array:
        """Return the line integrals as they are, float32 (views, bins)."""
        return rays.integrals if rays.full is None else rays.full.integrals

    def variance(self, integral: float) -> float:
        """Return 0."""
        return 0.0

    def words(self, number: Callable[[float], str] = "{:g}".format) -> str:
        """Return ``none``."""
        return "none"

    @property
    def besides_quanta(self) -> str:
        """Nothing."""
        return ""

    def check_part_of(self, photons: float) -> None:
        """Nothing to check: fewer views are a part of any scan."""


class Quanta(Noise):
    """Counted photons: N ~ Poisson(I0 exp(-p)) + Normal(0, electronic), measured as -ln(max(N, 1) / I0).

    ``photons``: I0, those that leave for each ray; ``electronic``: the standard deviation of the electronic noise, in
    photons (Whiting et al. 2006, doi 10.1118/1.2230762; La Riviere and Billmire 2005, doi 10.1109/TMI.2004.838324).
    Of a full dose a lower one keeps each photon with equal chance (binomial thinning), which again is Poisson.
    """

    kind: Literal["quanta"] = "quanta"
    photons: Photons
    electronic: Deviation = 0.0

    def draw(self, rays: Rays) -> Array:
        """Return the measured line integrals, float32 (views, bins)."""
        return self.measure(self.count(rays), rays)

    def count(self, rays: Rays) -> Doubles:
        """Return the photons that arrive, (views, bins): drawn, or thinned from those of the full dose."""
        from bench.ct import quanta  # late: it compiles, and a plan needs words only

        counts = np.empty(rays.integrals.shape)
        if rays.full is None:
            quanta.count(np.ascontiguousarray(rays.integrals), self.photons, rays.key(), rays.stride, counts)
        else:
            full = np.ascontiguousarray(rays.full.counts)
            quanta.thin(full, self.photons / rays.full.photons, rays.key(), rays.stride, counts)
        return counts

    def measure(self, counts: Doubles, rays: Rays) -> Array:
        """Return the line integrals that ``counts`` stand for, float32 (views, bins); adds electronic noise to them."""
        from bench.ct import quanta

        if self.electronic:
            quanta.add_electronic(counts, self.electronic, rays.key("electronic noise"), rays.stride)
        measured = np.empty(rays.integrals.shape, np.float32)
        quanta.measure(counts, np.ascontiguousarray(rays.integrals), self.photons, rays.factor, measured)
        return measured

    def variance(self, integral: float) -> float:
        """Return the variance of ln max(N, 1).

        Near 1 / n for n arriving photons (plus (electronic / n)^2) where they are many, and more for few: summed here
        over both distributions. Many are as good as Gaussian, and their spread then joins that of the electronics.
        """
        expected, electronic = self.photons * math.exp(-integral), self.electronic
        if expected > _GAUSSIAN:
            counts, share = np.array([expected]), np.ones(1)
            electronic = math.hypot(electronic, math.sqrt(expected))
        else:
            from scipy.stats import poisson  # late: a plan needs words only

            spread = 9.0 * math.sqrt(expected) + 9.0
            counts = np.arange(max(0, math.floor(expected - spread)), math.ceil(expected + spread) + 1.0)
            share = poisson.pmf(counts, expected)
        nodes = np.linspace(-8.0, 8.0, 1601) if electronic else np.zeros(1)
        measured = np.log(np.maximum(counts[:, None] + electronic * nodes[None, :], 1.0))
        weight = share[:, None] * np.exp(-(nodes[None, :] ** 2) / 2.0)
        mean = float((weight * measured).sum() / weight.sum())
        return float((weight * (measured - mean) ** 2).sum() / weight.sum())

    def words(self, number: Callable[[float], str] = "{:g}".format) -> str:
        """Return ``70000 photons per ray, electronic noise of 20 photons``."""
        electronic = f", electronic noise of {self.electronic:g} photons" if self.electronic else ""
        return f"{number(self.photons)} photons per ray{electronic}"

    @property
    def besides_quanta(self) -> str:
        """The electronic noise."""
        return "electronic noise" if self.electronic else ""

    def check_part_of(self, photons: float) -> None:
        """Raise ``ValueError`` where a lower dose has more photons than the full dose of ``photons`` per ray."""
        if self.photons > photons:
            raise ValueError(
                f"{self.photons:g} photons are more than the {photons:g} of the reference (reference_photons), of "
                "which a lower dose keeps a part"
            )
