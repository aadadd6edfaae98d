"""The last step of every network: the global residual, in float32 under any precision policy."""

from __future__ import annotations

import keras


def output(image: keras.KerasTensor, predicted: keras.KerasTensor, residual: bool) -> keras.KerasTensor:
    """Return ``image - predicted``, or ``predicted`` where ``residual`` is false.

    The difference is taken in float32: under a mixed precision policy an image rounded to bfloat16 would
    lose all but 8 bits, whatever the network adds to it.

    Raises:
        ValueError: ``residual`` is not a truth value.
    """
    if not isinstance(residual, bool):
        raise ValueError(f"residual must be true or false, not {residual!r}")
    if residual:
        return keras.layers.Subtract(dtype="float32", name="output")([image, predicted])
    return keras.layers.Activation("linear", dtype="float32", name="output")(predicted)
