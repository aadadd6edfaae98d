"""Training losses in ``keras.ops``: functions of ``(y_true, y_pred)``, both (N, H, W, 1) in mu/mu_water.

Every loss is a float32 scalar and is computed in float32 whatever the policy of the network, because a sum
of squares over a slice loses its small terms in half precision. ``bench.config.schema`` has their names: a function
here and its name there are a new loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
from keras import ops

from bench.config.schema import MS_SSIM_MIN_SIDE, Loss

#: The value range of MS-SSIM inside ``mse_ms_ssim``, in mu/mu_water: from air (0) to dense cortical bone,
#: 2000 HU (3). One constant for all slices, so that a slice's weight does not depend on its brightest pixel.
MS_SSIM_RANGE = 3.0

#: The weight of ``1 - MS-SSIM`` beside the mean squared error.
MS_SSIM_WEIGHT = 0.1

#: Exponents of the five scales, finest first, as fitted to viewers by Wang, Simoncelli and Bovik 2003.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

_SIGMA, _RADIUS = 1.5, 5
_FLOOR = 1e-6  # below it a structure term counts as zero; the power of a negative number does not exist

Tensor = Any


def mse(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the mean squared error over all pixels of the batch, in (mu/mu_water)^2.

    Raises:
        ValueError: the shapes differ or are not (N, H, W, 1).
    """
    true, pred = _pair(y_true, y_pred)
    return ops.mean(ops.square(pred - true))


def half_sse(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return half the squared error summed over the pixels and divided by the batch size: the study's loss.

    It is ``H * W / 2`` times ``mse``, so with a plain gradient step it wants another learning rate.

    Raises:
        ValueError: the shapes differ or are not (N, H, W, 1).
    """
    true, pred = _pair(y_true, y_pred)
    return 0.5 * ops.mean(ops.sum(ops.square(pred - true), axis=(1, 2, 3)))


def mse_ms_ssim(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return ``mse + 0.1 (1 - MS-SSIM)``, MS-SSIM taken over the declared range ``MS_SSIM_RANGE``.

    Raises:
        ValueError: as for ``ms_ssim``; a side must have at least 161 pixels.
    """
    similarity = ops.mean(ms_ssim(y_true, y_pred, data_range=MS_SSIM_RANGE))
    return mse(y_true, y_pred) + MS_SSIM_WEIGHT * (1.0 - similarity)


#: The function of each loss that a recipe may name.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {name: globals()[name] for name in get_args(Loss)}


def ms_ssim(y_true: Tensor, y_pred: Tensor, *, data_range: float) -> Tensor:
    """Return the multi-scale structural similarity of each pair of a batch, shape (N,), at most 1.

    Wang, Simoncelli, Bovik 2003, doi 10.1109/ACSSC.2003.1292216: five scales, each the 2 x 2 mean of the one
    before (an odd last row or column is repeated), Gaussian window of 11 taps and sigma 1.5 inside the image.
    The means of the contrast-structure map at the four fine scales and of the full SSIM map at the coarsest
    are raised to ``SCALE_WEIGHTS`` and multiplied. Means below 1e-6 count as 1e-6, with gradient zero.

    Raises:
        ValueError: the shapes differ, are not (N, H, W, 1), have an unknown or a too short side, or
            ``data_range`` is not positive.
    """
    if not (math.isfinite(data_range) and data_range > 0.0):
        raise ValueError(f"data_range is {data_range!r}; it must be positive and finite")
    x, y = _pair(y_true, y_pred)
    _require_side(x, y)
    result = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            x, y = _halve(x), _halve(y)
        similarity, structure = _similarity(x, y, data_range)
        last = scale == len(SCALE_WEIGHTS) - 1
        result = result * ops.power(ops.maximum(similarity if last else structure, _FLOOR), weight)
    return result


def _pair(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    true, pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    shapes = tuple(true.shape), tuple(pred.shape)
    images = all(len(shape) == 4 and shape[3] == 1 for shape in shapes)
    if not images or any(a != b for a, b in zip(*shapes, strict=True) if None not in (a, b)):
        raise ValueError(f"y_true {shapes[0]} and y_pred {shapes[1]} must both be (N, H, W, 1) and equal")
    return ops.cast(true, "float32"), ops.cast(pred, "float32")


def _require_side(x: Tensor, y: Tensor) -> None:
    height, width = (a if a is not None else b for a, b in zip(x.shape[1:3], y.shape[1:3], strict=True))
    if height is None or width is None:
        raise ValueError("MS-SSIM needs images whose height and width are known before training")
    if min(height, width) < MS_SSIM_MIN_SIDE:
        least = f"{MS_SSIM_MIN_SIDE} x {MS_SSIM_MIN_SIDE}"
        raise ValueError(f"MS-SSIM over five scales needs at least {least} pixels, not {height} x {width}")


def _halve(values: Tensor) -> Tensor:
    return ops.average_pool(values, 2, strides=2, padding="same", data_format="channels_last")


def _window(values: Tensor) -> Tensor:
    """Return Gaussian means of each channel along H and W, where the window lies inside."""
    line = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    line = (line / line.sum()).astype("float32")
    count = values.shape[-1]
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        kernel = np.repeat(line.reshape(shape), count, axis=2)
        values = ops.depthwise_conv(values, kernel, padding="valid", data_format="channels_last")
    return values


def _similarity(x: Tensor, y: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """Return each image's mean SSIM and mean contrast-structure term, two tensors (N,).

    ``2 cov(x, y) = var(x) + var(y) - var(x - y)`` and likewise for the means, so both factors are one minus a
    term in the difference: float32 then keeps the small deviations from 1 that training lives on.
    """
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    error = x - y
    means = _window(ops.concatenate([x, y, error, x * x + y * y, error * error], axis=-1))
    mean_x, mean_y, mean_error, mean_square, mean_error_square = (means[..., i] for i in range(5))
    squares = mean_x * mean_x + mean_y * mean_y
    structure = 1.0 - (mean_error_square - mean_error * mean_error) / (mean_square - squares + c2)
    luminance = 1.0 - mean_error * mean_error / (squares + c1)
    return ops.mean(luminance * structure, axis=(1, 2)), ops.mean(structure, axis=(1, 2))
