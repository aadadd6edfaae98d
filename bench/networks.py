"""Networks by name: built, compiled with the recipe's optimizer and loss, and kept for the next dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench import importing
from bench.errors import BenchError
from bench.losses import LOSSES
from bench.spec import Cell, Decay, Halving, LearningRate, Steps, Training

Weights = list[np.ndarray]


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A recipe's learning rate as a function of the update, stretched over the budget.

    ``epochs`` is the length that the rate is written in, ``updates`` the length of the training.
    """

    def __init__(self, rate: LearningRate, epochs: int, updates: int) -> None:
        self.rate, self.epochs, self.updates = rate, epochs, updates

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at update ``step`` (from 0) as a float32 tensor."""
        step = keras.ops.cast(step, "float32")
        progress = step / float(self.updates)
        rate = self.rate
        if isinstance(rate, Decay):
            return rate.from_ * keras.ops.power(rate.to / rate.from_, progress)
        if isinstance(rate, Halving):
            return rate.start * keras.ops.power(2.0, -progress * self.epochs / rate.halve_every)
        if isinstance(rate, Steps):
            epoch = step * float(self.epochs) / float(self.updates)  # in this order a whole epoch is exact
            ends = np.cumsum(rate.epochs)
            value = keras.ops.full_like(progress, rate.rates[-1])
            for end, level in reversed(list(zip(ends[:-1], rate.rates, strict=False))):
                value = keras.ops.where(epoch < float(end), level, value)
            return value
        return keras.ops.full_like(progress, rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"rate": self.rate, "epochs": self.epochs, "updates": self.updates}


@dataclass
class Workbench:
    """Keeps the last built and compiled network: the datasets of one model share its traced functions."""

    jit_compile: bool
    _key: str = ""
    _model: keras.Model | None = None
    _weights_start: Weights = field(default_factory=list)
    _optimizer_start: Weights = field(default_factory=list)

    def model(self, cell: Cell, base: str = "") -> keras.Model:
        """Return the network of ``cell``, compiled, as it was just after building; ``base``: see ``load_network``."""
        training = cell.training
        assert cell.build is not None
        assert training is not None
        key = json.dumps([cell.build, cell.params, training.model_dump(mode="json", by_alias=True)])
        if key != self._key or self._model is None:
            self._key, self._model = "", None
            keras.backend.clear_session()
            self._model = _compiled(cell.build, cell.params, training, base, self.jit_compile)
            self._optimizer_start = values(self._model.optimizer.variables)
            self._weights_start = values(self._model.weights)
            self._key = key
        self._model.set_weights(self._weights_start)
        for variable, value in zip(self._model.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)
        return self._model


def values(variables: Iterable[Any]) -> Weights:
    """Return a copy of each variable. A view is not enough: JAX gives its memory to the next training step.

    (``get_weights`` of Keras makes NumPy 2 warn on JAX, ``keras.ops.convert_to_numpy`` on TensorFlow.)
    """
    return [np.asarray(variable.value).copy() for variable in variables]


def load_network(
    build: str, params: dict[str, Any], precision: str = "float32", base: str = ""
) -> keras.Model:
    """Return ``module:function`` called with ``params``; a failure names the network in one line.

    ``base`` is the folder of the experiments file, where the module is looked for first (see ``modules.find``).
    """
    module, _, function = build.partition(":")
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        made = getattr(importing.load(module, Path(base) if base else None), function)(**params)
    except (
        BenchError,
        LookupError,
        ImportError,
        AttributeError,
        TypeError,
        ValueError,
        SyntaxError,
    ) as error:
        raise BenchError(f"network {build} cannot be built: {error}", key="build") from error
    finally:
        keras.config.set_dtype_policy(before)
    if not isinstance(made, keras.Model):
        raise BenchError(
            f"network {build} cannot be built: {function} returns {type(made).__name__}, not a keras.Model",
            key="build",
        )
    return made


def check(build: str, params: dict[str, Any], precision: str, base: str, sides: Iterable[int]) -> None:
    """Build a network and follow the shape of square images through it; nothing is computed.

    Args:
        build: ``module:function``.
        params: What it is called with.
        precision: As in a recipe.
        base: See ``load_network``.
        sides: In pixels, those of the images that it will be given.

    Raises:
        BenchError: it cannot be built, or does not return an image of the size it was given.
    """
    keras.backend.clear_session()
    network = load_network(build, params, precision, base)
    for side in sorted(set(sides)):
        try:
            shape = getattr(network(keras.Input(batch_shape=(1, side, side, 1))), "shape", None)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            told = " ".join(str(error).split())[:300]
            raise BenchError(f"network {build} takes no image of {side} x {side} pixels: {told}") from error
        if shape is None or tuple(shape) != (1, side, side, 1):
            message = f"network {build} makes {shape} of an image of shape (1, {side}, {side}, 1)"
            raise BenchError(message, remedy="it must return one image of equal size")


def _compiled(
    build: str, params: dict[str, Any], training: Training, base: str, jit_compile: bool
) -> keras.Model:
    model = load_network(build, params, training.precision, base)
    schedule = Schedule(
        training.learning_rate, training.schedule_epochs, training.epochs * training.updates_per_epoch
    )
    optimizer = keras.optimizers.Adam(learning_rate=schedule)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=LOSSES[training.loss], jit_compile=jit_compile)
    return model
