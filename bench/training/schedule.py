"""Keras' learning-rate schedule of a training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras.optimizers.schedules import ExponentialDecay, LearningRateSchedule, PiecewiseConstantDecay

from bench.config.schema import Decay, Halving, LearningRate, Steps


def schedule(rate: LearningRate, epochs: int, updates: int) -> LearningRateSchedule:
    """Return the learning rate as a function of the update, from 0, stretched over a training of ``updates``.

    Args:
        rate: As a recipe states it.
        epochs: The length that ``rate`` is written in.
        updates: The length of the training.
    """
    match rate:
        case Decay():
            return ExponentialDecay(rate.from_, updates, rate.to / rate.from_)
        case Halving():
            return HalvingDecay(rate.start, rate.halve_every, epochs, updates)
        case Steps(rates=[_, _, *_]):
            return PiecewiseConstantDecay(_last_updates(rate, epochs, updates), rate.rates)
        case Steps(rates=[constant]) | constant:
            return ExponentialDecay(
                constant, updates, 1.0
            )  # a plain float would be a variable of the optimizer


class HalvingDecay(ExponentialDecay):
    """``start * 0.5^(epoch / halve_every)`` with a fraction of an epoch at each update.

    Keras' own with ``decay_steps`` in updates is the same but for the last bits, and equal settings must give equal
    weights: the epoch is counted first, as it always was.
    """

    def __init__(self, start: float, halve_every: int, epochs: int, updates: int) -> None:
        super().__init__(start, halve_every, 0.5)
        self.epochs, self.updates = epochs, updates

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at update ``step`` as a float32 tensor."""
        return super().__call__(keras.ops.cast(step, "float32") / float(self.updates) * self.epochs)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            "start": self.initial_learning_rate,
            "halve_every": self.decay_steps,
            "epochs": self.epochs,
            "updates": self.updates,
        }


class PerUpdate(LearningRateSchedule):
    """A schedule for updates of ``parts`` micro-batches, which Keras counts one by one."""

    def __init__(self, schedule: LearningRateSchedule, parts: int) -> None:
        self.schedule, self.parts = schedule, parts

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at micro-batch ``step`` as a float32 tensor."""
        return self.schedule(keras.ops.floor_divide(step, self.parts))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"schedule": self.schedule, "parts": self.parts}


def _last_updates(rate: Steps, epochs: int, updates: int) -> list[int]:
    """Return the last update of each rate but the last one, counted in float32 as all rates are."""
    epoch = np.arange(updates, dtype=np.float32) * np.float32(epochs) / np.float32(updates)
    return [int(first) - 1 for first in np.searchsorted(epoch, np.cumsum(rate.epochs[:-1]))]
