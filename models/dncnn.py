"""DnCNN, a plain stack of convolutions that predicts the degradation and subtracts it.

Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising,
IEEE Transactions on Image Processing 26(7), 2017, doi 10.1109/TIP.2017.2662206.

conv 3x3 (64)-ReLU, 15 x [conv 3x3 (64) without bias-BN-ReLU], conv 3x3 (1): 558,017 parameters, 556,097
trainable, 290.5 GFLOP per 512x512 slice, receptive field 2 * depth + 1 = 35 pixels.

The kernels are orthogonal, as in its author's program. Difference from that program: the epsilon of the
batch normalization is Keras' 1e-3. The author warns against a momentum of 0.99; it is the default here only
because it is that of the other networks, so a recipe should name its own.
"""

from __future__ import annotations

import keras

from models.convolution import Conv2D
from models.initializers import initializer
from models.normalization import normalization
from models.output import output

MULTIPLE = 1
"""Height and width must be multiples of this: any size will do."""


def build(
    *,
    depth: int = 17,
    filters: int = 64,
    initial: str = "orthogonal",
    batch_norm: str = "moving",
    momentum: float = 0.99,
    residual: bool = True,
) -> keras.Model:
    """Build the network: (batch, H, W, 1) to (batch, H, W, 1), both in mu / mu_water (air 0, water 1).

    Args:
        depth: Number of convolutions, 3 or more.
        filters: Maps of every convolution but the last.
        initial: Distribution of the first kernels, one of ``models.initializers.CHOICES``.
        batch_norm: One of ``models.normalization.KINDS``.
        momentum: Of the moving averages, in [0, 1), in Keras' sense.
        residual: Return input minus prediction; without it, the prediction itself.

    Raises:
        ValueError: A parameter is outside the values named above.
    """
    for key, value, least in (("depth", depth, 3), ("filters", filters, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{key} must be a whole number, {least} or more, not {value!r}")

    def conv(x: keras.KerasTensor, maps: int, name: str, use_bias: bool) -> keras.KerasTensor:
        layer = Conv2D(
            maps, 3, padding="same", use_bias=use_bias, kernel_initializer=initializer(initial), name=name
        )
        return layer(x)

    image = keras.Input((None, None, 1), name="input")
    x = conv(image, filters, "conv1", use_bias=True)
    x = keras.layers.ReLU(name="relu1")(x)
    for number in range(2, depth):
        x = conv(x, filters, f"conv{number}", use_bias=False)
        x = normalization(batch_norm, momentum, f"norm{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    x = conv(x, 1, f"conv{depth}", use_bias=True)
    return keras.Model(image, output(image, x, residual), name="dncnn")
