"""Batch normalization as a named choice, shared by all networks.

The public versions of these networks differ here more than anywhere else, so the choice is a parameter:

- ``moving``: ordinary batch normalization (Ioffe and Szegedy 2015, arXiv:1502.03167). Statistics of the batch
  in training, their moving averages at inference.
- ``batch``: statistics of the batch in training and at inference. The result for an image then depends on the
  images beside it, so evaluate with a fixed batch. The moving averages stay at mean 0 and variance 1.
- ``affine``: no statistics at all. They stay at mean 0 and variance 1, so the layer is
  ``gamma * x / sqrt(1 + epsilon) + beta`` with trainable ``gamma`` and ``beta``.

All three hold the same four variables per channel (two of them trainable), so parameter counts, weight paths
and weight files are the same for every choice.
"""

from __future__ import annotations

import keras
from keras import ops

KINDS = ("moving", "batch", "affine")
EPSILON = 1e-3


@keras.saving.register_keras_serializable(package="models")
class Moving(keras.layers.BatchNormalization):
    """Batch normalization as in Keras, on TensorFlow through the operation that it has for it.

    Keras composes it of a dozen operations that each pass over all maps; on a CPU the fused one trains a UNet a sixth
    faster (benchmarks/README.md). Both use the biased variance of the batch, so they differ by rounding only.
    """

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Normalize by the batch in training, by the moving averages otherwise."""
        if not (training and self.trainable) or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        x = ops.cast(inputs, "float32")
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        pixels = ops.cast(tf.size(x) // tf.shape(x)[-1], "float32")
        self._average(self.moving_mean, mean)
        self._average(self.moving_variance, variance * ((pixels - 1) / pixels))  # what it returns is unbiased
        return ops.cast(y, self.compute_dtype)

    def _average(self, average: keras.Variable, value: keras.KerasTensor) -> None:
        average.assign(average * self.momentum + value * (1 - self.momentum))


@keras.saving.register_keras_serializable(package="models")
class BatchStatistics(Moving):
    """Batch normalization by the statistics of the batch, at inference too."""

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Normalize by the batch's own mean and variance, whatever ``training`` says."""
        return super().call(inputs, training=True, mask=mask)


@keras.saving.register_keras_serializable(package="models")
class Affine(keras.layers.BatchNormalization):
    """Batch normalization whose statistics are never updated: a trainable scale and shift."""

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Normalize by the stored mean 0 and variance 1, whatever ``training`` says."""
        return super().call(inputs, training=False, mask=mask)


def normalization(kind: str, momentum: float, name: str) -> keras.layers.Layer:
    """Return a batch normalization over the last axis, (batch, ..., channels) to the same shape.

    Args:
        kind: One of ``KINDS``, see above.
        momentum: Share of the old average that one training step keeps, in [0, 1). Keras' sense: other
            frameworks call ``1 - momentum`` by this name. After ``n`` steps a share ``momentum**n`` of the
            start values (mean 0, variance 1) is left, so 0.99 needs several hundred steps. Only ``moving``
            uses it.
        name: Name of the layer.

    Raises:
        ValueError: Unknown ``kind``, or ``momentum`` outside [0, 1).
    """
    if kind not in KINDS:
        raise ValueError(f"batch_norm must be one of {', '.join(KINDS)}, not {kind!r}")
    if isinstance(momentum, bool) or not isinstance(momentum, (int, float)) or not 0 <= momentum < 1:
        raise ValueError(f"momentum must be a number in [0, 1), not {momentum!r}")
    if kind == "batch":  # A momentum of 1 keeps the averages exactly as they are.
        return BatchStatistics(momentum=1.0, epsilon=EPSILON, name=name)
    layer = Affine if kind == "affine" else Moving
    return layer(momentum=float(momentum), epsilon=EPSILON, name=name)
