"""The compiled loops of fan-beam projection and back-projection; see ``bench.ct.kernels`` for how they work.

All slices of one call have the same pixel width and so the same rays. Positions are in double precision, the
values of the lanes in single. The vector helpers come from ``bench.ct.kernels``; Numba's cache does not notice
a change there, so after one delete the cache of this file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import types
from numba.extending import intrinsic

from bench.compiled import compiled
from bench.ct.kernels import LANES, Array, Directions, Intrinsic, _address, _broadcast, _next

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_VIEWS, _LINES = 16, 8  # views and lines of pixels that are projected together, to stay in the cache
_ROWS, _COLUMNS = 8, 32  # pixels of the block that is back-projected at once

_compiled = compiled(nogil=True, error_model="numpy")


def _between(builder: Any, context: Any, kind: Any, array: Any, start: Any, share: Any) -> Any:
    """Return the lanes ``share`` of the way from those at ``start`` to the next."""
    left = builder.load(_address(context, builder, kind, array, start), align=4)
    after = _address(context, builder, kind, array, _next(builder, start))
    slope = builder.fsub(builder.load(after, align=4), left)
    return builder.fadd(left, builder.fmul(_broadcast(builder, share), slope))


def _put_lanes(_: Any, line: Any, at: Any, sums: Any, start: Any, share: Any) -> Intrinsic:
    """Write to the lanes at ``at`` the value ``share`` of the way from the sum at ``start`` to the next."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        line, at, sums, start, share = arguments
        value = _between(builder, context, signature.args[2], sums, start, share)
        builder.store(value, _address(context, builder, signature.args[0], line, at), align=4)
        return context.get_dummy_value()

    return types.void(line, types.intp, sums, types.intp, types.float32), generate


def _add_lanes(_: Any, pixels: Any, at: Any, bins: Any, start: Any, share: Any, weight: Any) -> Intrinsic:
    """Add to a pixel's lanes ``weight`` times the value ``share`` of the way from a bin to the next."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pixels, at, bins, start, share, weight = arguments
        value = _between(builder, context, signature.args[2], bins, start, share)
        value = builder.fmul(_broadcast(builder, weight), value)
        here = _address(context, builder, signature.args[0], pixels, at)
        builder.store(builder.fadd(builder.load(here, align=4), value), here, align=4)
        return context.get_dummy_value()

    return types.void(pixels, types.intp, bins, types.intp, types.float32, types.float32), generate


_put: Any = intrinsic(_put_lanes)
_add: Any = intrinsic(_add_lanes)


@_compiled
def running_sums(objects: Array, sums: Array, spans: Integers) -> None:
    """Fill ``sums``, flat (lines, m + 2, lane), with each line's running sum along the last axis of ``objects``.

    Entry k is the sum of the first k pixels. ``spans`` (lines, 2): from the first to after the last pixel of a
    line that is not 0 in every slice.
    """
    slices, fine = objects.shape[0], objects.shape[1]
    for i in range(fine):
        first, last = fine, 0
        for lane in range(slices):
            at, total = i * (fine + 2) * LANES + lane, 0.0
            sums[at] = 0.0
            for j in range(fine):
                value = objects[lane, i, j]
                total += value
                at += LANES
                sums[at] = total
                if value != 0.0:
                    first, last = min(first, j), max(last, j + 1)
            sums[at + LANES] = total
        spans[i, 0], spans[i, 1] = first, last


@_compiled
def project(
    sums: Array, spans: Integers, sources: Doubles, slopes: Doubles, uses: Integers, out: Array
) -> None:
    """Add the integrals over every bin's footprint on every line into ``out``, flat (views, bins, lane).

    ``sources`` (views, 2): the source's place along the lines and across them, in pixels from the first one's
    edge; ``slopes`` (views, bins + 1): how far the ray at a bin's edge moves along the lines per line; ``uses``
    (views, 3): first and after the last bin to be done, and +1 or -1 for the side on which the object lies.
    Footprints are in units of the distance between source and line times the slope.
    """
    views, edges = slopes.shape
    lines, width = spans.shape[0], (spans.shape[0] + 2) * LANES
    line = np.empty(edges * LANES, np.float32)
    places, shares = np.empty(edges, np.int32), np.empty(edges, np.float32)
    for near in range(0, views, _VIEWS):
        for top in range(0, lines, _LINES):
            for v in range(near, min(near + _VIEWS, views)):
                for i in range(top, min(top + _LINES, lines)):
                    away = i + 0.5 - sources[v, 1]
                    first, last = spans[i, 0], spans[i, 1]
                    if uses[v, 0] < uses[v, 1] and first < last and away * uses[v, 2] > 0.0:
                        low, high = _seen(
                            (first - sources[v, 0]) / away, (last - sources[v, 0]) / away, slopes[v], uses[v]
                        )
                        begin, end = np.float64(first), np.float64(last)
                        slope = slopes[v, low : high + 1]
                        for b in range(slope.size):
                            t = sources[v, 0] + away * slope[b]
                            t = begin if t < begin else end if t > end else t
                            places[b] = np.int32(t)
                            shares[b] = np.float32(t - np.int32(t))
                        for b in range(slope.size):
                            _put(line, b * LANES, sums, i * width + places[b] * LANES, shares[b])
                        here = out[(v * (edges - 1) + low) * LANES : (v * (edges - 1) + high) * LANES]
                        scale = np.float32(1.0 / away)
                        for b in range(here.size):
                            here[b] += (line[b + LANES] - line[b]) * scale


@_compiled
def _seen(one: float, other: float, slopes: Doubles, use: Integers) -> tuple[int, int]:
    """Return the edges around all bins that may see what lies between two slopes; edges are at equal angles."""
    first, last = use[0], use[1]
    start = math.atan(slopes[first])
    per_edge = (last - first) / (math.atan(slopes[last]) - start)
    a, b = (math.atan(one) - start) * per_edge, (math.atan(other) - start) * per_edge
    low, high = math.floor(min(a, b)) - 1, math.ceil(max(a, b)) + 1
    return min(max(first + low, first), last), min(max(first + high, first), last)


@_compiled
def back_project(
    views: Array, directions: Directions, fan: Doubles, arctangent: Doubles, bins: int, images: Array
) -> None:
    """Add flat (views, bins, lane) ``views``, each weighted with 1 / L^2, into the (slices, n, n) ``images``.

    L is the distance between source and pixel. ``fan``: the distance of the source from the origin in pixels,
    bins per radian, and the place of the central line among the bins. ``arctangent``: coefficients c of
    atan(r) / r = c0 + c1 r^2 + c2 r^4 ..., good up to r = 0.65, beyond the edge of the fan.

    A view meets a pixel as the view a quarter of a turn on meets the pixel a quarter of a turn on, so where
    views and pixels allow it their rays are found once for four.
    """
    count, size = directions.shape[0], images.shape[1]
    turns = 4 if count % 4 == 0 and size % 2 == 0 else 1
    whole = size // 2 if turns == 4 else size  # side of the square whose turns are the image
    block = np.empty(turns * _ROWS * _COLUMNS * LANES, np.float32)
    places, shares = np.empty(_COLUMNS, np.int32), np.empty(_COLUMNS, np.float32)
    weights = np.empty(_COLUMNS, np.float32)
    for top in range(0, whole, _ROWS):
        rows = min(_ROWS, whole - top)
        for left in range(0, whole, _COLUMNS):
            columns = min(_COLUMNS, whole - left)
            block[:] = 0.0
            for v in range(count):
                for i in range(rows):
                    x, y = left - (size - 1) / 2, (size - 1) / 2 - top - i
                    cos, sin = directions[v, 0], directions[v, 1]
                    _rays(x, y, cos, sin, fan, arctangent, bins, places, shares, weights)
                    for turn in range(turns):
                        view = (v + turn * (count // turns)) % count * bins
                        row = (turn * _ROWS + i) * _COLUMNS
                        for j in range(columns):
                            start = (view + places[j]) * LANES
                            _add(block, (row + j) * LANES, views, start, shares[j], weights[j])
            _unload(block, turns, top, left, rows, columns, images)


@_compiled
def _unload(block: Array, turns: int, top: int, left: int, rows: int, columns: int, images: Array) -> None:
    """Add a block and its turns to their places in the images, counter-clockwise."""
    last = images.shape[1] - 1
    for turn in range(turns):
        for i in range(rows):
            for j in range(columns):
                at = ((turn * _ROWS + i) * _COLUMNS + j) * LANES
                row, column = top + i, left + j
                for _ in range(turn):
                    row, column = last - column, row
                for lane in range(images.shape[0]):
                    images[lane, row, column] += block[at + lane]


@_compiled
def _rays(
    x: float, y: float, cos: float, sin: float, fan: Doubles, arctangent: Doubles, bins: int,
    places: npt.NDArray[np.int32], shares: Array, weights: Array,
) -> None:  # fmt: skip
    """Find the rays through a row of pixels from (x, y): bin, share of the next bin, 1 / L^2, 0 if unmeasured."""
    source, per_radian, middle = fan
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = arctangent
    for j in range(_COLUMNS):
        across = (x + j) * cos + y * sin
        along = source + (x + j) * sin - y * cos
        ratio = min(max(across / along, -0.65), 0.65)
        z = ratio * ratio
        series = c0 + z * (c1 + z * (c2 + z * (c3 + z * (c4 + z * (c5 + z * (c6 + z * (c7 + z * c8)))))))
        t = middle + per_radian * (ratio * series)
        inside = (t >= 0.0) & (t < bins - 1)
        t = t if inside else 0.0
        k = np.int32(t)
        places[j] = k
        shares[j] = np.float32(t - k)
        weights[j] = np.float32(1.0 / (across * across + along * along) if inside else 0.0)
