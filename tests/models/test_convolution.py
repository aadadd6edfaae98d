"""Convolutions as matrix products: the layers of Keras are what they must equal, in values, gradients and weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import convolution

CASES: dict[str, tuple[type, type, dict[str, Any], int]] = {
    "3x3 of one map": (convolution.Conv2D, keras.layers.Conv2D, {"filters": 8, "kernel_size": 3}, 1),
    "1x1 to one map": (convolution.Conv2D, keras.layers.Conv2D, {"filters": 1, "kernel_size": 1}, 8),
    "1x1": (convolution.Conv2D, keras.layers.Conv2D, {"filters": 6, "kernel_size": 1, "use_bias": False}, 8),
    "3x3 of maps": (convolution.Conv2D, keras.layers.Conv2D, {"filters": 4, "kernel_size": 3}, 5),
    "transposed 2x2": (
        convolution.Conv2DTranspose, keras.layers.Conv2DTranspose,
        {"filters": 3, "kernel_size": 2, "strides": 2}, 6,
    ),
    "transposed 1x1": (
        convolution.Conv2DTranspose, keras.layers.Conv2DTranspose, {"filters": 3, "kernel_size": 1}, 6,
    ),
    "transposed 5x5": (
        convolution.Conv2DTranspose, keras.layers.Conv2DTranspose, {"filters": 3, "kernel_size": 5}, 6,
    ),
}  # fmt: skip


def values_and_gradients(layer: Any, image: Any) -> list[np.ndarray]:
    x = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(
            y * tf.sin(1.0 + tf.range(tf.size(y), dtype=tf.float32)).numpy().reshape(y.shape)
        )
    slopes = tape.gradient(loss, [x, *(variable.value for variable in layer.trainable_variables)])
    return [np.asarray(value) for value in (y, *slopes)]


@pytest.mark.parametrize("name", CASES)
def test_products_equal_the_convolution(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs, settings, maps = CASES[name]
    image = np.random.default_rng(1).standard_normal((2, 6, 10, maps)).astype(np.float32)
    layer, reference = ours(padding="same", **settings), theirs(padding="same", **settings)
    expected = values_and_gradients(reference, image)
    layer.build(image.shape)
    layer.set_weights([weights + 0.1 for weights in reference.get_weights()])  # no bias is zero
    reference.set_weights(layer.get_weights())
    expected = values_and_gradients(reference, image)
    assert all(
        np.array_equal(a, b) for a, b in zip(values_and_gradients(layer, image), expected, strict=True)
    )
    monkeypatch.setattr(convolution, "by_products", lambda: True)
    for found, right in zip(values_and_gradients(layer, image), expected, strict=True):
        assert found.shape == right.shape
        np.testing.assert_allclose(found, right, rtol=2e-5, atol=2e-5 * np.abs(right).max())


def test_a_batch_of_any_size_and_number_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "by_products", lambda: True)
    image = keras.Input((None, None, 1))
    x = convolution.Conv2D(4, 3, padding="same", dtype="mixed_bfloat16")(image)
    x = convolution.Conv2DTranspose(3, 2, strides=2, padding="same", dtype="mixed_bfloat16")(x)
    model = keras.Model(image, convolution.Conv2D(1, 1, padding="same")(x))
    assert model.predict_on_batch(np.ones((3, 4, 8, 1), np.float32)).shape == (3, 8, 16, 1)
    assert x.dtype == "bfloat16"
    again = keras.Model.from_config(model.get_config())
    # by name: a network that was loaded from its bytes has registered its own class under it
    assert [type(layer).__name__ for layer in again.layers] == [
        type(layer).__name__ for layer in model.layers
    ]
