"""The scans that the audit is tried on: small, so that a check takes a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable

from bench.ct.geometry import FanBeam, Geometry, ParallelBeam

SIZE, VIEWS = 64, 120
BEAMS: dict[str, Callable[..., Geometry]] = {
    "parallel360": ParallelBeam,
    "parallel180": lambda size, views, **rest: ParallelBeam(size, views, 180.0, **rest),
    "fan360": FanBeam,
}


def beam(kind: str, **rest: str) -> Geometry:
    """Return a small scan of a kind in ``BEAMS``."""
    return BEAMS[kind](SIZE, VIEWS, **rest)
