"""Masks beside images: files of labels, told by their names or by their values."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

MASK = "mask"  # the kind under which they are counted
HIGHEST_LABEL, MOST_LABELS = 255, 128  # a window of 8 bits has about 256 values, TotalSegmentator 118 labels
_WORDS = {
    "mask", "masks", "seg", "segs", "segmentation", "segmentations", "label", "labels", "labelstr",
    "labelsts", "labelsval",
}  # fmt: skip


def named_as_mask(relative: str) -> bool:
    """Return whether a file's name ends in, or a folder above it is called, a word for masks.

    ``P1_seg.nii.gz`` and ``labelsTr/P1.nii.gz`` are; ``unmasked/P1.nii.gz`` and ``seg_P1.nii.gz`` are not.
    """
    *folders, name = PurePosixPath(relative.lower()).parts
    words = re.findall("[a-z]+", name.split(".", 1)[0])
    return any(folder in _WORDS for folder in folders) or bool(_WORDS & {*words[-1:]})


def is_labels(values: npt.NDArray[Any]) -> bool:
    """Return whether an array holds whole numbers as a mask does: from 0, at most 255, few different ones.

    An array of one value is none: it may be an image that is damaged.
    """
    low, high = values.min(), values.max()
    if not (low >= 0 and low < high <= HIGHEST_LABEL and np.array_equal(values, np.rint(values))):
        return False
    return np.unique(values).size <= MOST_LABELS
