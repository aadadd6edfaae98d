"""The compiled loops of projection and back-projection.

``LANES`` slices are worked on at once, one per lane of a vector register. By itself the compiler keeps so
short an innermost loop scalar (measured: 2.6 to 4 times slower); two intrinsics name LLVM's vector type. No
operation mixes lanes or is reordered (no fastmath, no contraction): a lane's bits never depend on the others.
All that ``bench.ct.parallel`` calls is in this one file because Numba's cache looks at the calling function's only.

Arrays named flat have the lane as their last, fastest axis. Positions along the detector are counted in bins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from bench.compiled import compiled

Array = npt.NDArray[np.float32]
Directions = npt.NDArray[np.float64]  # (directions, 2): cosine and sine
Intrinsic = tuple[Any, Callable[..., Any]]

LANES = 8
_BLOCK = 64  # fine pixels along a side of the block that is projected at once
_ROWS, _COLUMNS = 16, 32  # pixels of the block that is back-projected at once
_SUB_BITS = 11  # a pixel's place between two bin edges is known to 2**-11 bins
_ONE = 1 << 32  # one bin in fixed-point positions

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_compiled = compiled(nogil=True, error_model="numpy")


def _address(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer())


def _broadcast(builder: Any, value: Any) -> Any:
    none, index = ir.Constant(_VECTOR, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(none, value, ir.Constant(index, 0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(index, LANES), [0] * LANES))


def _next(builder: Any, at: Any) -> Any:
    return builder.add(at, ir.Constant(at.type, LANES))


def _spread_lanes(_: Any, bins: Any, at: Any, pixels: Any, start: Any, share: Any) -> Intrinsic:
    """Add a pixel's lanes to two bins: ``share`` to the one after ``at``, the rest to the one at ``at``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bins, at, pixels, start, share = arguments
        value = builder.load(_address(context, builder, signature.args[2], pixels, start), align=4)
        right = builder.fmul(value, _broadcast(builder, share))
        here = _address(context, builder, signature.args[0], bins, at)
        after = _address(context, builder, signature.args[0], bins, _next(builder, at))
        left_sum = builder.fadd(builder.load(here, align=4), builder.fsub(value, right))
        right_sum = builder.fadd(builder.load(after, align=4), right)
        builder.store(left_sum, here, align=4)
        builder.store(right_sum, after, align=4)
        return context.get_dummy_value()

    return types.void(bins, types.intp, pixels, types.intp, types.float32), generate


def _gather_lanes(_: Any, pixels: Any, at: Any, bins: Any, start: Any, share: Any) -> Intrinsic:
    """Add to a pixel's lanes the value ``share`` of the way from the bin at ``start`` to the next."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pixels, at, bins, start, share = arguments
        left = builder.load(_address(context, builder, signature.args[2], bins, start), align=4)
        after = _address(context, builder, signature.args[2], bins, _next(builder, start))
        slope = builder.fsub(builder.load(after, align=4), left)
        value = builder.fadd(left, builder.fmul(_broadcast(builder, share), slope))
        here = _address(context, builder, signature.args[0], pixels, at)
        builder.store(builder.fadd(builder.load(here, align=4), value), here, align=4)
        return context.get_dummy_value()

    return types.void(pixels, types.intp, bins, types.intp, types.float32), generate


_spread: Any = intrinsic(_spread_lanes)
_gather: Any = intrinsic(_gather_lanes)


@_compiled
def _load(objects: Array, top: int, left: int, block: Array) -> bool:
    """Copy a block of every slice to (row, column, lane) order, zeros outside; False if all of it is zero."""
    slices, size = objects.shape[0], objects.shape[1]
    block[:] = 0.0
    something = False
    for lane in range(slices):
        for i in range(min(_BLOCK, size - top)):
            for j in range(min(_BLOCK, size - left)):
                value = objects[lane, top + i, left + j]
                block[(i * _BLOCK + j) * LANES + lane] = value
                something |= value != 0.0
    return something


@_compiled
def project(objects: Array, directions: Directions, shares: Array, size: int, sums: Array) -> None:
    """Add the (slices, m, m) objects into ``sums``, flat (directions, bins, lane)."""
    fine = objects.shape[1]
    pitch = size / fine
    bins = sums.size // (directions.shape[0] * LANES)
    block = np.empty(_BLOCK * _BLOCK * LANES, np.float32)
    local = np.empty((2 * _BLOCK + 4) * LANES, np.float32)
    for top in range(0, fine, _BLOCK):
        for left in range(0, fine, _BLOCK):
            if not _load(objects, top, left, block):
                continue
            for d in range(directions.shape[0]):
                right, down = directions[d, 0] * pitch, -directions[d, 1] * pitch
                corner = (left - (fine - 1) / 2) * right + (top - (fine - 1) / 2) * down + bins / 2
                first = math.floor(corner + (_BLOCK - 1) * (min(right, 0.0) + min(down, 0.0)) - 0.5)
                outer, inner, outer_step, inner_step = down, right, _BLOCK * LANES, LANES
                if abs(down) > abs(right):  # walk along the axis that changes bins faster
                    outer, inner, outer_step, inner_step = right, down, LANES, _BLOCK * LANES
                place = np.int64((corner - first + 0.5 + 0.5 ** (_SUB_BITS + 1)) * _ONE)
                outer_move, inner_move = np.int64(round(outer * _ONE)), np.int64(round(inner * _ONE))
                local[:] = 0.0
                for i in range(_BLOCK):
                    t = place + i * outer_move
                    at = i * outer_step
                    for _ in range(_BLOCK):
                        share = shares[d, (t >> (32 - _SUB_BITS)) & ((1 << _SUB_BITS) - 1)]
                        _spread(local, ((t >> 32) - 1) * LANES, block, at, share)
                        t += inner_move
                        at += inner_step
                start = (d * bins + first) * LANES
                stop = min(local.size, (bins - first) * LANES)
                for k in range(max(0, -first * LANES), stop):
                    sums[start + k] += local[k]


@_compiled
def back_project(views: Array, directions: Directions, bins: int, images: Array) -> None:
    """Add flat (directions, bins, lane) ``views`` into the (slices, n, n) ``images``."""
    slices, size = images.shape[0], images.shape[1]
    block = np.empty(_ROWS * _COLUMNS * LANES, np.float32)
    places, shares = np.empty(_COLUMNS, np.int32), np.empty(_COLUMNS, np.float32)
    middle = (size - 1) / 2
    for top in range(0, size, _ROWS):
        rows = min(_ROWS, size - top)
        for left in range(0, size, _COLUMNS):
            columns = min(_COLUMNS, size - left)
            block[:] = 0.0
            for d in range(directions.shape[0]):
                right, up = directions[d, 0], directions[d, 1]
                for i in range(rows):
                    start = (left - middle) * right + (middle - top - i) * up + (bins - 1) / 2
                    for j in range(_COLUMNS):
                        t = start + j * right
                        places[j] = np.int32(t)
                        shares[j] = np.float32(t - np.int32(t))
                    for j in range(columns):
                        at = (i * _COLUMNS + j) * LANES
                        _gather(block, at, views, (d * bins + places[j]) * LANES, shares[j])
            for lane in range(slices):
                for i in range(rows):
                    for j in range(columns):
                        images[lane, top + i, left + j] += block[(i * _COLUMNS + j) * LANES + lane]


@_compiled
def pixel_shares(directions: Directions, pitch: float) -> Array:
    """Return (directions, 2**_SUB_BITS): the share of a pixel right of the edge nearest to its centre.

    The centre lies u = -0.5 .. 0.5 bins past the edge. The pixel's shadow is a box ``pitch |cos|`` wide
    smoothed by one ``pitch |sin|`` wide; the share is its integral right of the edge.
    """
    places = 1 << _SUB_BITS
    shares = np.empty((directions.shape[0], places), np.float32)
    for d in range(directions.shape[0]):
        cos, sin = abs(directions[d, 0]) * pitch, abs(directions[d, 1]) * pitch
        wide, narrow = max(cos, sin), min(cos, sin)
        flat, half = (wide - narrow) / 2, (wide + narrow) / 2
        curve = 0.5 / max(narrow * wide, 1e-12)
        for k in range(places):
            u = k / places - 0.5
            rise, fall = min(max(half + u, 0.0), narrow), min(max(half - u, 0.0), narrow)
            shares[d, k] = 0.5 + min(max(u, -flat), flat) / wide + curve * (rise * rise - fall * fall)
    return shares
