"""The scan: which rays are measured, and how they are filtered.

Coordinates are in pixels of the ``size`` x ``size`` grid with the origin at its centre, which is the centre of
rotation, x to the right and y up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from bench.ct.angles import cos_sin
from bench.ct.filters import WINDOWS


class Geometry(Protocol):
    """What every scan has in common: a grid to reconstruct, views of equally many bins, a filter."""

    @property
    def size(self) -> int:
        """Pixels along a side of the reconstructed grid."""

    @property
    def views(self) -> int:
        """Views of the whole scan, spread evenly over ``arc_degrees``, the end point left out."""

    @property
    def bins(self) -> int:
        """Rays per view."""

    @property
    def filter(self) -> str:
        """Name of the reconstruction filter, one of ``bench.ct.filters.WINDOWS``."""

    @property
    def arc_degrees(self) -> float:
        """The angle over which the views are spread."""

    def every(self, stride: int) -> Self:
        """Return the scan of every ``stride``-th view; ``ValueError`` if it does not divide the views."""

    def distinct_directions(self, stride: int = 1) -> int:
        """Return how many different view directions every ``stride``-th view has."""

    def central_directions(self, stride: int = 1) -> int:
        """Return how many different lines every ``stride``-th view draws through the isocentre."""


@dataclass(frozen=True)
class ParallelBeam:
    """Parallel rays: ``views`` directions spread evenly over ``arc_degrees`` (180 or 360).

    The ray of angle a and bin b runs along ``x cos(a) + y sin(a) = b - (bins - 1) / 2``: bins are one pixel
    apart, their number is odd and the central one passes through the origin, so that over 360 degrees the
    view at a + 180 degrees is exactly the mirror image of the view at a. Raises ``ValueError`` for a size or
    a number of views below 1, another arc and an unknown filter.
    """

    size: int
    views: int = 720
    arc_degrees: float = 360.0
    filter: str = "ram-lak"

    def __post_init__(self) -> None:
        _check(self)
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
        return _directions(self.views, round(self.arc_degrees / 90.0))

    @property
    def mirrored(self) -> bool:
        """Whether the second half of the views repeats the directions of the first."""
        return self.arc_degrees == 360.0 and self.views % 2 == 0

    def every(self, stride: int) -> Self:
        """Return the scan of every ``stride``-th view; ``ValueError`` if it does not divide the views."""
        return replace(self, views=_divided(self.views, stride))

    def distinct_directions(self, stride: int = 1) -> int:
        """Return how many different directions every ``stride``-th view has: half the views if mirrored."""
        part = self.every(stride)
        return part.views // 2 if part.mirrored else part.views

    def central_directions(self, stride: int = 1) -> int:
        """Return how many different lines every ``stride``-th view draws through the isocentre: one a direction."""
        return self.distinct_directions(stride)


@dataclass(frozen=True)
class FanBeam:
    """A clinical fan beam over 360 degrees: a point source and bins at equal angles on an arc around it.

    The numbers are those of the Siemens SOMATOM Definition AS+ as the projections of the collection
    LDCT-and-Projection-data state them (Moen et al. 2021, doi 10.1002/mp.14594): source to isocentre 595 mm,
    source to detector 1085.6 mm, 736 bins of 1.2858 mm, shifted by a quarter of a bin so that opposite rays
    interleave. They hold at a size of 512; at n pixels there are n/512 times as many bins, 512/n times as
    wide. Lengths are true millimetres, so a field of view of more than about 502 mm is not fully measured.

    View v has its source at ``source_cm (-sin b, cos b)``, b = 2 pi v / views, and the ray of bin k runs at
    ``gamma = (k - (bins - 1) / 2 + 1 / 4) pitch`` from the line through the origin, counted
    counter-clockwise. Raises ``ValueError`` for a size or a number of views below 1 and an unknown filter.
    """

    size: int
    views: int = 1080
    filter: str = "ram-lak"

    arc_degrees: ClassVar[float] = 360.0
    source_cm: ClassVar[float] = 59.5
    detector_cm: ClassVar[float] = 108.56
    offset: ClassVar[float] = 0.25  # of a bin

    def __post_init__(self) -> None:
        _check(self)

    @property
    def bins(self) -> int:
        """Rays per view, always even; 736 for a size of 512."""
        return 2 * math.ceil(736 * self.size / 1024)

    @property
    def pitch(self) -> float:
        """Angle between neighbouring rays in radians."""
        return 0.12858 / self.detector_cm * 512 / self.size

    @property
    def gammas(self) -> npt.NDArray[np.float64]:
        """Angle of each bin's ray from the central line in radians, shape (bins,)."""
        places = np.arange(self.bins, dtype=np.float64) - (self.bins - 1) / 2 + self.offset
        return places * self.pitch

    @property
    def angles(self) -> npt.NDArray[np.float64]:
        """Angle of each view in radians, shape (views,)."""
        return np.arange(self.views, dtype=np.float64) * (2.0 * math.pi / self.views)

    @property
    def directions(self) -> npt.NDArray[np.float64]:
        """Cosine and sine of each view's angle, shape (views, 2), exactly symmetric under quarter turns."""
        return _directions(self.views, 4)

    def every(self, stride: int) -> Self:
        """Return the scan of every ``stride``-th view; ``ValueError`` if it does not divide the views."""
        return replace(self, views=_divided(self.views, stride))

    def distinct_directions(self, stride: int = 1) -> int:
        """Return how many different view directions every ``stride``-th view has: all, no two fans are alike."""
        return self.every(stride).views

    def central_directions(self, stride: int = 1) -> int:
        """Return how many different lines every ``stride``-th view draws through the isocentre.

        There, and nowhere else, opposite views draw the same line: half of an even number.
        """
        views = self.every(stride).views
        return views // 2 if views % 2 == 0 else views


def _check(scan: Geometry) -> None:
    for name in ("size", "views"):
        value = getattr(scan, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
    if scan.filter not in WINDOWS:
        raise ValueError(f"filter must be one of {', '.join(WINDOWS)}, not {scan.filter!r}")


def _divided(views: int, stride: int) -> int:
    if stride < 1 or views % stride:
        raise ValueError(f"a stride of {stride} does not divide {views} views")
    return views // stride


def _directions(views: int, quarter_turns: int) -> npt.NDArray[np.float64]:
    quarters, rest = np.divmod(np.arange(views) * quarter_turns, views)
    base = rest * (math.pi / 2.0 / views)
    cos, sin = cos_sin(base)
    turns = np.array([(cos, sin), (-sin, cos), (-cos, -sin), (sin, -cos)])
    return np.ascontiguousarray(turns[quarters, :, np.arange(views)])
