"""The kind of alteration of a copied slice (shifted, windowed, noisy, ...), by its pose and the difference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bench.ct.units import MU_WATER
from bench.leaks.local_contrast import body, small
from bench.leaks.registration import Pose

SAME_PATIENT, IDENTICAL, RESAVED = "same patient", "identical", "re-saved"
SHIFTED, FLIPPED, ROTATED, RESAMPLED = "shifted", "flipped", "rotated", "resampled"
WINDOWED, NOISY, NEIGHBOUR = "re-windowed", "noise added", "neighbouring slice"

_TURN = 0.75  # degrees: less is the step of the search
_SHIFT = 0.3 / 128  # of the side
_ROUNDING = 0.004  # mu/mu_water, 4 HU
_LINEAR = 0.02  # slope off 1, or mean off 0
_MONOTONE = 0.97  # share of the variance that a curve of grey values explains
_BINS = 24


def alteration(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], pose: Pose) -> str:
    """Return the kind of a pair of slices (n, n) in 1/cm that agree in ``pose``."""
    if first.shape == second.shape and np.array_equal(first, second):
        return IDENTICAL
    if pose.mirrored:
        return FLIPPED
    if abs(pose.angle) > _TURN:
        return ROTATED
    if max(abs(pose.rows), abs(pose.columns)) > _SHIFT:
        return SHIFTED
    if pose.zoom != 1.0:
        return RESAMPLED
    return _in_place(small(first) / np.float32(MU_WATER), small(second) / np.float32(MU_WATER))


def _in_place(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> str:
    inside = body(a) > 0.5
    x, y = a[inside].astype(np.float64), b[inside].astype(np.float64)
    slope = float(np.polyfit(x, y, 1)[0])
    if abs(slope - 1) < _LINEAR and float(np.sqrt(np.mean((x - y) ** 2))) < _ROUNDING:
        return RESAVED
    changed = abs(slope - 1) > _LINEAR or abs(float(np.mean(x - y))) > _LINEAR
    if changed and _explained(x, y) > _MONOTONE:
        return WINDOWED
    rough = np.where(inside, a - b, 0.0)
    left = ndimage.gaussian_filter(rough, 2.0)
    share = float(np.square(left).sum()) / max(float(np.square(rough).sum()), 1e-12)
    return NOISY if share < 0.15 else NEIGHBOUR


def _explained(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    """Return the share of the variance of ``y`` that a curve through the means of bins of ``x`` explains."""
    edges = np.quantile(x, np.linspace(0, 1, _BINS + 1)[1:-1])
    bins = np.searchsorted(edges, x)
    count = np.maximum(1, np.bincount(bins, minlength=_BINS))
    curve = (np.bincount(bins, y, _BINS) / count)[bins]
    return 1.0 - float(np.var(y - curve)) / max(float(np.var(y)), 1e-12)
