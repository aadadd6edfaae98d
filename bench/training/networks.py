"""Networks by name: built, compiled with the recipe's optimizer and loss, and kept for the next dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from bench import devices, seeds
from bench.data.pairs.pairs import PairSet
from bench.errors import BenchError
from bench.network_code import importing
from bench.network_code.importing import ANY, CodeChanged, Planned
from bench.plan.cells import Cell, Training
from bench.training import random_layers
from bench.training.feed import feed_of
from bench.training.initial_weights import unnamed
from bench.training.losses import LOSSES
from bench.training.schedule import schedule
from bench.training.step import TrainingStep

Weights = list[np.ndarray]


@dataclass
class NetworkCache:
    """The network that was built last, with its compiled step: the datasets of one model share what is traced."""

    jit_compile: bool
    updates_per_dispatch: int = 1
    _key: str = ""
    _model: keras.Model | None = None
    _start: Weights = field(default_factory=list)
    _step_key: tuple[Any, ...] = ()
    _step: TrainingStep | None = None
    _step_start: Weights = field(default_factory=list)

    def model(self, cell: Cell, code: Planned = ANY) -> keras.Model:
        """Return the network of ``cell``, as it was just after building; ``code`` is what it is built from.

        It is shared by all seeds, but for a network with weights that only a build under the cell's own seed can give
        their start values.
        """
        training = cell.training
        assert training is not None
        settings = [cell.build, cell.params, training.model_dump(mode="json", by_alias=True)]
        key = json.dumps([*settings, code.base, code.sha256])
        if self._model is None or self._key not in (key, f"{key} {cell.seed}"):
            self._key, self._model, self._step = "", None, None
            model = _built(cell, training, self.jit_compile, code, seed=0)
            if unnamed(model):
                key = f"{key} {cell.seed}"
                model = _built(cell, training, self.jit_compile, code, seed=cell.seed)
            self._start = values(_variables(model))
            self._key, self._model = key, model
        _assign(_variables(self._model), self._start)
        return self._model

    def forget(self) -> None:
        """Let go of the network and its step: the memory that they hold on the device is free for others."""
        self._key, self._model, self._step_key, self._step = "", None, (), None
        self._start, self._step_start = [], []
        keras.backend.clear_session()

    def step(self, cell: Cell, pairs: PairSet, code: Planned = ANY, *, parts: int = 1) -> TrainingStep:
        """Return the compiled update of the network of ``cell`` on the training slices of ``pairs``.

        ``parts`` is the number of micro-batches of an update.

        Raises:
            ValueError: the batch is not ``parts`` equal micro-batches.
        """
        network, training, rows = self.model(cell, code), cell.training, pairs.parts["train"]
        assert training is not None
        if training.batch % parts:
            raise ValueError(f"a batch of {training.batch} has no {parts} equal parts")
        shape = (len(rows), *pairs.reference.shape[1:])
        key = (self._key, shape, parts)
        if self._step is None or self._step_key != key:
            self._step = None  # its pairs leave the memory before the next ones come
            feed = feed_of(shape, training.patch or shape[1], devices.free_where_networks_lie())
            rate = schedule(training.learning_rate, training.schedule_epochs, training.updates)
            loss = random_layers.Watch(LOSSES[training.loss])
            self._step = TrainingStep(
                network, feed, loss, rate, parts=parts,
                jit_compile=self.jit_compile, updates_per_dispatch=self.updates_per_dispatch,
            )  # fmt: skip
            self._step_key = key
            self._step_start = values(self._step.optimizer.variables)
        _assign(self._step.optimizer.variables, self._step_start)
        self._step.feed.fill(pairs, rows)
        return self._step


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
            shape = output_shape(network, side, side)
        except TakesNone as error:
            raise BenchError(f"network {build} takes no image of {side} x {side} pixels: {error}") from error
        if shape != (1, side, side, 1):
            message = f"network {build} makes {shape} of an image of shape (1, {side}, {side}, 1)"
            raise BenchError(message, remedy="it must return one image of equal size")


class TakesNone(ValueError):
    """A network takes no image of this size."""


def output_shape(network: Any, height: int, width: int) -> tuple[int | None, ...] | None:
    """Return the shape of what a network makes of an image (1, H, W, 1), None where it has none; nothing is computed.

    Raises:
        TakesNone: with the reason.
    """
    try:
        shape = getattr(network(keras.Input(batch_shape=(1, height, width, 1))), "shape", None)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise TakesNone(" ".join(str(error).split())[:300]) from error
    return None if shape is None else tuple(shape)


def jit_compiles() -> bool:
    """Return whether networks are compiled by XLA here: on a GPU, and by JAX always."""
    return devices.has_accelerator() or keras.backend.backend() == "jax"


def divisible(cell: Cell) -> bool:
    """Return whether the output of an image does not depend on those that are predicted beside it."""
    return cell.params.get("batch_norm") != "batch"


def set_trained(model: Any, weights: Weights, seed: int) -> None:
    """Give a network trained weights; its random layers start from the ``seed`` that its attempt ran with.

    Raises:
        BenchError: the weights are not those of such a network.
    """
    try:
        model.set_weights(weights)
    except ValueError as error:
        raise BenchError(f"the weights do not fit the network: {error}") from error
    random_layers.assign(model, random_layers.start(model, seed, "scoring"))


def _built(cell: Cell, training: Training, jit_compile: bool, code: Planned, *, seed: int) -> keras.Model:
    assert cell.build is not None
    keras.backend.clear_session()
    keras.utils.set_random_seed(seeds.derive("build", seed) % 2**32)  # for what ``build`` draws by itself
    model = load_network(cell.build, cell.params, training.precision, code)
    model.compile(jit_compile=jit_compile)  # for its predictions; a step has its own
    return model


def _variables(model: keras.Model) -> list[Any]:
    """Return what a training changes in a network: weights and the states of random layers."""
    return [*model.weights, *random_layers.states(model)]


def _assign(variables: Iterable[Any], start: Weights) -> None:
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
