"""Padding that no header names: which pixels of a slice it is, so that it becomes air.

The corners outside a scanner's field of view hold a constant far below air, such as -2000 or -3024 HU. DICOM
has a tag for its value; many files lack it, and arrays never have one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

NO_NOISE_BELOW = -1500.0  # HU; noise in the air of a clinical scan was seen down to -1450
LEAST_PIXELS = 16  # equal neighbours by chance, in noise of whole HU, are a few

Mask = npt.NDArray[np.bool_]


def untagged(hu: npt.NDArray[Any], tagged: Mask | None = None, *, lossy: bool = False) -> Mask | None:
    """Return which pixels (H, W) of a slice in HU are padding that no tag names; None: none are.

    That is one value below -1500 HU over a connected area of at least 16 pixels that touches the border. After
    lossy compression padding lies near a value instead of at it: with ``lossy`` it is all that is below -1500
    HU and connected with the border, also by way of ``tagged`` padding. Any other value is noise and stays.
    """
    deep = _deep(hu, tagged)
    if not deep.any():
        return None
    if lossy:
        mask = _at_border(deep if tagged is None else deep | tagged) & deep
    else:
        number = np.zeros(hu.shape, np.int32)
        number[deep] = 1 + np.unique(hu[deep], return_inverse=True)[1]
        mask = _at_border(number)
    return mask if mask.any() else None


def uneven(hu: npt.NDArray[Any], tagged: Mask | None, padding: Mask | None) -> float:
    """Return the share of a slice that is below -1500 HU and connected with the border, but not ``padding``."""
    deep = _deep(hu, tagged)
    if padding is not None:
        deep &= ~padding
    if not deep.any():
        return 0.0
    return float((_at_border(deep if tagged is None else deep | tagged) & deep).mean())


def stray(hu: npt.NDArray[Any], tagged: Mask | None) -> Mask:
    """Return which pixels are below -1500 HU and no padding, tagged or not."""
    deep, padding = _deep(hu, tagged), untagged(hu, tagged)
    return deep if padding is None else deep & ~padding


def _deep(hu: npt.NDArray[Any], tagged: Mask | None) -> Mask:
    deep: Mask = hu < NO_NOISE_BELOW
    return deep if tagged is None else deep & ~tagged


def _at_border(numbers: npt.NDArray[Any]) -> Mask:
    """Return where neighbours of one number (0: none) form an area of enough pixels that touches the border."""
    from skimage.measure import label  # late: most slices have nothing so low

    areas = label(numbers, background=0, connectivity=1)  # type: ignore[no-untyped-call]
    border = np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])
    large = np.bincount(areas.ravel()) >= LEAST_PIXELS
    kept = np.zeros(large.size, np.bool_)
    kept[np.unique(border)] = True
    kept &= large
    kept[0] = False
    return np.asarray(kept[areas], np.bool_)
