"""A network under check: built by its ``module:function``, run on images, and moved by some real updates."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from bench import devices
from bench.ct.units import MU_WATER
from bench.data.pairs.pairs import PairSet
from bench.network_code.importing import Planned
from bench.network_code.signature import build_info
from bench.training import random_layers
from bench.training.feed import Resident
from bench.training.fit import fresh_state
from bench.training.losses import mse
from bench.training.networks import load_network, values
from bench.training.step import TrainingStep

Image = npt.NDArray[np.float32]
RATE = 1e-4  # chosen: small enough that a first step does not overshoot
MORE = 12  # updates after the first, which is traced: what an update takes
NOISE = 0.1  # standard deviation in mu/mu_water


@dataclass(frozen=True)
class Updated:
    """Updates on a pair: loss and output before and after the first, the network after all of them.

    ``step`` knows what the network draws from while it is traced; ``update_s`` is the time of one update of one slice.
    """

    step: TrainingStep
    image: Image
    losses: tuple[float, float]
    outputs: tuple[Image, Image, Image]  # before, after the first update, after all
    moved: bool  # whether any trainable weight changed in the first update
    finite: bool  # whether all weights are finite
    update_s: float


@dataclass
class Subject:
    """A network by its ``build`` (``module:function``), looked for in ``base`` first, with ``params``.

    ``side`` is that of the images it is tried on, rounded up to a multiple of what its module states as ``MULTIPLE``.
    """

    build: str
    params: dict[str, Any] = field(default_factory=dict)
    base: Path = field(default_factory=Path.cwd)
    side: int = 64
    precision: str = "float32"

    @cached_property
    def multiple(self) -> int:
        """What its module states as ``MULTIPLE``; 1 where it states none."""
        return build_info(self.build, self.base).multiple

    @property
    def size(self) -> int:
        """The side of the images that it is tried on."""
        return -(-self.side // self.multiple) * self.multiple

    def built(self) -> keras.Model:
        """Return the network, built anew."""
        return load_network(self.build, self.params, self.precision, Planned(str(self.base)))

    @cached_property
    def network(self) -> keras.Model:
        """The network as it is built, which no check changes."""
        return self.built()

    @cached_property
    def updated(self) -> Updated:
        """Some real updates: the program's own step, on a pair of a smooth image and the same with noise."""
        network, size = self.built(), self.size
        pairs = _pairs(size)
        rows = pairs.parts["train"]
        compiled = devices.has_accelerator() or keras.backend.backend() == "jax"
        step = TrainingStep(
            network, Resident((len(rows), size, size), size), random_layers.Watch(mse), RATE,
            parts=1, jit_compile=compiled, updates_per_dispatch=1,
        )  # fmt: skip
        step.feed.fill(pairs, rows)
        state = fresh_state(step, seed=1)
        network.set_weights(state.weights)
        random_layers.assign(network, state.random)
        draw = np.zeros((1, 1, 4), np.int32)  # the first slice, upright
        degraded, reference = (np.asarray(ops.convert_to_numpy(part)) for part in step.feed(draw))
        before, weights = run(network, degraded), values(network.trainable_variables)
        with step.loss.watching():
            step.fit(draw, batch_size=1, shuffle=False, verbose=0)
        after = run(network, degraded)
        moved = any(
            not np.array_equal(old, new)
            for old, new in zip(weights, values(network.trainable_variables), strict=True)
        )
        began = time.perf_counter()
        step.fit(np.repeat(draw, MORE, axis=0), batch_size=1, shuffle=False, verbose=0)
        seconds = (time.perf_counter() - began) / MORE
        losses = tuple(float(np.mean(np.square(output - reference))) for output in (before, after))
        finite = all(np.isfinite(value).all() for value in values(network.weights))
        outputs = (before, after, run(network, degraded))
        return Updated(step, degraded, losses, outputs, moved, finite, seconds)  # type: ignore[arg-type]


def run(network: keras.Model, image: Image) -> Image:
    """Return the output of a network at inference, float32 or as it is."""
    return np.asarray(ops.convert_to_numpy(network(image, training=False)))


def _pairs(size: int) -> PairSet:
    """Return one pair that trains: waves around water of ``size`` x ``size`` pixels, without and with white noise."""
    y, x = np.mgrid[:size, :size] / size * 2 * np.pi
    reference = (1 + 0.3 * np.sin(2 * x) * np.cos(3 * y))[None].astype(np.float32) * MU_WATER
    degraded = reference + np.random.default_rng(0).normal(0, NOISE * MU_WATER, reference.shape).astype(
        np.float32
    )
    return PairSet(
        degraded=cast(np.memmap, degraded),
        reference=cast(np.memmap, reference),
        names=(("waves", "0"),),
        parts={"train": np.arange(1)},
        sha256={},
        pixel_cm=np.full(1, np.nan),
    )


def noise(*shape: int) -> Image:
    """Return random images (B, H, W, 1) in mu/mu_water, from somewhat below air, as noise is, to dense bone."""
    return np.random.default_rng(7).uniform(-0.2, 3.0, (*shape, 1)).astype(np.float32)
