"""The whole path of this program, in one place for all benchmarks: pairs in memory, draws, fit, checks, saved states.

Only the scoring of validation slices is left out: ``between`` stands where they would be scored.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench import devices
from bench.data.pairs.pairs import PairSet
from bench.execution.attempt import UPDATES_PER_DISPATCH
from bench.training.fit import FitTask, fit, fresh_state
from bench.training.networks import NetworkCache
from bench.training.order import SampleOrder
from tests import records_factory

PSNR = 30.0  # dB, said of every check: nothing diverges


def pairs_in_memory(count: int, size: int) -> PairSet:
    """Return random pairs (count, size, size) in 1/cm, all of the part ``train``."""
    rng = np.random.default_rng(1)
    reference: Any = rng.random((count, size, size), np.float32) * np.float32(0.2)
    degraded: Any = reference + np.float32(0.01) * rng.standard_normal(reference.shape, np.float32)
    names = tuple((f"P{row // 8:03d}", f"{row:05d}") for row in range(count))
    return PairSet(degraded, reference, names, {"train": np.arange(count)}, {}, np.full(count, np.nan))


class OwnTraining:
    """Trainings of one network on the same pairs."""

    def __init__(
        self, network: str, size: int, batch: int, pairs: PairSet, precision: str = "float32", **changes: Any
    ) -> None:
        self.network, self.size, self.pairs = network, size, pairs
        self.settings = {"batch": batch, "precision": precision, "learning_rate": 1e-4} | changes
        accelerator = devices.has_accelerator()
        self.cache = NetworkCache(
            jit_compile=accelerator or keras.backend.backend() == "jax",
            updates_per_dispatch=UPDATES_PER_DISPATCH if accelerator else 1,
        )
        self.parameters = 0

    def run(self, updates: int, rounds: int, between: Callable[[], None]) -> None:
        """Train ``rounds`` epochs of ``updates`` each and call ``between`` after every one of them."""
        training = records_factory.training(
            epochs=rounds, updates_per_epoch=updates, schedule_epochs=rounds, **self.settings
        )
        cell = records_factory.cell(self.network, trained=training, dataset={"size": self.size})
        step = self.cache.step(cell, self.pairs)
        self.parameters = sum(int(np.prod(v.shape)) for v in step.network.trainable_variables)

        def validate(_: Any) -> float:
            between()
            return PSNR

        with tempfile.TemporaryDirectory() as folder:
            task = FitTask(
                cell=cell.id,
                training=training,
                order=SampleOrder.of(training, self.pairs.part_names("train"), self.size, 1),
                validate=validate,
                psnr_input=PSNR - 1,
                path=Path(folder, "state.npz"),
                emit=lambda event: None,
            )
            fit(step, fresh_state(step, 1), task)
