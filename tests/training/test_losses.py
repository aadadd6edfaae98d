"""Losses against NumPy in float64, closed forms and TensorFlow's own MS-SSIM; on any Keras backend."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from bench.seeds import generator
from bench.training import losses

Array = NDArray[Any]
BACKEND = keras.backend.backend()
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def batch(height: int, width: int, count: int = 2) -> tuple[Array, Array]:
    """Return smooth references and blurred, noisy estimates, float32 (N, H, W, 1)."""
    draw = generator("test-losses", height, width, count)
    rough = draw.standard_normal((count, height, width, 1))
    true = 1.0 + 3.0 * gaussian_filter(rough, (0, 3, 3, 0))
    pred = gaussian_filter(true, (0, 1, 1, 0)) + 0.05 * draw.standard_normal(true.shape)
    return true.astype("float32"), pred.astype("float32")


def evaluate(loss: Callable[..., Any], true: Any, pred: Any) -> Array:
    """Return the loss as NumPy; JAX compiles it whole, as training does."""
    if BACKEND == "jax":
        import jax

        loss = jax.jit(loss)
    value = loss(true, pred)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    return np.asarray(keras.ops.convert_to_numpy(value))


def number(loss: Callable[..., Any], true: Any, pred: Any) -> float:
    value = evaluate(loss, true, pred)
    assert value.shape == ()
    return float(value)


def ms_ssim(true: Array, pred: Array, data_range: float) -> Array:
    return evaluate(partial(losses.ms_ssim, data_range=data_range), true, pred)


def gradient(loss: Callable[[Any, Any], Any], true: Array, pred: Array) -> Array:
    """Return d loss / d pred through whichever backend runs the tests."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        variable = tf.constant(pred)
        with tf.GradientTape() as tape:
            tape.watch(variable)
            value = loss(tf.constant(true), variable)
        return np.asarray(tape.gradient(value, variable))
    if BACKEND == "jax":
        import jax

        return np.asarray(jax.jit(jax.grad(loss, argnums=1))(true, pred))
    pytest.skip(f"no gradient helper for {BACKEND}")


def numpy_ms_ssim(true: Array, pred: Array, data_range: float) -> float:
    """Return the MS-SSIM of two (H, W) images in float64, with an 11 x 11 window and the textbook terms."""
    x, y = true.astype(np.float64), pred.astype(np.float64)
    line = np.exp(-((np.arange(11) - 5.0) ** 2) / 4.5)
    window = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    result = 1.0
    for scale, weight in enumerate(WEIGHTS):
        mx, my, xx, yy, xy = (convolve2d(image, window, "valid") for image in (x, y, x * x, y * y, x * y))
        term = (2 * (xy - mx * my) + c2) / (xx - mx**2 + yy - my**2 + c2)
        if scale == 4:
            term = term * (2 * mx * my + c1) / (mx**2 + my**2 + c1)
        result *= max(term.mean(), 0.0) ** weight
        x, y = (np.pad(image, [(0, size % 2) for size in image.shape], mode="symmetric") for image in (x, y))
        x, y = (
            (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
            for image in (x, y)
        )
    return float(result)


def test_names() -> None:
    assert set(losses.LOSSES) == {"mse", "half_sse", "mse_ms_ssim"}
    assert all(name == loss.__name__ for name, loss in losses.LOSSES.items())


# Squared errors


def test_mse_and_half_sse_equal_numpy() -> None:
    true, pred = batch(20, 31, count=3)
    error = pred.astype(np.float64) - true
    assert number(losses.mse, true, pred) == pytest.approx((error**2).mean(), rel=1e-5)
    assert number(losses.half_sse, true, pred) == pytest.approx(0.5 * (error**2).sum() / 3, rel=1e-5)


def test_constant_error_in_one_image_of_the_batch() -> None:
    true = np.zeros((4, 6, 5, 1), "float32")
    pred = true.copy()
    pred[2] = 0.5
    assert number(losses.mse, true, pred) == pytest.approx(0.25 / 4)
    assert number(losses.half_sse, true, pred) == pytest.approx(0.5 * 0.25 * 30 / 4)


def test_gradients_of_the_squared_errors() -> None:
    true, pred = batch(8, 9, count=3)
    error = pred - true
    assert gradient(losses.mse, true, pred) == pytest.approx(2.0 * error / error.size, rel=1e-5, abs=1e-9)
    assert gradient(losses.half_sse, true, pred) == pytest.approx(error / 3.0, rel=1e-5, abs=1e-7)


# MS-SSIM


@pytest.mark.parametrize("shape", [(176, 192), (161, 175), (190, 163)])
@pytest.mark.parametrize("data_range", [1.0, 3.0])
def test_ms_ssim_equals_numpy(shape: tuple[int, int], data_range: float) -> None:
    true, pred = batch(*shape)
    found = ms_ssim(true, pred, data_range)
    expected = [numpy_ms_ssim(true[i, ..., 0], pred[i, ..., 0], data_range) for i in range(2)]
    assert found.shape == (2,)
    assert found == pytest.approx(expected, abs=2e-6)
    assert max(expected) < 0.995


@pytest.mark.skipif(BACKEND != "tensorflow", reason="compares with tf.image")
@pytest.mark.parametrize("shape", [(176, 192), (178, 183)])
def test_ms_ssim_equals_tensorflow(shape: tuple[int, int]) -> None:
    import tensorflow as tf

    true, pred = batch(*shape)
    found = np.asarray(losses.ms_ssim(true, pred, data_range=2.0))
    assert found == pytest.approx(np.asarray(tf.image.ssim_multiscale(true, pred, 2.0)), abs=2e-5)


def test_loss_adds_a_tenth_of_what_is_missing_over_the_declared_range() -> None:
    true, pred = batch(176, 161)
    similarity = np.mean([numpy_ms_ssim(true[i, ..., 0], pred[i, ..., 0], 3.0) for i in range(2)])
    expected = ((pred.astype(np.float64) - true) ** 2).mean() + 0.1 * (1.0 - similarity)
    assert number(losses.mse_ms_ssim, true, pred) == pytest.approx(expected, abs=1e-6)
    assert losses.MS_SSIM_RANGE == 3.0


def test_identical_images_have_no_loss_and_no_gradient() -> None:
    true, _ = batch(161, 161)
    assert ms_ssim(true, true, 3.0) == pytest.approx(1.0, abs=1e-7)
    for loss in losses.LOSSES.values():
        assert number(loss, true, true) == pytest.approx(0.0, abs=1e-7)
        assert np.abs(gradient(loss, true, true)).max() == 0.0


def test_small_errors_are_not_lost_in_float32() -> None:
    """At 1e-4 of the range the direct formula, a difference of numbers near 1, has no digit left."""
    true, _ = batch(161, 161, count=1)
    pred = true + (3e-3 * generator("small").standard_normal(true.shape)).astype("float32")
    missing = 1.0 - numpy_ms_ssim(true[0, ..., 0], pred[0, ..., 0], 3.0)
    found = 1.0 - float(ms_ssim(true, pred, 3.0)[0])
    assert 1e-6 < missing < 1e-3
    assert found == pytest.approx(missing, rel=0.05, abs=3e-7)


def test_flat_images_have_the_luminance_term_of_the_last_scale() -> None:
    true = np.full((1, 161, 161, 1), 1.0, "float32")
    pred = np.full((1, 161, 161, 1), 0.4, "float32")
    c1 = 0.03**2
    expected = ((2 * 0.4 + c1) / (1.0 + 0.16 + c1)) ** 0.1333
    found = ms_ssim(true, pred, 3.0)
    assert found == pytest.approx(expected, abs=5e-5)


def test_gradient_of_ms_ssim_equals_the_numeric_slope() -> None:
    true, pred = batch(161, 162, count=1)
    direction = generator("direction").standard_normal(pred.shape)
    slope = float((gradient(losses.mse_ms_ssim, true, pred).astype(np.float64) * direction).sum())

    def value(step: float) -> float:
        moved = pred.astype(np.float64) + step * direction
        similarity = numpy_ms_ssim(true[0, ..., 0], moved[0, ..., 0], 3.0)
        return float(((moved - true) ** 2).mean()) + 0.1 * (1.0 - similarity)

    assert slope == pytest.approx((value(1e-4) - value(-1e-4)) / 2e-4, rel=1e-3)


def test_opposite_images_give_a_finite_loss_and_gradient() -> None:
    """The structure term of an inverted image is negative; its fractional power would be NaN."""
    true, _ = batch(161, 161)
    opposite = 2.0 - true
    assert 0.1 < number(losses.mse_ms_ssim, true, opposite) < math.inf
    for pred in (opposite, np.zeros_like(true), 1e4 * opposite):
        for loss in losses.LOSSES.values():
            assert np.isfinite(gradient(loss, true, pred)).all()


def test_too_small_images_are_refused_by_size() -> None:
    assert losses.MS_SSIM_MIN_SIDE == 161
    for shape in [(160, 200), (200, 160), (64, 64)]:
        with pytest.raises(ValueError, match=rf"at least 161 x 161 pixels, not {shape[0]} x {shape[1]}"):
            losses.mse_ms_ssim(*batch(*shape))


@pytest.mark.parametrize("data_range", [0.0, -1.0, math.nan, math.inf])
def test_impossible_range_is_refused(data_range: float) -> None:
    with pytest.raises(ValueError, match="data_range"):
        losses.ms_ssim(*batch(161, 161), data_range=data_range)


# Shapes and types


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    true, pred = batch(161, 161)
    for other in (pred[..., 0], pred[:1], pred[:, :1], np.repeat(pred, 3, axis=-1), pred[0]):
        with pytest.raises(ValueError, match=r"must both be \(N, H, W, 1\)"):
            losses.LOSSES[name](true, other)
    with pytest.raises(ValueError, match=r"must both be \(N, H, W, 1\)"):
        losses.LOSSES[name](true[..., 0], pred[..., 0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_half_precision_input_is_summed_in_float32(name: str, dtype: str) -> None:
    """A sum of 161 x 161 squares of 3 overflows float16, and bfloat16 keeps three digits of it."""
    true, pred = batch(161, 161)
    rounded = keras.ops.cast(pred + 3.0, dtype)
    wide = keras.ops.cast(rounded, "float32")
    found, expected = (number(losses.LOSSES[name], true, image) for image in (rounded, wide))
    assert math.isfinite(found)
    assert found == expected


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_compiled_training_step_under_mixed_precision(name: str) -> None:
    true, pred = batch(161, 161)
    dtype = keras.DTypePolicy("mixed_bfloat16")
    inputs = keras.Input((161, 161, 1))
    layer = keras.layers.Conv2D(1, 1, kernel_initializer="ones", use_bias=False, dtype=dtype)
    model = keras.Model(inputs, layer(inputs))
    model.compile(optimizer=keras.optimizers.SGD(1e-2), loss=losses.LOSSES[name], jit_compile=False)
    expected = number(losses.LOSSES[name], true, keras.ops.cast(pred, "bfloat16"))
    found = model.train_on_batch(pred, true)
    assert float(np.asarray(found)) == pytest.approx(expected, rel=1e-3)
    kernel = float(keras.ops.sum(layer.kernel))
    assert math.isfinite(kernel)
    assert kernel != 1.0


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow traces unknown sizes")
def test_unknown_sizes_are_refused_by_ms_ssim_only() -> None:
    import tensorflow as tf

    unknown = tf.TensorSpec([None, None, None, 1], tf.float32)
    known = tf.TensorSpec([None, 161, 161, 1], tf.float32)
    tf.function(losses.mse).get_concrete_function(unknown, unknown)
    tf.function(losses.mse_ms_ssim).get_concrete_function(known, unknown)
    with pytest.raises(ValueError, match="known before training"):
        tf.function(losses.mse_ms_ssim).get_concrete_function(unknown, unknown)
