"""A way of lowering the dose, and what the degraded slices are held against: plain values, nothing is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bench.ct.geometry import Geometry
from bench.ct.noise import Noise, Noiseless, Quanta


@dataclass(frozen=True)
class Condition:
    """A way of lowering the dose: ``views`` spread over the scan (None: all of them), ``noise`` in each ray, or both.

    ``name`` is a part of the key of every draw. Raises ``ValueError`` if it is empty, or ``views`` is no whole number
    above 0.
    """

    name: str
    views: int | None = None
    noise: Noise = field(default_factory=Noiseless)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a condition needs a name")
        if self.views is not None and (type(self.views) is not int or self.views < 1):
            raise ValueError(
                f"condition {self.name}: views must be a whole number above 0, not {self.views!r}"
            )

    def stride(self, geometry: Geometry) -> int:
        """Return the distance between used views; ``ValueError`` naming the nearest that divide the scan."""
        if self.views is None or geometry.views % self.views == 0:
            return geometry.views // (self.views or geometry.views)
        divisors = [count for count in range(1, geometry.views + 1) if geometry.views % count == 0]
        near = [str(max(d for d in divisors if d < self.views))] if self.views > 1 else []
        near += [str(d) for d in divisors if d > self.views][:1]
        raise ValueError(
            f"condition {self.name}: {self.views} views do not divide the scan's {geometry.views}; "
            f"nearest: {' or '.join(near)}"
        )


@dataclass(frozen=True)
class Reference:
    """What degraded slices are held against: the original slice, or with ``fbp`` its noise-free reconstruction.

    Clinical slices are themselves noisy. ``photons`` per ray of a full-dose scan put its noise into the reference,
    and the degraded slices inherit it: sparse sets take views of that scan, and lower doses keep a part of its
    photons, each with the same chance.
    Raises ``ValueError`` for photons that are not finite and at least 1.
    """

    fbp: bool = False
    photons: float | None = None

    def __post_init__(self) -> None:
        if self.photons is not None and not (math.isfinite(self.photons) and self.photons >= 1):
            raise ValueError(f"reference photons must be finite and at least 1, not {self.photons!r}")

    @property
    def original(self) -> bool:
        """Whether the reference is the slice as it came, which needs no scan."""
        return not self.fbp and self.photons is None

    @property
    def noise(self) -> Quanta | None:
        """The noise of the full dose; None where the reference has none."""
        return None if self.photons is None else Quanta(photons=self.photons)

    def check(self, condition: Condition) -> None:
        """Raise ``ValueError`` where the noise of a condition cannot be a part of that of the full dose."""
        if self.photons is not None:
            try:
                condition.noise.check_part_of(self.photons)
            except ValueError as error:
                raise ValueError(f"condition {condition.name}: {error}") from None
