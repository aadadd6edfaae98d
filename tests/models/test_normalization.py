"""Each kind of batch normalization does what its name says."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from models.normalization import EPSILON, KINDS, normalization

GAMMA = np.array([0.5, 2.0, -1.5], np.float32)
BETA = np.array([0.1, -0.2, 0.3], np.float32)


def batch(seed: int, shift: float = 4.0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(shift, 3.0, (4, 5, 6, 3))
    return drawn.astype(np.float32)


def layer_of(kind: str, momentum: float = 0.9) -> keras.layers.Layer:
    layer = normalization(kind, momentum, "norm")
    layer.build((None, None, None, 3))
    layer.gamma.assign(GAMMA)
    layer.beta.assign(BETA)
    return layer


def call(layer: keras.layers.Layer, x: np.ndarray, training: bool) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(layer(x, training=training)))


def standardized(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    return GAMMA * (wide - mean) / np.sqrt(variance + EPSILON) + BETA


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = x.astype(np.float64).reshape(-1, 3)
    return flat.mean(axis=0), flat.var(axis=0)


def test_moving_trains_on_the_batch_and_infers_on_the_averages() -> None:
    layer, first, second = layer_of("moving", 0.9), batch(1), batch(2, shift=-1.0)
    np.testing.assert_allclose(call(layer, first, True), standardized(first, *moments(first)), atol=2e-5)
    call(layer, second, True)
    mean = 0.1 * (0.9 * moments(first)[0] + moments(second)[0])
    variance = 0.81 + 0.1 * (0.9 * moments(first)[1] + moments(second)[1])
    np.testing.assert_allclose(layer.get_weights()[2], mean, rtol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[3], variance, rtol=1e-5)
    np.testing.assert_allclose(call(layer, first, False), standardized(first, mean, variance), atol=2e-5)


def test_batch_uses_the_batch_at_inference_too() -> None:
    layer, x = layer_of("batch"), batch(3)
    inferred = call(layer, x, False)
    np.testing.assert_allclose(inferred, standardized(x, *moments(x)), atol=2e-5)
    np.testing.assert_array_equal(call(layer, x, True), inferred)
    assert not np.allclose(call(layer, x[:1], False), inferred[:1], atol=1e-3)


def test_affine_knows_no_statistics() -> None:
    layer, x = layer_of("affine"), batch(4)
    trained = call(layer, x, True)
    np.testing.assert_allclose(trained, GAMMA * x / np.sqrt(1.001) + BETA, atol=2e-5)
    np.testing.assert_array_equal(call(layer, x, False), trained)
    np.testing.assert_array_equal(call(layer, x[:1], True), trained[:1])


@pytest.mark.parametrize("kind", ("batch", "affine"))
def test_averages_stay_bit_for_bit(kind: str) -> None:
    layer = layer_of(kind)
    for seed in range(3):
        call(layer, batch(seed), True)
    np.testing.assert_array_equal(layer.get_weights()[2], np.zeros(3))
    np.testing.assert_array_equal(layer.get_weights()[3], np.ones(3))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_scale_and_shift_and_holds_four_variables(kind: str) -> None:
    layer = layer_of(kind)
    assert [weight.path for weight in layer.trainable_weights] == ["norm/gamma", "norm/beta"]
    assert [weight.path for weight in layer.non_trainable_weights] == [
        "norm/moving_mean",
        "norm/moving_variance",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_training_step_keeps_to_the_kind(kind: str) -> None:
    """The eager calls above do not pass through the compiled step of ``train_on_batch``."""
    image = keras.Input((None, None, 3))
    net = keras.Model(image, normalization(kind, 0.9, "norm")(image))
    net.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    x = batch(6)
    net.train_on_batch(x, np.zeros_like(x))
    gamma, beta, mean, _ = net.get_weights()
    assert np.all(np.abs(gamma - 1) > 1e-4)
    assert np.all(np.abs(beta) > 0.01) == (kind == "affine")  # The others have removed the batch's mean.
    wanted = 0.1 * moments(x)[0] if kind == "moving" else np.zeros(3)
    np.testing.assert_allclose(mean, wanted, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (1, 8, 8, 3), (1, 1, 1, 3)])
def test_moving_is_the_layer_of_keras(shape: tuple[int, ...]) -> None:
    """Images, averages and all gradients; on TensorFlow by another operation than Keras takes."""
    tf = pytest.importorskip("tensorflow")
    ours = layer_of("moving", 0.9)
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=EPSILON)
    theirs.build((None, None, None, 3))
    theirs.set_weights(ours.get_weights())
    rng = np.random.default_rng(5)
    x, upstream = (tf.constant(rng.normal(2.0, 3.0, shape), tf.float32) for _ in range(2))
    results = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        gradients = tape.gradient(y, [x, layer.gamma.value, layer.beta.value], upstream)
        results.append([y, *gradients, *layer.get_weights()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


def test_a_frozen_moving_layer_keeps_its_averages() -> None:
    layer, x = layer_of("moving"), batch(6)
    layer.trainable = False
    np.testing.assert_allclose(call(layer, x, True), GAMMA * x / np.sqrt(1.001) + BETA, atol=2e-5)
    np.testing.assert_array_equal(layer.get_weights()[3], np.ones(3))
