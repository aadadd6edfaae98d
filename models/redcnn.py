"""RED-CNN, five convolutions and five transposed ones without padding, joined by shortcuts.

Chen, Zhang, Kalra, Lin, Chen, Liao, Zhou, Wang: Low-Dose CT with a Residual Encoder-Decoder Convolutional Neural
Network, IEEE Transactions on Medical Imaging 36(12), 2017, doi 10.1109/TMI.2017.2715284: 1,848,865 parameters, all
trainable, 924 GFLOP per 512x512 slice.

- Encoder: five convs 5x5 (96), each followed by ReLU. Without padding each takes 4 pixels off both sides.
- Decoder: four transposed convs 5x5 (96) and one (1), each followed by ReLU. Each gives 4 pixels back.
- Shortcuts are added before the ReLU: conv 4 to transposed conv 1, conv 2 to transposed conv 3, the image to the last.

Difference from the paper: none by default. The last sum is written as image minus prediction, as in every network here;
the sign is that of the last kernel, which starts symmetric. ``final_relu=False`` leaves out the ReLU after that sum,
which cuts off what lies below air; ``residual=False`` the shortcut from the image.
"""

from __future__ import annotations

import keras

from models.convolution import Conv2D, Conv2DTranspose
from models.initializers import initializer
from models.output import output

MULTIPLE = 1
"""Height and width must be multiples of this: any size from 21 pixels on, of which one is left."""

LAYERS = 5  # of the encoder, and as many of the decoder
KERNEL = 5


def build(
    *,
    filters: int = 96,
    initial: str = "normal_0.01",
    final_relu: bool = True,
    residual: bool = True,
) -> keras.Model:
    """Build the network: (batch, H, W, 1) to (batch, H, W, 1), both in mu / mu_water (air 0, water 1).

    Args:
        filters: Maps of every layer but the last; fewer make a smaller network for a try.
        initial: Distribution of the first kernels, one of ``models.initializers.CHOICES``.
        final_relu: End in a ReLU.
        residual: Return input minus prediction; without it, the prediction itself.

    Raises:
        ValueError: A parameter is outside the values named above.
    """
    if type(filters) is not int or filters < 1:
        raise ValueError(f"filters must be a whole number, 1 or more, not {filters!r}")
    if not isinstance(final_relu, bool):
        raise ValueError(f"final_relu must be true or false, not {final_relu!r}")

    def relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    image = keras.Input((None, None, 1), name="input")
    x, encoded = image, [image]
    for number in range(1, LAYERS + 1):
        kernel = initializer(initial)
        x = Conv2D(filters, KERNEL, padding="valid", kernel_initializer=kernel, name=f"conv{number}")(x)
        x = relu(x, f"conv{number}")
        encoded.append(x)
    for number in range(1, LAYERS):
        kernel = initializer(initial)
        layer = Conv2DTranspose(filters, KERNEL, kernel_initializer=kernel, name=f"deconv{number}")
        x = layer(x)
        if number % 2:
            x = keras.layers.Add(name=f"deconv{number}_add")([x, encoded[LAYERS - number]])
        x = relu(x, f"deconv{number}")
    layer = Conv2DTranspose(1, KERNEL, kernel_initializer=initializer(initial), name=f"deconv{LAYERS}")
    x = output(image, layer(x), residual)
    if final_relu:
        x = keras.layers.ReLU(dtype="float32", name="final_relu")(x)
    return keras.Model(image, x, name="redcnn")
