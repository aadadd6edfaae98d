"""Tubes in space: chains of cones with round ends, cut by the slice, and trees that fill a set of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.compiled import compiled
from bench.phantom.canvas import Canvas
from bench.phantom.fields import Array

Segments = NDArray[np.float64]  # rows x0 y0 z0 x1 y1 z1 r0 r1, mm
_SOFT = 2.5  # mm over which ``tubes_distance`` rounds the corner between two tubes
_REACH = 20.0  # mm from a tube's surface beyond which ``tubes_distance`` no longer looks


@compiled()
def _lay(
    out: Array, xs: Array, ys: Array, z: float, segments: Segments, grow: float, slab: float
) -> None:  # pragma: no cover
    """Raise ``out`` to the share of each pixel inside any tube; thinner than a pixel keeps its area.

    A tube counts as hit within ``slab`` mm of the plane: it is seen lengthwise for longer.
    """
    h = xs[1] - xs[0]
    for k in range(segments.shape[0]):
        ax, ay, az, bx, by, bz, ra, rb = segments[k]
        ra, rb = ra + grow, rb + grow
        reach = max(ra, rb) + 0.5 * h
        high = reach + slab
        if reach <= 0.5 * h or z < min(az, bz) - high or z > max(az, bz) + high:
            continue
        ux, uy, uz = bx - ax, by - ay, bz - az
        square = ux * ux + uy * uy + uz * uz + 1e-9
        upright = abs(uz) / np.sqrt(square)
        left = max(0, int((min(ax, bx) - reach - xs[0]) / h))
        right = min(out.shape[1] - 1, int((max(ax, bx) + reach - xs[0]) / h) + 1)
        top = max(0, int((min(ay, by) - reach - ys[0]) / h))
        bottom = min(out.shape[0] - 1, int((max(ay, by) + reach - ys[0]) / h) + 1)
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                px, py, pz = xs[j] - ax, ys[i] - ay, z - az
                s = min(1.0, max(0.0, (px * ux + py * uy + pz * uz) / square))
                dx, dy, dz = px - s * ux, py - s * uy, max(0.0, abs(pz - s * uz) - slab)
                r = ra + s * (rb - ra)
                if r <= 0.0:
                    continue
                share = 0.5 - (np.sqrt(dx * dx + dy * dy + dz * dz) - r) / h
                if share <= 0.0:
                    continue
                share = min(1.0, share)
                if r < 0.5 * h:
                    base = r + 0.5 * h
                    cut = 3.0 * r * r * h / (base * base * base)
                    flat = 2.0 * r * h / (base * base)
                    share *= upright * cut + (1.0 - upright) * flat
                elif r < 3.0 * h:  # the ramp at the edge of a small disc holds more than it cuts away
                    more = upright * h * h / (12.0 * r * r + h * h)
                    share *= 1.0 - more * min(1.0, (3.0 * h - r) / (2.0 * h))
                if share > out[i, j]:
                    out[i, j] = share


def tube_cover(canvas: Canvas, segments: Segments, grow: float = 0.0, slab: float = 0.0) -> Array:
    """Share of each fine pixel of the whole grid inside the tubes.

    Radii are enlarged by ``grow`` mm; a tube within ``slab`` mm of the plane counts as cut by it.
    """
    out: Array = np.zeros((canvas.pixels, canvas.pixels))
    _lay(out, canvas.xs, canvas.ys, canvas.z, segments, grow, slab)
    return out


@compiled()
def _near(
    out: Array, x: Array, y: Array, z: Array, segments: Segments, soft: float, reach: float
) -> None:  # pragma: no cover
    """Soft least distance of each point from the surfaces of the tubes, at most ``reach``."""
    for i in range(out.shape[0]):
        total = np.exp(-reach / soft)
        for k in range(segments.shape[0]):
            ax, ay, az, bx, by, bz, ra, rb = segments[k]
            far = max(ra, rb) + reach
            if x[i] < min(ax, bx) - far or x[i] > max(ax, bx) + far:
                continue
            if y[i] < min(ay, by) - far or y[i] > max(ay, by) + far:
                continue
            if z[i] < min(az, bz) - far or z[i] > max(az, bz) + far:
                continue
            ux, uy, uz = bx - ax, by - ay, bz - az
            px, py, pz = x[i] - ax, y[i] - ay, z[i] - az
            s = (px * ux + py * uy + pz * uz) / (ux * ux + uy * uy + uz * uz + 1e-9)
            s = min(1.0, max(0.0, s))
            dx, dy, dz = px - s * ux, py - s * uy, pz - s * uz
            away = np.sqrt(dx * dx + dy * dy + dz * dz) - (ra + s * (rb - ra))
            if away < reach:
                total += np.exp(-away / soft)
        out[i] = -soft * np.log(total)


def tubes_distance(x: Array, y: Array, z: float | Array, segments: Segments) -> Array:
    """Distance in mm to the union of the tubes, its corners filled; no more than 20 mm. Arguments broadcast."""
    if np.ndim(z) == 0:
        low = np.minimum(segments[:, 2], segments[:, 5]) - segments[:, 6:].max(axis=1) - _REACH
        high = np.maximum(segments[:, 2], segments[:, 5]) + segments[:, 6:].max(axis=1) + _REACH
        segments = segments[(low < z) & (z < high)]
    places = np.broadcast_arrays(x, y, np.asarray(z, np.float64))
    out: Array = np.empty(places[0].shape)
    px, py, pz = (np.ascontiguousarray(v, np.float64).ravel() for v in places)
    _near(out.reshape(-1), px, py, pz, segments, _SOFT, _REACH)
    return out


def depths(segments: Segments, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance in mm of ``point`` (3,) from the surface of each tube, at its wider end; (n,)."""
    start, along = segments[:, :3], segments[:, 3:6] - segments[:, :3]
    share = ((point - start) * along).sum(axis=1) / ((along * along).sum(axis=1) + 1e-9)
    nearest = start + np.clip(share, 0.0, 1.0)[:, None] * along
    result: NDArray[np.float64] = np.linalg.norm(nearest - point, axis=1) - segments[:, 6:].max(axis=1)
    return result


def smooth_chain(points: list[tuple[float, float, float]], radii: list[float], parts: int = 6) -> Segments:
    """A Catmull-Rom curve through ``points`` as segments with linearly varying radius."""
    p = np.array(points, float)
    r = np.array(radii, float)
    ends = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    rows, sizes = [p[0]], [r[0]]
    for i in range(len(p) - 1):
        a, b, c, d = ends[i : i + 4]
        for t in np.linspace(0.0, 1.0, parts + 1)[1:]:
            rows.append(
                0.5
                * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
            )
            sizes.append(r[i] + (r[i + 1] - r[i]) * t)
    line, size = np.array(rows), np.array(sizes)
    return np.hstack([line[:-1], line[1:], size[:-1, None], size[1:, None]])


def tree(root: NDArray[np.float64], points: NDArray[np.float64], tip: float, power: float = 3.0) -> Segments:
    """A branching tree from ``root`` to all ``points`` (n, 3); radius of a branch = tip * leaves^(1/power).

    The radii follow the cube law of Murray 1926, doi 10.1073/pnas.12.3.207. Each branch runs part of the way
    to the mean of its leaves, then parts them across its own direction, the smaller share leaving at a
    sharper angle, so that branches spread outwards like those of a lung.
    """
    calibres = np.array([tip * count ** (1.0 / power) for count in range(len(points) + 1)])
    rows = np.empty((max(1, 2 * len(points) - 1), 8))
    _branch(np.asarray(root, np.float64), np.ascontiguousarray(points, np.float64), calibres, rows)
    return rows


@compiled()
def _dot(a: Array, b: Array) -> float:  # pragma: no cover
    return float(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


@compiled()
def _branch(root: Array, points: Array, calibres: Array, rows: Segments) -> None:  # pragma: no cover
    """Fill ``rows`` with the branches to ``points``; ``calibres`` are the radii by the number of leaves."""
    leaves = points.copy()  # those of a branch stand side by side
    work = [(0, len(points))]
    starts, radii = [root], [calibres[len(points)]]
    row = 0
    while work:
        low, high = work.pop()
        start, radius, count = starts.pop(), radii.pop(), high - low
        calibre = calibres[count]
        rows[row, :3], rows[row, 6] = start, min(radius, 1.15 * calibre)
        if count == 1:
            rows[row, 3:6], rows[row, 7] = leaves[low], 0.6 * calibre
            row += 1
            continue
        middle = leaves[low].copy()
        for k in range(low + 1, high):
            middle += leaves[k]
        middle /= count
        way = middle - start
        end = start + way * (0.3 if count > 40 else 0.42 if count > 3 else 0.6)
        rows[row, 3:6], rows[row, 7] = end, calibre
        row += 1
        spread = leaves[low:high] - middle
        square = _dot(way, way) + 1e-9
        longest, widest = -1.0, 0
        for k in range(count):
            spread[k] -= 0.75 * _dot(spread[k], way) * way / square
            length = _dot(spread[k], spread[k])
            if length > longest:
                longest, widest = length, k
        axis = spread[widest].copy()
        along = np.empty(count)
        for k in range(count):
            along[k] = _dot(spread[k], axis)
        leaves[low:high] = leaves[low:high][along.argsort(kind="mergesort")]
        half = count // 2 if count < 6 else int(count * (0.32 + 0.3 * (np.sqrt(abs(axis[0])) % 1.0)))
        for part in ((low, low + half), (low + half, high)):
            work.append(part)
            starts.append(end)
            radii.append(calibre)
