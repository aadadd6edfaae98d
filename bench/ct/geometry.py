"""The parallel-beam scan: which rays are measured.

Coordinates are in pixels of the ``size`` x ``size`` grid with the origin at its centre, x to the right and
y up. The ray of angle a and bin b runs along ``x cos(a) + y sin(a) = b - (bins - 1) / 2``: bins are one pixel
apart, their number is odd and the central one passes through the origin, so that over 360 degrees the view
at a + 180 degrees is exactly the mirror image of the view at a.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ParallelBeam:
    """``views`` directions spread evenly over ``arc_degrees`` (180 or 360), the end point left out.

    Raises ``ValueError`` for a size or a number of views below 1, or another arc.
    """

    size: int
    views: int = 720
    arc_degrees: float = 360.0

    def __post_init__(self) -> None:
        for name in ("size", "views"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.arc_degrees not in (180.0, 360.0):
            raise ValueError(f"arc_degrees must be 180 or 360, not {self.arc_degrees!r}")

    @property
    def bins(self) -> int:
        """Rays per view: the grid's diagonal and a margin, always odd; 729 for a size of 512."""
        return 2 * math.ceil(self.size * math.sqrt(2.0) / 2.0) + 3

    @property
    def angles(self) -> npt.NDArray[np.float64]:
        """Angle of each view in radians, shape (views,)."""
        return np.arange(self.views, dtype=np.float64) * (math.radians(self.arc_degrees) / self.views)

    @property
    def directions(self) -> npt.NDArray[np.float64]:
        """Cosine and sine of each angle, shape (views, 2), exactly symmetric under quarter turns."""
        quarters, rest = np.divmod(np.arange(self.views) * round(self.arc_degrees / 90.0), self.views)
        base = rest * (math.pi / 2.0 / self.views)
        cos, sin = np.cos(base), np.sin(base)
        turns = np.array([(cos, sin), (-sin, cos), (-cos, -sin), (sin, -cos)])
        return np.ascontiguousarray(turns[quarters, :, np.arange(self.views)])

    @property
    def mirrored(self) -> bool:
        """Whether the second half of the views repeats the directions of the first."""
        return self.arc_degrees == 360.0 and self.views % 2 == 0

    def every(self, stride: int) -> ParallelBeam:
        """Return the scan of every ``stride``-th view; ``ValueError`` if it does not divide the views."""
        if stride < 1 or self.views % stride:
            raise ValueError(f"a stride of {stride} does not divide {self.views} views")
        return ParallelBeam(self.size, self.views // stride, self.arc_degrees)

    def distinct_directions(self, stride: int = 1) -> int:
        """Return how many different directions every ``stride``-th view has: half the views if mirrored."""
        part = self.every(stride)
        return part.views // 2 if part.mirrored else part.views
