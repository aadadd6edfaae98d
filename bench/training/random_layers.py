"""Dropout and other random layers: states set from the cell's seed, saved, and nothing else may draw.

Keras keeps the draws of Dropout, GaussianNoise, RandomFlip and their like in variables of their own (a
``SeedGenerator`` each), which are in ``model.variables`` but not in ``model.weights``, and seeds them from the
process. What draws in another way cannot be reset or saved, so such a network is refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from bench import seeds
from bench.errors import BenchError

_DRAWING = ("TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial")  # TensorFlow's without "Random"
_REMEDY = "give each random layer a keras.random.SeedGenerator as an attribute, so that the seed reaches it"


def states(model: Any) -> list[Any]:
    """Return the variables that hold the state of a network's random layers, each once, in Keras' order."""
    kept = {id(variable) for variable in model.weights}
    extra = {id(variable): variable for variable in model.variables if id(variable) not in kept}
    return list(extra.values())


def start(model: Any, seed: int, use: str = "training") -> list[np.ndarray]:
    """Return the state of each random layer at the start of ``use``, derived from (use, seed, index).

    Raises:
        BenchError: the network has a variable that is neither a weight nor the state of a ``SeedGenerator``.
    """
    values = []
    for index, variable in enumerate(states(model)):
        if tuple(variable.shape) != (2,) or keras.backend.is_float_dtype(variable.dtype):
            message = f"variable {variable.path} is neither a weight nor the state of a random layer"
            raise BenchError(message, remedy="make it a weight of its layer (add_weight)")
        words = [seeds.derive("layer", use, seed, index) % 2**31, 0]
        values.append(np.array(words, keras.backend.standardize_dtype(variable.dtype)))
    return values


def assign(model: Any, values: list[np.ndarray]) -> None:
    """Set the states of a network's random layers."""
    for variable, value in zip(states(model), values, strict=True):
        variable.assign(value)


class Watch:
    """A training loss that notes what its network draws from beside its ``states``; it lasts as long as the network.

    A layer's Python code runs only while a step is traced, so both backends pay nothing for it afterwards. Noted
    are generators that no layer owns, Keras' global one, NumPy's and Python's global ones and TensorFlow's own
    random operations; a ``numpy.random.Generator`` inside a layer is not seen.
    """

    def __init__(self, loss: Callable[[Any, Any], Any]) -> None:
        self.loss, self.__name__ = loss, loss.__name__
        self._generators: list[Any] = []
        self._operations: list[str] = []
        self._global_moved = False

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of a batch."""
        graph = getattr(y_pred, "graph", None)  # TensorFlow's, while the step is traced
        if graph is not None:
            self._operations += [op.type for op in graph.get_operations() if op.op_def.is_stateful]
        return self.loss(y_true, y_pred)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record every random draw in the block."""
        original = keras.random.SeedGenerator.next

        def noted(generator: Any, *args: Any, **kwargs: Any) -> Any:
            self._generators.append(generator)
            return original(generator, *args, **kwargs)

        self._before = _global_states()
        keras.random.SeedGenerator.next = noted
        try:
            yield
        finally:
            keras.random.SeedGenerator.next = original

    def check(self, model: Any) -> None:
        """Raise a ``BenchError`` where the network has drawn from anything but its ``states``."""
        owned = {id(variable) for variable in states(model)}
        self._global_moved |= _global_states() != self._before
        outside = [kind for kind in self._operations if kind in _DRAWING or "Random" in kind or "Rng" in kind]
        if any(id(generator.state) not in owned for generator in self._generators):
            origin = "a generator that belongs to no layer"
        elif self._global_moved:
            origin = "the global generator of NumPy or Python"
        elif outside:
            origin = f"TensorFlow itself ({outside[0]})"
        else:
            return
        raise BenchError(f"network {model.name} draws random numbers from {origin}", remedy=_REMEDY)


def _global_states() -> tuple[bytes, int, Any]:
    state: Any = np.random.get_state()  # noqa: NPY002 - to see whether a network uses it
    return state[1].tobytes(), state[2], random.getstate()
