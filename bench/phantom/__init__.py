"""A procedural chest and upper abdomen: smooth 3-D anatomy, drawn per patient, cut into CT slices in HU.

The anatomy is made of distance fields and tubes in mm, so it is the same at every size, changes smoothly
along the body, and no data file is needed. It is a stand-in for development: numbers measured on it never
compare with numbers on scans. Values in HU: lung -890 to -790, fat -115 to -95, muscle 45 to 65, blood 35 to
50 (plain) or 150 to 300 (contrast), liver 45 to 70 or 90 to 130, trabecular bone 120 to 260, cortical bone
700 to 1900, air -1000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.phantom.anatomy import Anatomy, anatomy

if TYPE_CHECKING:
    from bench.phantom.lesions import Nodule as Nodule

__all__ = [
    "PHANTOM_VERSION",
    "Anatomy",
    "anatomy",
    "nodules",
    "patients",
    "render",
    "z_mm",
]

PHANTOM_VERSION = 3  # raise it with every change that moves a pixel


def patients(count: int) -> list[str]:
    """Return the names P001, P002, ... of ``count`` patients; ValueError if count is below 1."""
    if count < 1:
        raise ValueError(f"a phantom needs at least 1 patient, not {count}")
    return [f"P{number:03d}" for number in range(1, count + 1)]


def z_mm(patient: str, z: float, seed: int = 0) -> float:
    """Return the height in mm below the top slice of relative height ``z`` in [0, 1]."""
    return _height(z) * anatomy(patient, seed).length


def render(patient: str, z: float, *, size: int, seed: int = 0) -> tuple[NDArray[np.float32], float]:
    """Return one slice in HU, float32 (size, size), and its pixel size in mm.

    ``z`` runs from 0 near the apex of the lungs to 1 in the upper abdomen. Rows go from front to back,
    columns from the patient's right to left. Equal arguments give equal bits, on every processor: drawn in double
    precision and rounded to 1/64 HU.

    Raises:
        ValueError: for z outside [0, 1] or a size that is no whole number of 16 to 2048.
    """
    from bench.phantom.drawing import draw  # late: it compiles, and a plan needs names and heights only

    a = anatomy(patient, seed)
    return draw(a, _height(z), size).finish(a.blur), a.fov / size


def nodules(patient: str, seed: int = 0) -> tuple[Nodule, ...]:
    """Return the known lesions of a patient: five to eight in the lungs, up to four in the liver.

    Places are in mm from the centre of the field (x to image right, y down, z as ``z_mm``), diameters 3 to 20
    mm. They are true of the object: the blur of the scanner takes height from the smallest.
    """
    from bench.phantom.lesions import nodules_of

    return nodules_of(anatomy(patient, seed))


def _height(z: float) -> float:
    if not 0.0 <= z <= 1.0:
        raise ValueError(f"z must lie in [0, 1], not {z}")
    return float(z)
