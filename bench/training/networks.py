"""Networks by name: built, compiled with the recipe's optimizer and loss, and kept for the next dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from bench import seeds
from bench.errors import BenchError
from bench.network_code import importing
from bench.network_code.importing import ANY, CodeChanged, Planned
from bench.plan.cells import Cell, Training
from bench.training import random_layers
from bench.training.initial_weights import unnamed
from bench.training.losses import LOSSES
from bench.training.schedule import schedule

Weights = list[np.ndarray]


@dataclass
class NetworkCache:
    """The network that was built and compiled last: the datasets of one model share its traced functions."""

    jit_compile: bool
    _key: str = ""
    _model: keras.Model | None = None
    _start: Weights = field(default_factory=list)

    def model(self, cell: Cell, code: Planned = ANY) -> keras.Model:
        """Return the network of ``cell``, compiled, as it was just after building; ``code`` is what it is built from.

        It is shared by all seeds, but for a network with weights that only a build under the cell's own seed can give
        their start values.
        """
        training = cell.training
        assert training is not None
        settings = [cell.build, cell.params, training.model_dump(mode="json", by_alias=True)]
        key = json.dumps([*settings, code.base, code.sha256])
        if self._model is None or self._key not in (key, f"{key} {cell.seed}"):
            self._key, self._model = "", None
            model = _compiled(cell, training, self.jit_compile, code, seed=0)
            if unnamed(model):
                key = f"{key} {cell.seed}"
                model = _compiled(cell, training, self.jit_compile, code, seed=cell.seed)
            self._start = values(_variables(model))
            self._key, self._model = key, model
        for variable, value in zip(_variables(self._model), self._start, strict=True):
            variable.assign(value)
        return self._model


def values(variables: Iterable[Any]) -> Weights:
    """Return a copy of each variable. A view is not enough: JAX gives its memory to the next training step.

    (``get_weights`` of Keras makes NumPy 2 warn on JAX, ``keras.ops.convert_to_numpy`` on TensorFlow.)
    """
    return [np.asarray(variable.value).copy() for variable in variables]


def load_network(
    build: str, params: dict[str, Any], precision: str = "float32", code: Planned = ANY
) -> keras.Model:
    """Return ``module:function`` called with ``params``; a failure names the network in one line.

    What a person's ``keras.json`` says of number formats does not count: the cell's id does not name it.
    """
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    try:
        keras.config.set_dtype_policy(policy)
        model = importing.function(build, code)(**params)
    except CodeChanged:
        raise
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
    if not isinstance(model, keras.Model):
        returned = f"{build.partition(':')[2]} returns {type(model).__name__}, not a keras.Model"
        raise BenchError(f"network {build} cannot be built: {returned}", key="build")
    return model


def check(build: str, params: dict[str, Any], precision: str, code: Planned, sides: Iterable[int]) -> None:
    """Build a network and follow the shape of square images through it; nothing is computed.

    Args:
        build: ``module:function``.
        params: What it is called with.
        precision: As in a recipe.
        code: What it is built from.
        sides: In pixels, those of the images that it will be given.

    Raises:
        CodeChanged: the code on disk is not the planned one.
        BenchError: it cannot be built, or does not return an image of the size it was given.
    """
    keras.backend.clear_session()
    network = load_network(build, params, precision, code)
    for side in sorted(set(sides)):
        try:
            shape = getattr(network(keras.Input(batch_shape=(1, side, side, 1))), "shape", None)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            reason = " ".join(str(error).split())[:300]
            raise BenchError(f"network {build} takes no image of {side} x {side} pixels: {reason}") from error
        if shape is None or tuple(shape) != (1, side, side, 1):
            message = f"network {build} makes {shape} of an image of shape (1, {side}, {side}, 1)"
            raise BenchError(message, remedy="it must return one image of equal size")


def _compiled(cell: Cell, training: Training, jit_compile: bool, code: Planned, *, seed: int) -> keras.Model:
    assert cell.build is not None
    keras.backend.clear_session()
    keras.utils.set_random_seed(seeds.derive("build", seed) % 2**32)  # for what ``build`` draws by itself
    model = load_network(cell.build, cell.params, training.precision, code)
    updates = training.epochs * training.updates_per_epoch
    rate = schedule(training.learning_rate, training.schedule_epochs, updates)
    optimizer = keras.optimizers.Adam(learning_rate=rate)
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer=optimizer, loss=random_layers.Watch(LOSSES[training.loss]), jit_compile=jit_compile
    )
    return model


def _variables(model: keras.Model) -> list[Any]:
    """Return all that a training changes: weights, states of random layers, the optimizer."""
    return [*model.weights, *random_layers.states(model), *model.optimizer.variables]
