"""NAFNet, a U-shaped network without activation functions: products of maps take their place.

Chen, Chu, Zhang, Sun: Simple Baselines for Image Restoration, ECCV 2022, arXiv:2204.04676; by default with the paper's
width of 32 and its 36 blocks: 29,158,561 parameters, all trainable, 127.7 GFLOP per 512x512
slice, which are the 16 billion multiplications per 256x256 image that the paper states.

- Conv 3x3 (32); four levels of blocks, each followed by a conv 2x2 stride 2 to twice the maps; blocks in the middle.
- Way up: conv 1x1 to twice the maps without bias and pixel shuffle by 2 (a quarter of them, each image twice as large),
  the skip added, blocks. Conv 3x3 (1), and the image added.
- Block, first half: layer normalization over the maps of each pixel, conv 1x1 to twice the maps, depthwise conv 3x3,
  simple gate (the product of one half of the maps with the other), simplified channel attention (each map times what
  a conv 1x1 makes of the means of all maps), conv 1x1. Second half: layer normalization, conv 1x1 to twice the maps,
  simple gate, conv 1x1. Each half is multiplied, map by map, by a weight that starts at 0, and added to its input.

The attention takes means over the whole image. A network trained on crops, or on another size, so meets other means
than it has learnt from; the paper corrects for that at test time by local means (TLC), which is not done here: train on
whole slices, or expect the loss that the paper describes.

Differences from the paper: one map in and out; the sum is written as image minus prediction, the same up to the sign of
the last kernel. The paper names 36 blocks, not where they stand; ``encoder``, ``middle`` and ``decoder`` are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from models.convolution import Conv2D
from models.initializers import initializer
from models.output import output

MULTIPLE = 16
"""Height and width must be multiples of this: up to four levels halve them and every skip must fit again."""

EPSILON = 1e-6


def build(
    *,
    width: int = 32,
    encoder: Sequence[int] = (2, 2, 4, 8),
    middle: int = 12,
    decoder: Sequence[int] = (2, 2, 2, 2),
    initial: str = "glorot_uniform",
    residual: bool = True,
) -> keras.Model:
    """Build the network: (batch, H, W, 1) to (batch, H, W, 1), both in mu / mu_water (air 0, water 1).

    Args:
        width: Maps of the finest level; each coarser one has twice as many.
        encoder: Blocks of each level on the way down, from fine to coarse, 1 to 4 levels.
        middle: Blocks at the coarsest resolution.
        decoder: Blocks of each level on the way up, from coarse to fine.
        initial: Distribution of the first kernels, one of ``models.initializers.CHOICES``.
        residual: Return input minus prediction; without it, the prediction itself.

    Raises:
        ValueError: A parameter is outside the values named above.
    """
    _check(width, encoder, middle, decoder)

    def conv(x: keras.KerasTensor, maps: int, size: int, name: str, **more: Any) -> keras.KerasTensor:
        layer = Conv2D(maps, size, padding="same", kernel_initializer=initializer(initial), name=name, **more)
        return layer(x)

    def blocks(x: keras.KerasTensor, maps: int, count: int, name: str) -> keras.KerasTensor:
        for number in range(1, count + 1):
            x = _block(x, maps, initial, f"{name}_block{number}")
        return x

    image = keras.Input((None, None, 1), name="input")
    x, maps, skips = conv(image, width, 3, "first_conv"), width, []
    for level, count in enumerate(encoder, start=1):
        x = blocks(x, maps, count, f"down{level}")
        skips.append(x)
        maps *= 2
        x = conv(x, maps, 2, f"down{level}_halve", strides=2)
    x = blocks(x, maps, middle, "middle")
    for level, count in zip(range(len(encoder), 0, -1), decoder, strict=True):
        x = conv(x, 2 * maps, 1, f"up{level}_widen", use_bias=False)
        x = PixelShuffle(name=f"up{level}_shuffle")(x)
        maps //= 2
        x = keras.layers.Add(name=f"up{level}_add")([x, skips[level - 1]])
        x = blocks(x, maps, count, f"up{level}")
    return keras.Model(image, output(image, conv(x, 1, 3, "last_conv"), residual), name="nafnet")


def _block(x: keras.KerasTensor, maps: int, initial: str, name: str) -> keras.KerasTensor:
    """Return what one block makes of ``maps`` maps: as many."""

    def conv(y: keras.KerasTensor, maps: int, part: str) -> keras.KerasTensor:
        return Conv2D(
            maps, 1, padding="same", kernel_initializer=initializer(initial), name=f"{name}_{part}"
        )(y)

    def norm(y: keras.KerasTensor, part: str) -> keras.KerasTensor:
        return keras.layers.LayerNormalization(axis=-1, epsilon=EPSILON, name=f"{name}_{part}")(y)

    def added(x: keras.KerasTensor, y: keras.KerasTensor, part: str) -> keras.KerasTensor:
        return keras.layers.Add(name=f"{name}_{part}_add")([x, MapScale(name=f"{name}_{part}_scale")(y)])

    y = conv(norm(x, "spatial_norm"), 2 * maps, "spatial_widen")
    depthwise = keras.layers.DepthwiseConv2D(
        3, padding="same", depthwise_initializer=initializer(initial), name=f"{name}_depthwise"
    )
    y = SimpleGate(name=f"{name}_spatial_gate")(depthwise(y))
    means = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_means")(y)
    y = keras.layers.Multiply(name=f"{name}_attend")([y, conv(means, maps, "attention")])
    x = added(x, conv(y, maps, "spatial_project"), "spatial")
    y = conv(norm(x, "pixel_norm"), 2 * maps, "pixel_widen")
    y = SimpleGate(name=f"{name}_pixel_gate")(y)
    return added(x, conv(y, maps, "pixel_project"), "pixel")


@keras.saving.register_keras_serializable(package="models")
class SimpleGate(keras.layers.Layer):
    """The product of the first half of the maps with the second: (..., 2 C) to (..., C)."""

    def call(self, inputs: Any) -> Any:
        """Return the product."""
        half = inputs.shape[-1] // 2
        return inputs[..., :half] * inputs[..., half:]


@keras.saving.register_keras_serializable(package="models")
class MapScale(keras.layers.Layer):
    """One trainable factor a map, 0 at first, so that a fresh block returns its input."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the factors."""
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="factor")

    def call(self, inputs: Any) -> Any:
        """Return the maps, each times its factor."""
        return inputs * self.factor


@keras.saving.register_keras_serializable(package="models")
class PixelShuffle(keras.layers.Layer):
    """Squares of 2 x 2 pixels from four maps each: (B, h, w, 4 C) to (B, 2 h, 2 w, C).

    Map ``4 c + 2 i + j`` is the pixel in row i and column j of the squares of map c (Shi et al. 2016,
    arXiv:1609.05158).
    """

    def call(self, inputs: Any) -> Any:
        """Return the images of twice the size."""
        batch, height, width, _ = ops.shape(inputs)
        maps = inputs.shape[-1] // 4
        squares = ops.reshape(inputs, (batch, height, width, maps, 2, 2))
        squares = ops.transpose(squares, (0, 1, 4, 2, 5, 3))
        return ops.reshape(squares, (batch, 2 * height, 2 * width, maps))


def _check(width: int, encoder: Sequence[int], middle: int, decoder: Sequence[int]) -> None:
    """Raise ``ValueError`` where the size of the network is none."""
    for key, value in (("width", width), ("middle", middle)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{key} must be a whole number, 1 or more, not {value!r}")
    for key, counts in (("encoder", encoder), ("decoder", decoder)):
        whole = isinstance(counts, (tuple, list)) and all(
            type(count) is int and count > 0 for count in counts
        )
        if not whole or not 1 <= len(counts) <= 4:
            raise ValueError(f"{key} must be a list of 1 to 4 positive whole numbers, not {counts!r}")
    if len(encoder) != len(decoder):
        raise ValueError(
            f"encoder and decoder must have as many levels, not {len(encoder)} and {len(decoder)}"
        )
