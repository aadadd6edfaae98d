"""What is known of a lesion."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True)
class Nodule:
    """A sphere in the lung or the liver.

    ``x_mm`` and ``y_mm`` count from the centre of the field, x to image right and y down; ``z_mm`` is the
    height below the top slice. ``hu`` is its mean, ``contrast_hu`` its mean less that of the tissue around.
    """

    kind: str  # solid, ground-glass or liver
    x_mm: float
    y_mm: float
    z_mm: float
    diameter_mm: float
    hu: float
    contrast_hu: float

    def diameter_at(self, z: float) -> float:
        """Diameter in mm of the disc that the plane at height ``z`` mm cuts out; 0 where it passes by."""
        half = (0.5 * self.diameter_mm) ** 2 - (z - self.z_mm) ** 2
        return 2.0 * sqrt(max(0.0, half))
