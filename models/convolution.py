"""Convolutions as in Keras, on a GPU through other operations where cuDNN is slow.

Three kinds that these networks have run far below the speed of the card's memory as cuDNN convolutions of few maps in
bfloat16, the kernel's gradient of a transposed one most: it took half of an update of UNet (benchmarks/README.md).
The same sums as matrix products have the same weights and differ by rounding only.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any


def by_products() -> bool:
    """Return whether convolutions are matrix products here: on a GPU, and on JAX, whose CPU shows what its GPU does."""
    return keras.backend.backend() == "jax" or bool(keras.distribution.list_devices("gpu"))


@keras.saving.register_keras_serializable(package="models")
class Conv2D(keras.layers.Conv2D):
    """A convolution (B, H, W, C) to (B, H, W, maps) of stride 1 with padding ``same``, any odd kernel."""

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Return the sums without bias: products of the pixel's maps (1 x 1) or neighbours (3 x 3, one map)."""
        plain = self.strides == self.dilation_rate == (1, 1) and self.padding == "same" and self.groups == 1
        if plain and by_products():
            kernel = ops.convert_to_tensor(kernel)
            if self.kernel_size == (1, 1):
                return _product(inputs, kernel[0, 0])
            if self.kernel_size == (3, 3) and inputs.shape[-1] == 1:
                return ops.matmul(_neighbours(inputs), ops.reshape(kernel, (9, self.filters)))
        return super().convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable(package="models")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """A transposed convolution (B, h, w, C) to (B, h s, w s, maps) of stride s."""

    def call(self, inputs: Tensor) -> Tensor:
        """Return the images: where kernels do not overlap, each pixel makes a square of its own."""
        square = (
            self.strides == self.kernel_size and self.dilation_rate == (1, 1) and self.output_padding is None
        )
        if not (square and by_products()):
            return super().call(inputs)
        kernel = ops.convert_to_tensor(self.kernel)  # (s, s, maps, C)
        batch, height, width, _ = ops.shape(inputs)
        high, wide, maps, _ = kernel.shape
        squares = ops.einsum("bhwc,pqmc->bhpwqm", inputs, kernel)
        image = ops.reshape(squares, (batch, height * high, width * wide, maps))
        return self.activation(image + self.bias if self.use_bias else image)


def _product(maps: Tensor, matrix: Tensor) -> Tensor:
    """Return (B, H, W, C) times (C, D); for one map by a sum, which XLA joins with what comes before it."""
    if matrix.shape[-1] > 1:
        return ops.matmul(maps, matrix)
    return ops.sum(maps * matrix[:, 0], axis=-1, keepdims=True)


def _neighbours(image: Tensor) -> Tensor:
    """Return the 3 x 3 pixels around each of an image (B, H, W, 1) as nine maps, zeros outside."""
    _, height, width, _ = ops.shape(image)
    padded = ops.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [
        padded[:, row : row + height, column : column + width] for row in range(3) for column in range(3)
    ]
    return ops.concatenate(shifted, axis=-1)
