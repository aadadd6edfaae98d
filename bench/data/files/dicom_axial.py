"""Which CT images are original axial slices in HU: by image type, kind of value and plane of the header.

DICOM PS3.3 C.7.6.1.1.2 (image type), C.8.2.1.1 (CT image), C.7.6.2 (plane).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

STEEPEST = math.cos(math.radians(35))  # a gantry tilts by up to 30 degrees; a reformat stands at 90
_REFORMATS = ("REFORMAT", "MPR", "MIP", "MINIP", "AVERAGE", "CURVED", "VRT", "SSD", "PROJECTION IMAGE", "CSA")
# RescaleType "US" is not among them: it means unspecified, and GDCM writes it where a file had none.
_NOT_HU = {"MGML", "PCT", "Z_EFF", "ED", "EDW", "HU_MOD", "OD"}


def refusal(data: Dataset, *, trusted: bool = False) -> str | None:
    """Return why an image is not an original axial CT slice in HU, or None where it is one.

    The standard calls a lossily compressed original DERIVED; as PRIMARY and AXIAL it counts as an original.
    ``trusted``: the image type is not held against it (archives write it anew), unless it is a localizer.
    """
    modality = str(data.get("Modality"))
    if modality != "CT":
        return f"modality {modality}, not CT"
    kinds = [str(k).strip().upper() for k in _several(data.get("ImageType"))]
    name = "\\".join(kinds)
    if "LOCALIZER" in kinds or "SCOUT" in kinds:
        return f"localizer ({name})"
    if trusted:
        return _value_refusal(data)
    if "SECONDARY" in kinds[1:2] or any(kind.startswith(_REFORMATS) for kind in kinds[2:]):
        return f"derived image ({name})"
    lossy = str(data.get("LossyImageCompression", "")) == "01" and kinds[1:3] == ["PRIMARY", "AXIAL"]
    if kinds[:1] == ["DERIVED"] and not lossy:
        return f"derived image ({name})"
    return _value_refusal(data)


def _value_refusal(data: Dataset) -> str | None:
    if int(data.get("NumberOfFrames") or 1) > 1 or int(data.get("SamplesPerPixel") or 1) != 1:
        return "several frames or colours in one file"
    rescaled = str(data.get("RescaleType") or "HU").strip().upper()
    return f"values in {rescaled}, not HU" if rescaled in _NOT_HU else _plane_refusal(data)


def _plane_refusal(data: Dataset) -> str | None:
    across = normal(data)
    if across is None or len(numbers(data.get("ImagePositionPatient"))) != 3:
        return "no position or orientation"
    return None if abs(across[2]) >= STEEPEST else "not axial (coronal, sagittal or oblique)"


def normal(data: Dataset) -> npt.NDArray[np.float64] | None:
    """Return the unit vector across the slice that points to the head, (3,); None where the header has none."""
    values = numbers(data.get("ImageOrientationPatient"))
    if len(values) != 6:
        return None
    across = np.cross(values[:3], values[3:])
    length = float(np.linalg.norm(across))
    if not 0.9 < length < 1.1:
        return None
    return np.asarray(across / length if across[2] >= 0 else -across / length, np.float64)


def numbers(value: Any) -> list[float]:
    """Return the numbers of a header's value; none where it is empty or one of them is not finite."""
    try:
        values = [float(v) for v in _several(value)]
    except (TypeError, ValueError):
        return []
    return values if all(math.isfinite(n) for n in values) else []


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else list(value)
