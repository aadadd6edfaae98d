"""DD-Net, DenseNet blocks on the way down and transposed convolutions on the way up.

Zhang, Liang, Dong, Xie, Cao: A Sparse-View CT Reconstruction Method Based on Combination of DenseNet and
Deconvolution, IEEE Transactions on Medical Imaging 37(6), 2018, doi 10.1109/TMI.2018.2823338; by default in
the variant that made the published table: 606,321 parameters, 600,017 trainable, 39.6 GFLOP per 512x512
slice.

- Stem: conv 7x7, 16 maps (skip 0).
- Four levels: max-pool (3x3 stride 2 in the first, then 2x2), dense block, BN-ReLU-conv 1x1 to 16 maps
  (skips 1 to 4).
- Dense block: four layers of BN-ReLU-conv 1x1 (64)-BN-ReLU-conv 5x5 (16).
- Four stages: upsample by 2, concatenate with skip 3, 2, 1, 0; transposed conv 5x5 (32)-ReLU-BN, transposed
  conv 1x1 (16)-ReLU-BN. The last stage is transposed conv 5x5 (32)-ReLU, transposed conv 1x1 (1).

Differences of the variant from the paper's own program, each with the parameter that undoes it: the joins of
a dense block are nested, so its maps are 32, 64, 128, 256 and not 32, 48, 64, 80 (``joins="flat"``);
upsampling repeats pixels (``upsampling="bilinear"``); the output is input minus prediction
(``residual=False``); no ReLU follows the last convolution, with which the variant's author saw no convergence
(``final_relu=True``). The kernels' normal distribution is the paper's; the variant's is unknown.
"""

from __future__ import annotations

import keras

from models.convolution import Conv2D, Conv2DTranspose
from models.initializers import initializer
from models.normalization import normalization
from models.output import output

MULTIPLE = 16
"""Height and width must be multiples of this: four pools halve them and every skip must fit again."""

JOINS = ("nested", "flat")
UPSAMPLINGS = ("nearest", "bilinear")

LEVELS = 4
GROWTH = 16
BOTTLENECK = 64


def build(
    *,
    joins: str = "nested",
    upsampling: str = "nearest",
    layers: int = 4,
    final_relu: bool = False,
    initial: str = "normal_0.01",
    batch_norm: str = "moving",
    momentum: float = 0.99,
    residual: bool = True,
) -> keras.Model:
    """Build the network: (batch, H, W, 1) to (batch, H, W, 1), both in mu / mu_water (air 0, water 1).

    Args:
        joins: How a dense block gathers its maps. ``nested``: a join holds the block's input, all earlier
            joins and the new layer. ``flat``: it holds the block's input and all layers so far.
        upsampling: ``nearest`` or ``bilinear``, on the way up.
        layers: Layers of a dense block, 1 or more; fewer make a smaller network for a try.
        final_relu: End in a ReLU. Not with ``residual``, which could then only darken.
        initial: Distribution of the first kernels, one of ``models.initializers.CHOICES``.
        batch_norm: One of ``models.normalization.KINDS``.
        momentum: Of the moving averages, in [0, 1), in Keras' sense.
        residual: Return input minus prediction; without it, the prediction itself.

    Raises:
        ValueError: A parameter is outside the values named above.
    """
    for key, value, known in (("joins", joins, JOINS), ("upsampling", upsampling, UPSAMPLINGS)):
        if value not in known:
            raise ValueError(f"{key} must be one of {', '.join(known)}, not {value!r}")
    if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
        raise ValueError(f"layers must be a whole number, 1 or more, not {layers!r}")
    if not isinstance(final_relu, bool) or (final_relu and residual):
        raise ValueError(f"final_relu must be true or false, and false with residual, not {final_relu!r}")
    parts = _Parts(initial, batch_norm, momentum)

    image = keras.Input((None, None, 1), name="input")
    x = parts.conv(image, 16, 7, "stem_conv")
    skips = [x]
    for level in range(1, LEVELS + 1):
        size = 3 if level == 1 else 2
        x = keras.layers.MaxPooling2D(size, strides=2, padding="same", name=f"level{level}_pool")(x)
        x = _dense_block(parts, x, layers, joins == "nested", f"level{level}")
        x = parts.norm_relu_conv(x, 16, 1, f"level{level}_transition")
        skips.append(x)
    for stage in range(1, LEVELS + 1):
        x = keras.layers.UpSampling2D(2, interpolation=upsampling, name=f"stage{stage}_up")(x)
        x = keras.layers.Concatenate(name=f"stage{stage}_join")([x, skips[LEVELS - stage]])
        x = _last_stage(parts, x) if stage == LEVELS else _stage(parts, x, f"stage{stage}")
    if final_relu:
        x = keras.layers.ReLU(name="final_relu")(x)
    return keras.Model(image, output(image, x, residual), name="ddnet")


class _Parts:
    """The layers of one network, with its choice of initialization and normalization."""

    def __init__(self, initial: str, batch_norm: str, momentum: float) -> None:
        self._initial, self._batch_norm, self._momentum = initial, batch_norm, momentum

    def conv(self, x: keras.KerasTensor, maps: int, size: int, name: str) -> keras.KerasTensor:
        kernel = initializer(self._initial)
        return Conv2D(maps, size, padding="same", kernel_initializer=kernel, name=name)(x)

    def deconv_relu(self, x: keras.KerasTensor, maps: int, size: int, name: str) -> keras.KerasTensor:
        x = self.deconv(x, maps, size, name)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def deconv(self, x: keras.KerasTensor, maps: int, size: int, name: str) -> keras.KerasTensor:
        layer = Conv2DTranspose(
            maps, size, padding="same", kernel_initializer=initializer(self._initial), name=f"{name}_deconv"
        )
        return layer(x)

    def norm(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return normalization(self._batch_norm, self._momentum, f"{name}_norm")(x)

    def norm_relu_conv(self, x: keras.KerasTensor, maps: int, size: int, name: str) -> keras.KerasTensor:
        x = keras.layers.ReLU(name=f"{name}_relu")(self.norm(x, name))
        return self.conv(x, maps, size, f"{name}_conv")


def _dense_block(
    parts: _Parts, x: keras.KerasTensor, layers: int, nested: bool, name: str
) -> keras.KerasTensor:
    """Return the joined maps of a dense block: with four layers 16 in, 256 out nested or 80 out flat."""
    kept, joined = [x], x
    for layer in range(1, layers + 1):
        y = parts.norm_relu_conv(joined, BOTTLENECK, 1, f"{name}_layer{layer}_narrow")
        y = parts.norm_relu_conv(y, GROWTH, 5, f"{name}_layer{layer}_wide")
        joined = keras.layers.Concatenate(name=f"{name}_layer{layer}_join")([*kept, y])
        kept.append(joined if nested else y)
    return joined


def _stage(parts: _Parts, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    for maps, size, part in ((32, 5, f"{name}_wide"), (16, 1, f"{name}_narrow")):
        x = parts.norm(parts.deconv_relu(x, maps, size, part), part)
    return x


def _last_stage(parts: _Parts, x: keras.KerasTensor) -> keras.KerasTensor:
    x = parts.deconv_relu(x, 32, 5, f"stage{LEVELS}_wide")
    return parts.deconv(x, 1, 1, f"stage{LEVELS}_narrow")
