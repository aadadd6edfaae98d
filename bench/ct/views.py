"""How many views a scan and each condition has, and in how many directions, in words: ``60 views (30 directions)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.ct.geometry import FanBeam, Geometry


@dataclass(frozen=True)
class Views:
    """The views of a scan, and of the conditions that use a part of them: ``sparse``, by the condition's name."""

    scan: Geometry
    sparse: Mapping[str, int]

    @property
    def lines(self) -> list[str]:
        """The scan, below it each sparse condition, and the remarks, as lines that may be folded."""
        sparse = [f"  {name}: {counted(self.scan, count)}" for name, count in self.sparse.items()]
        return [f"scan: {in_words(self.scan)}", *sparse, *(f"remark: {text}" for text in self.remarks)]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is surprising: an odd number of views over 360 degrees, where directions do not follow views."""
        if self.scan.arc_degrees != 360.0:
            return ()
        odd = {name: count for name, count in self.sparse.items() if count % 2}
        return tuple(f"{name}: {_odd(self.scan, count)}" for name, count in odd.items())


def in_words(scan: Geometry) -> str:
    """Return a scan in words: ``parallel beam, 720 views (360 directions) over 360 degrees``."""
    beam = "fan beam" if isinstance(scan, FanBeam) else "parallel beam"
    return f"{beam}, {counted(scan, scan.views)} over {scan.arc_degrees:g} degrees"


def counted(scan: Geometry, views: int) -> str:
    """Return ``60 views (30 directions)`` for so many evenly spread ``views`` of a scan.

    Raises ``ValueError`` where ``views`` do not divide those of the scan.
    """
    return f"{_count(views, 'view')} ({directions(scan, views)})"


def directions(scan: Geometry, views: int) -> str:
    """Return ``30 directions``, of a fan ``30 directions at the isocentre``; raises as ``counted`` does."""
    stride = scan.views // views
    if stride * views != scan.views:
        raise ValueError(f"{views} views do not divide the scan's {scan.views}")
    where = " at the isocentre" if isinstance(scan, FanBeam) else ""
    return _count(scan.central_directions(stride), "direction") + where


def _odd(scan: Geometry, views: int) -> str:
    if isinstance(scan, FanBeam):
        return (
            f"{counted(scan, views)}, but only there do opposite views of a fan draw the same line: an odd number "
            "has about the streaks of its neighbours"
        )
    twice = f"{2 * views} views ({directions(scan, views)})"
    return (
        f"{counted(scan, views)} leave the streaks of {twice}: an odd number over 360 degrees has no opposite views, "
        "which would repeat a direction"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
