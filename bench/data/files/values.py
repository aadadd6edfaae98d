"""Statistics of the pixels of a slice, which are remembered beside the hash of its file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.ct.units import MU_WATER
from bench.data.files import padding
from bench.data.files.padding import Mask

AIR = -1000.0  # HU
_ZERO = 1 << 15  # place of 0 HU in a histogram of whole HU
_SOFT = (-500, 4000)  # HU between which the most frequent value is that of soft tissue
_STEP = 50
_FAR = 1e30  # HU; a damaged file may hold what float32 does not
_PER_CM = {"1/cm": 1.0, "1/mm": 10.0}

Pixels = tuple[npt.NDArray[Any], Mask | None, bool]  # a slice, its tagged padding, compressed with loss


@dataclass(frozen=True)
class Values:
    """The pixels of one slice; padding that a header names is left out of everything.

    ``low`` and ``high`` are in the unit of the source. In HU, and without padding of any sort: ``floor`` and
    ``top``, the lowest and highest; the shares of pixels ``water`` (-300 to 300), ``between`` (300 to 700),
    ``bone`` (700 to 1300) and ``dense`` (above 3100); ``soft``, the middle of the fullest 50 HU above -500.
    ``padded`` is the share that is padding without a tag, of value ``padding``; ``uneven`` the share that lies
    as deep at the border but is no constant. ``digest`` stands for the pixels with all below air made air.
    """

    pixels: int = 0
    low: float = 0.0
    high: float = 0.0
    floor: float = 0.0
    top: float = AIR
    water: float = 0.0
    between: float = 0.0
    bone: float = 0.0
    dense: float = 0.0
    soft: float = 0.0
    padded: float = 0.0
    padding: float = 0.0
    uneven: float = 0.0
    digest: str = ""
    finite: bool = True
    lossy: bool = False  # the header says that the pixels were compressed with loss


def in_hu(values: npt.NDArray[Any], unit: str) -> npt.NDArray[np.float32]:
    """Return ``values`` of a ``unit`` (``HU``, ``1/cm``, ``1/mm``) in HU, float32, unclipped."""
    wide = values.astype(np.float64)
    hu = wide if unit == "HU" else 1000.0 * (wide * (_PER_CM[unit] / MU_WATER) - 1.0)
    return np.clip(hu, -_FAR, _FAR).astype(np.float32)


def measure(image: npt.NDArray[Any], unit: str, tagged: Mask | None = None, *, lossy: bool = False) -> Values:
    """Return the statistics of the pixels (H, W) of a slice in ``unit``; ``tagged`` ones are padding by the header."""
    kept = image if tagged is None else image[~tagged]
    if kept.size == 0:
        return Values(image.size, lossy=lossy)
    low, high = float(kept.min()), float(kept.max())
    if not np.isfinite([low, high]).all():
        return Values(image.size, finite=False, lossy=lossy)
    hu = in_hu(image, unit)
    untagged = padding.untagged(hu, tagged, lossy=lossy)
    uneven = padding.uneven(hu, tagged, untagged)
    void = _either(tagged, untagged)
    shares = _shares(hu if void is None else hu[~void])
    at = 0.0 if untagged is None else float(np.median(hu[untagged]))
    padded = 0.0 if untagged is None else float(untagged.mean())
    if void is not None:
        hu[void] = AIR
    clipped = np.ascontiguousarray(np.maximum(hu, AIR))
    digest = hashlib.blake2b(clipped.data, digest_size=8).hexdigest()
    rest = {"padded": padded, "padding": at, "uneven": uneven, "digest": digest, "lossy": lossy}
    return Values(image.size, low, high, **shares, **rest)  # type: ignore[arg-type]


def measured(slices: Iterable[Pixels], unit: str) -> tuple[Values, ...]:
    """Return the values of each slice in ``unit``."""
    return tuple(measure(image, unit, tagged, lossy=lossy) for image, tagged, lossy in slices)


def plain(volume: npt.NDArray[Any]) -> Iterator[Pixels]:
    """Yield the slices of an array (N, H, W), which has no header."""
    return ((image, None, False) for image in volume)


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    return one if other is None else other if one is None else one | other


def _shares(hu: npt.NDArray[np.float32]) -> dict[str, float]:
    """Return the entries of ``Values`` that are counted; those of air where nothing is left."""
    if hu.size == 0:
        return {}
    low, high = float(hu.min()), float(hu.max())
    whole = hu if max(-low, high) < _ZERO else np.clip(hu, 1 - _ZERO, _ZERO - 1)
    counts = np.bincount(whole.astype(np.int16).ravel().view(np.uint16) ^ _ZERO, minlength=2 * _ZERO)

    def share(above: int, to: int) -> float:
        return float(counts[_ZERO + above : _ZERO + to].sum() / hu.size)

    fine = counts[_ZERO + _SOFT[0] : _ZERO + _SOFT[1]].reshape(-1, _STEP).sum(1)
    return {
        "floor": low,
        "top": high,
        "water": share(-300, 301),
        "between": share(301, 701),
        "bone": share(701, 1301),
        "dense": share(3101, _ZERO),
        "soft": float(_SOFT[0] + _STEP * int(fine.argmax()) + _STEP // 2),
    }
