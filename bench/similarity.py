"""The compiled loops of structural similarity: one pass over a slice gives the 2-D SSIM and that of its columns.

The windowed means down the columns, which a 2-D window needs first, are those of the column vector as well: its
window runs down a column and, at the ends, on into the neighbouring ones. So both metrics share them, and only the
2-D one takes the means along the rows too. A row of means is used while it is in the processor's cache.

One thread, no reordered and no fused operations: the same bits on every machine, whatever the number of threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.compiled import compiled

Image = npt.NDArray[np.float64]

SIGMA, RADIUS = 1.5, 5
TAPS = 2 * RADIUS + 1
_HALVES = [math.exp(-0.5 * (step / SIGMA) ** 2) for step in range(RADIUS + 1)]
_WEIGHTS = tuple(
    half / (2 * math.fsum(_HALVES) - 1) for half in _HALVES
)  # from the middle of the window outwards
_FIELDS = 4  # x, y, x y, x^2 + y^2: the two variances enter SSIM as their sum only

_compiled = compiled(nogil=True, error_model="numpy")


class Similarities(NamedTuple):
    """Two means of an SSIM map; ``inside`` is NaN where no 2-D window lies wholly in the image."""

    inside: float
    columns: float


def similarities(x: Image, y: Image, peak: float) -> Similarities:
    """Return the mean SSIM of two (H, W) images over all 2-D windows inside, and over all samples of the column vector.

    See ``bench.metrics.ssim`` and ``column_ssim`` for what they are.
    """
    sums = _sums(np.ascontiguousarray(x), np.ascontiguousarray(y), (0.01 * peak) ** 2, (0.03 * peak) ** 2)
    inside = (x.shape[0] - 2 * RADIUS) * (x.shape[1] - 2 * RADIUS) if min(x.shape) >= TAPS else 0
    return Similarities(
        float(np.sum(sums[1])) / inside if inside else math.nan, float(np.sum(sums[0])) / x.size
    )


@_compiled
def _sums(x: Image, y: Image, c1: float, c2: float) -> tuple[Image, Image]:
    """Return the SSIM map of the column vector and of the 2-D windows, each summed over the rows."""
    height, width = x.shape
    fields = _fields(x, y)
    down, along = np.empty((_FIELDS, width)), np.empty((_FIELDS, max(0, width - 2 * RADIUS)))
    columns, inside = np.zeros(width), np.zeros(along.shape[1])
    for row in range(height):
        for field in range(_FIELDS):
            _window_down(fields[field, row : row + TAPS], down[field])
        _add_similarity(down, c1, c2, columns)
        if RADIUS <= row < height - RADIUS:
            for field in range(_FIELDS):
                _window_along(down[field], along[field])
            _add_similarity(along, c1, c2, inside)
    return columns, inside


@_compiled
def _fields(x: Image, y: Image) -> npt.NDArray[np.float64]:
    """Return (4, H + 2 * RADIUS, W): what is windowed, each column continued above and below by its neighbours."""
    height, width = x.shape
    fields = np.empty((_FIELDS, height + 2 * RADIUS, width))
    for row in range(height + 2 * RADIUS):
        line = row - RADIUS
        for column in range(width):
            if 0 <= line < height:
                a, b = x[line, column], y[line, column]
            else:
                place = min(max(column * height + line, 0), height * width - 1)  # in the column vector
                a, b = x[place % height, place // height], y[place % height, place // height]
            fields[0, row, column] = a
            fields[1, row, column] = b
            fields[2, row, column] = a * b
            fields[3, row, column] = a * a + b * b
    return fields


@_compiled
def _window_down(lines: Image, means: npt.NDArray[np.float64]) -> None:
    """Write the windowed mean of the rows of ``lines`` (TAPS, W)."""
    middle = lines[RADIUS]
    for column in range(means.size):
        means[column] = _WEIGHTS[0] * middle[column]
    for step in range(
        1, RADIUS + 1
    ):  # a loop for each pair of rows: Numba makes vector instructions of these
        weight, above, below = _WEIGHTS[step], lines[RADIUS - step], lines[RADIUS + step]
        for column in range(means.size):
            means[column] += weight * (above[column] + below[column])


@_compiled
def _window_along(values: npt.NDArray[np.float64], means: npt.NDArray[np.float64]) -> None:
    """Write the windowed mean of a row wherever the window lies inside."""
    middle = values[RADIUS:]
    for column in range(means.size):
        means[column] = _WEIGHTS[0] * middle[column]
    for step in range(1, RADIUS + 1):
        weight, left, right = _WEIGHTS[step], values[RADIUS - step :], values[RADIUS + step :]
        for column in range(means.size):
            means[column] += weight * (left[column] + right[column])


@_compiled
def _add_similarity(means: Image, c1: float, c2: float, sums: npt.NDArray[np.float64]) -> None:
    """Add the SSIM of a row of windowed means (4, n) to ``sums`` (n,)."""
    for column in range(sums.size):
        product = means[0, column] * means[1, column]
        squares = means[0, column] ** 2 + means[1, column] ** 2
        covariance = means[2, column] - product
        variances = means[3, column] - squares
        sums[column] += ((2.0 * product + c1) * (2.0 * covariance + c2)) / ((squares + c1) * (variances + c2))
