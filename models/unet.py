"""UNet, an encoder and decoder with skips, here a small one that predicts the degradation and subtracts it.

Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
LNCS 9351, doi 10.1007/978-3-319-24574-4_28; in the variant that made the published table.

Filters 8-16-32-64-128, two convs 3x3 per level with BN-ReLU and without bias (the very first conv has a bias
and no BN), max-pool 2, transposed conv 2x2 stride 2 with bias, concatenate [up, skip], conv 1x1 (1): 487,857
parameters, 486,401 trainable, 6.05 GFLOP per 512x512 slice.

Differences from the paper, as in the variant: an eighth of the filters, batch normalization, padded
convolutions (so the output has the input's size), no dropout, one output map and a global residual. The
variant's initialization is unknown; chosen is the default of Keras, Glorot's.
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
    filters: Sequence[int] = (8, 16, 32, 64, 128),
    initial: str = "glorot_uniform",
    batch_norm: str = "moving",
    momentum: float = 0.99,
    residual: bool = True,
) -> keras.Model:
    """Build the network: (batch, H, W, 1) to (batch, H, W, 1), both in mu / mu_water (air 0, water 1).

    Args:
        filters: Maps of each level from fine to coarse, 2 to 5 levels (``MULTIPLE`` holds for up to 5).
        initial: Distribution of the first kernels, one of ``models.initializers.CHOICES``.
        batch_norm: One of ``models.normalization.KINDS``.
        momentum: Of the moving averages, in [0, 1), in Keras' sense.
        residual: Return input minus prediction; without it, the prediction itself.

    Raises:
        ValueError: A parameter is outside the values named above.
    """
    widths = _checked(filters)

    def conv(x: keras.KerasTensor, maps: int, name: str) -> keras.KerasTensor:
        kernel = initializer(initial)
        layer = Conv2D(
            maps, 3, padding="same", use_bias=False, kernel_initializer=kernel, name=f"{name}_conv"
        )
        x = normalization(batch_norm, momentum, f"{name}_norm")(layer(x))
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def first(x: keras.KerasTensor) -> keras.KerasTensor:
        kernel = initializer(initial)
        layer = Conv2D(widths[0], 3, padding="same", kernel_initializer=kernel, name="down1_first_conv")
        return keras.layers.ReLU(name="down1_first_relu")(layer(x))

    def up(x: keras.KerasTensor, maps: int, name: str) -> keras.KerasTensor:
        kernel = initializer(initial)
        layer = Conv2DTranspose(maps, 2, strides=2, kernel_initializer=kernel, name=name)
        return layer(x)

    image = keras.Input((None, None, 1), name="input")
    x = conv(first(image), widths[0], "down1_second")
    skips = [x]
    for level, maps in enumerate(widths[1:], start=2):
        x = keras.layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
        x = conv(x, maps, f"down{level}_first")
        x = conv(x, maps, f"down{level}_second")
        skips.append(x)
    for level in range(len(widths) - 1, 0, -1):
        maps = widths[level - 1]
        x = up(x, maps, f"up{level}_up")
        x = keras.layers.Concatenate(name=f"up{level}_join")([x, skips[level - 1]])
        x = conv(x, maps, f"up{level}_first")
        x = conv(x, maps, f"up{level}_second")
    x = Conv2D(1, 1, kernel_initializer=initializer(initial), name="last_conv")(x)
    return keras.Model(image, output(image, x, residual), name="unet")


def _checked(filters: Sequence[int]) -> tuple[int, ...]:
    """Return the filters as a tuple, or say what is wrong with them."""
    whole = isinstance(filters, (tuple, list)) and all(type(maps) is int and maps > 0 for maps in filters)
    if not whole or not 2 <= len(filters) <= 5:
        raise ValueError(f"filters must be a list of 2 to 5 positive whole numbers, not {filters!r}")
    return tuple(filters)
