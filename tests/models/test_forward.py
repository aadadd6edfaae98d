"""Forward passes against NumPy and SciPy ones, written from the layer lists and fed with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest
from scipy.signal import convolve2d, correlate2d

from models import ddnet, dncnn, unet

Array = np.ndarray


class Weights:
    """Random weights of a network by their paths; used up one by one, so that none can be forgotten."""

    def __init__(self, net: keras.Model) -> None:
        draw = np.random.default_rng(11)
        self.left: dict[str, Array] = {}
        for weight in net.weights:
            kernel = len(weight.shape) == 4
            value = draw.normal(
                0.0, 1.5 / np.sqrt(np.prod(weight.shape[:3])) if kernel else 0.2, weight.shape
            )
            if weight.path.endswith(("variance", "gamma")):
                value = np.exp(value)
            weight.assign(value.astype(np.float32))
            self.left[weight.path] = value.astype(np.float32).astype(np.float64)

    def __call__(self, layer: str, *names: str) -> Iterator[Array]:
        return (self.left.pop(f"{layer}/{name}") for name in names)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def spread(x: Array, kernel: Array, one: Callable[..., Array]) -> Array:
    """Sum ``one(plane, kernel)`` over the planes of ``x`` (H, W, in); kernel (h, w, in, out)."""
    maps = range(kernel.shape[3])
    planes = [sum(one(x[..., i], kernel[..., i, o], "same") for i in range(x.shape[2])) for o in maps]
    return np.stack(planes, axis=-1)


def conv(weights: Weights, x: Array, layer: str, bias: bool = True) -> Array:
    kernel, *shift = weights(layer, *(("kernel", "bias") if bias else ("kernel",)))
    return spread(x, kernel, correlate2d) + sum(shift)


def deconv(weights: Weights, x: Array, layer: str) -> Array:
    """Transposed convolution of stride 1: a convolution with the kernel's axes in and out exchanged."""
    kernel, bias = weights(layer, "kernel", "bias")
    return spread(x, kernel.swapaxes(2, 3), convolve2d) + bias


def norm(weights: Weights, x: Array, layer: str) -> Array:
    gamma, beta, mean, variance = weights(layer, "gamma", "beta", "moving_mean", "moving_variance")
    return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta


def pool(x: Array, size: int) -> Array:
    """Maximum over size x size from every second pixel on; what lies beyond the border never wins."""
    padded = np.pad(x, ((0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))
    return windows[::2, ::2][: x.shape[0] // 2, : x.shape[1] // 2].max(axis=(-2, -1))


def numpy_dncnn(w: Weights, x: Array, depth: int) -> Array:
    y = relu(conv(w, x, "conv1"))
    for number in range(2, depth):
        y = relu(norm(w, conv(w, y, f"conv{number}", bias=False), f"norm{number}"))
    return x - conv(w, y, f"conv{depth}")


def numpy_unet(w: Weights, x: Array, levels: int) -> Array:
    def block(y: Array, name: str) -> Array:
        return relu(norm(w, conv(w, y, f"{name}_conv", bias=False), f"{name}_norm"))

    y = block(relu(conv(w, x, "down1_first_conv")), "down1_second")
    skips = [y]
    for level in range(2, levels + 1):
        y = block(block(pool(y, 2), f"down{level}_first"), f"down{level}_second")
        skips.append(y)
    for level in range(levels - 1, 0, -1):
        kernel, bias = w(f"up{level}_up", "kernel", "bias")
        up = sum(np.kron(y[..., i, None], kernel[..., i]) for i in range(y.shape[2])) + bias
        y = np.concatenate([up, skips[level - 1]], axis=-1)
        y = block(block(y, f"up{level}_first"), f"up{level}_second")
    return x - conv(w, y, "last_conv")


def numpy_ddnet(w: Weights, x: Array, nested: bool) -> Array:
    def unit(y: Array, name: str) -> Array:
        return conv(w, relu(norm(w, y, f"{name}_norm")), f"{name}_conv")

    def dense(y: Array, name: str) -> Array:
        layer = [unit(unit(y, f"{name}_layer1_narrow"), f"{name}_layer1_wide")]
        join = [np.concatenate([y, layer[0]], axis=-1)]
        for n in (2, 3, 4):
            layer.append(unit(unit(join[-1], f"{name}_layer{n}_narrow"), f"{name}_layer{n}_wide"))
            join.append(np.concatenate([y, *join, layer[-1]] if nested else [y, *layer], axis=-1))
        return join[-1]

    y = conv(w, x, "stem_conv")
    skips = [y]
    for level in (1, 2, 3, 4):
        y = unit(dense(pool(y, 3 if level == 1 else 2), f"level{level}"), f"level{level}_transition")
        skips.append(y)
    for stage in (1, 2, 3, 4):
        y = np.concatenate([np.kron(y, np.ones((2, 2, 1))), skips[4 - stage]], axis=-1)
        name = f"stage{stage}"
        y = relu(deconv(w, y, f"{name}_wide_deconv"))
        if stage == 4:
            return x - deconv(w, y, "stage4_narrow_deconv")
        y = norm(w, y, f"{name}_wide_norm")
        y = norm(w, relu(deconv(w, y, f"{name}_narrow_deconv")), f"{name}_narrow_norm")
    raise AssertionError


CASES: dict[str, tuple[Callable[[], keras.Model], Callable[[Weights, Array], Array], tuple[int, int]]] = {
    "dncnn": (lambda: dncnn.build(depth=5, filters=3), lambda w, x: numpy_dncnn(w, x, 5), (9, 14)),
    "unet": (lambda: unet.build(filters=[2, 3, 5]), lambda w, x: numpy_unet(w, x, 3), (8, 12)),
    "nested": (lambda: ddnet.build(joins="nested"), lambda w, x: numpy_ddnet(w, x, True), (16, 32)),
    "flat": (lambda: ddnet.build(joins="flat"), lambda w, x: numpy_ddnet(w, x, False), (16, 32)),
}


@pytest.mark.parametrize("case", CASES)
def test_forward_pass_is_that_of_the_layer_list(case: str) -> None:
    build, reference, shape = CASES[case]
    net = build()
    weights = Weights(net)
    image = np.random.default_rng(7).random((*shape, 1), dtype=np.float32)
    got = keras.ops.convert_to_numpy(net(image[None], training=False))[0]
    wanted = reference(weights, image.astype(np.float64))
    assert not weights.left
    assert np.std(wanted - image) > 0.05
    np.testing.assert_allclose(got, wanted, atol=1e-4 * np.abs(wanted).max())
