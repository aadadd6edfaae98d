"""How much a network computes and moves, counted by the shapes of its layers; nothing is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import keras

TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
TRAINING = 3  # times the forward pass: as much again for the gradients of the inputs, and of the weights
#: How often a training step writes or reads what a layer hands on: it and its gradient are written and read, and most
#: of it is read again for the gradient of the weights. Gives the floors by memory of benchmarks/README.md.
PASSES = 4.7


class Work(NamedTuple):
    """Of one image, forward: floating-point operations, and numbers that layers hand on."""

    flop: float
    numbers: float


def forward(network: keras.Model, side: int) -> Work:
    """Return the work of one image of ``side`` x ``side`` pixels; a multiplication and an addition are two operations.

    Convolutions, transposed convolutions and dense layers count; what else a layer does (normalization, attention)
    is left out.
    """
    works: list[Work] = []
    leaves = [layer for layer in network._flatten_layers() if not isinstance(layer, keras.Model)]
    with ExitStack() as stack:
        for layer in leaves:
            stack.enter_context(_counted(layer, works))
        _Traced(network)(keras.Input(batch_shape=(1, side, side, 1)))
    return Work(math.fsum(work.flop for work in works), math.fsum(work.numbers for work in works))


class _Traced(keras.layers.Layer):
    """A network whose layers Keras calls for their shapes, with tensors that have no values."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, inputs: Any) -> Any:
        """Return the network's image."""
        return self.network(inputs, training=False)


@contextmanager
def _counted(layer: Any, works: list[Work]) -> Iterator[None]:
    """Add the work of each call of ``layer`` in the block to ``works``."""
    call = layer.call

    def counted(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        inputs = args[0] if args else next(iter(kwargs.values()))
        works.append(_work(layer, inputs, output))
        return output

    object.__setattr__(layer, "call", counted)
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


def _work(layer: Any, inputs: Any, output: Any) -> Work:
    numbers = math.fsum(math.prod(tensor.shape) for tensor in keras.tree.flatten(output))
    places = inputs if isinstance(layer, TRANSPOSED) else output
    positions = math.prod(places.shape[:-1]) if hasattr(places, "shape") else 0
    kernels = [getattr(layer, name, None) for name in KERNELS]
    weights = sum(math.prod(kernel.shape) for kernel in kernels if kernel is not None)
    return Work(2.0 * weights * positions, numbers)
