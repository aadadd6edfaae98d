"""FBPConvNet's network, the U-Net of full width that removes the artefacts of a filtered backprojection.

Jin, McCann, Froustey, Unser: Deep Convolutional Neural Network for Inverse Problems in Imaging, IEEE Transactions on
Image Processing 26(9), 2017, doi 10.1109/TIP.2017.2713099: 34,576,769 parameters, 34,562,945 trainable, 426 GFLOP per
512x512 slice.

- Five levels of 64, 128, 256, 512 and 1024 maps. Convs 3x3, each with bias, batch normalization and ReLU: three in the
  first level, two in every other; max-pool 2 between levels.
- Way up: transposed conv 3x3 stride 2 with batch normalization and ReLU, concatenation with the skip, two convs 3x3.
- Conv 1x1 (1), and the image added: the network learns the difference from the image.

The paper says the same of its U-Net in words and a figure: zero padding, one output map, the shortcut from the image.
Read off the figure, not stated in words: three convs in the first level (``first=2`` for as many as in the others).

Differences from the paper: the sum is written as image minus prediction, the same up to the sign of the last kernel;
kernels start as ``initial`` says, which the paper does not state.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from models.convolution import Conv2D, Conv2DTranspose
from models.initializers import initializer
from models.normalization import normalization
from models.output import output

MULTIPLE = 16
"""Height and width must be multiples of this: up to four pools halve them and every skip must fit again."""


def build(
    *,
    filters: Sequence[int] = (64, 128, 256, 512, 1024),
    first: int = 3,
    initial: str = "he_normal",
    batch_norm: str = "moving",
    momentum: float = 0.99,
    residual: bool = True,
) -> keras.Model:
    """Build the network: (batch, H, W, 1) to (batch, H, W, 1), both in mu / mu_water (air 0, water 1).

    Args:
        filters: Maps of each level from fine to coarse, 2 to 5 levels (``MULTIPLE`` holds for up to 5).
        first: Convolutions of the first level on the way down, 1 or more.
        initial: Distribution of the first kernels, one of ``models.initializers.CHOICES``.
        batch_norm: One of ``models.normalization.KINDS``.
        momentum: Of the moving averages, in [0, 1), in Keras' sense.
        residual: Return input minus prediction; without it, the prediction itself.

    Raises:
        ValueError: A parameter is outside the values named above.
    """
    widths = _checked(filters)
    if type(first) is not int or first < 1:
        raise ValueError(f"first must be a whole number, 1 or more, not {first!r}")

    def norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        x = normalization(batch_norm, momentum, f"{name}_norm")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def convs(x: keras.KerasTensor, maps: int, count: int, level: str) -> keras.KerasTensor:
        for number in range(1, count + 1):
            name, kernel = f"{level}_conv{number}", initializer(initial)
            x = Conv2D(maps, 3, padding="same", kernel_initializer=kernel, name=name)(x)
            x = norm_relu(x, name)
        return x

    def up(x: keras.KerasTensor, maps: int, name: str) -> keras.KerasTensor:
        kernel = initializer(initial)
        layer = Conv2DTranspose(maps, 3, strides=2, padding="same", kernel_initializer=kernel, name=name)
        return norm_relu(layer(x), name)

    image = keras.Input((None, None, 1), name="input")
    x = convs(image, widths[0], first, "down1")
    skips = [x]
    for level, maps in enumerate(widths[1:], start=2):
        x = keras.layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
        x = convs(x, maps, 2, f"down{level}")
        skips.append(x)
    for level in range(len(widths) - 1, 0, -1):
        x = up(x, widths[level - 1], f"up{level}_up")
        x = keras.layers.Concatenate(name=f"up{level}_join")([skips[level - 1], x])
        x = convs(x, widths[level - 1], 2, f"up{level}")
    x = Conv2D(1, 1, kernel_initializer=initializer(initial), name="last_conv")(x)
    return keras.Model(image, output(image, x, residual), name="fbpconvnet")


def _checked(filters: Sequence[int]) -> tuple[int, ...]:
    """Return the filters as a tuple, or say what is wrong with them."""
    whole = isinstance(filters, (tuple, list)) and all(type(maps) is int and maps > 0 for maps in filters)
    if not whole or not 2 <= len(filters) <= 5:
        raise ValueError(f"filters must be a list of 2 to 5 positive whole numbers, not {filters!r}")
    return tuple(filters)
