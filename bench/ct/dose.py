"""What a lower dose does to a slice: fewer views, or fewer photons per ray.

Counts are Poisson, N ~ Poisson(I0 exp(-p)) for a line integral p, and the measured line integral is
-ln(max(N, 1) / I0) (Whiting et al. 2006, doi 10.1118/1.2230762, without electronic noise).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.ct.geometry import Geometry
from bench.ct.kernels import Array
from bench.ct.projector import project, reconstruct
from bench.ct.units import effective_photons
from bench.seeds import Name, generator


@dataclass(frozen=True)
class Condition:
    """A way of lowering the dose: ``views`` spread over the scan, ``photons`` per ray at 512, or both.

    Without photons the views are noise-free; without views the whole scan is used. Raises ``ValueError`` if
    neither is given or a value is out of range.
    """

    name: str
    views: int | None = None
    photons: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a condition needs a name")
        if self.views is None and self.photons is None:
            raise ValueError(f"condition {self.name}: give views, photons or both")
        if self.views is not None and (type(self.views) is not int or self.views < 1):
            raise ValueError(
                f"condition {self.name}: views must be a whole number above 0, not {self.views!r}"
            )
        if self.photons is not None and not (math.isfinite(self.photons) and self.photons > 0):
            raise ValueError(
                f"condition {self.name}: photons must be finite and above 0, not {self.photons!r}"
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


def add_noise(sinogram: npt.ArrayLike, photons: float, random: np.random.Generator) -> Array:
    """Return line integrals as ``photons`` per ray would measure them, float32 shaped like ``sinogram``."""
    expected = photons * np.exp(-np.asarray(sinogram, dtype=np.float64))
    counts = random.poisson(expected)
    return (math.log(photons) - np.log(np.maximum(counts, 1))).astype(np.float32)


def degrade(
    objects: npt.ArrayLike,
    pixel_cm: npt.ArrayLike,
    geometry: Geometry,
    conditions: Sequence[Condition],
    keys: Sequence[Sequence[Name]],
) -> dict[str, Array]:
    """Return each condition's reconstruction by its name, float32 (slices, n, n) in 1/cm, unclipped.

    ``objects``: (slices, m, m) attenuation in 1/cm, m a multiple of n = ``geometry.size``; ``pixel_cm``:
    (slices,) width in cm of a pixel of the n x n grid; ``keys``: the names of each slice, from which with the
    condition's name its Poisson noise is drawn. Every condition starts from one projection. Raises
    ``ValueError`` for wrong shapes, repeated names and views that do not divide those of the scan.
    """
    names = [condition.name for condition in conditions]
    if len(set(names)) != len(names):
        raise ValueError(f"conditions need different names, not {', '.join(names)}")
    strides = [condition.stride(geometry) for condition in conditions]
    count = len(np.asarray(objects))
    if len(keys) != count:
        raise ValueError(f"{count} slices need as many keys, not {len(keys)}")
    sinograms = project(objects, geometry, pixel_cm)
    result = {}
    for condition, stride in zip(conditions, strides, strict=True):
        if condition.photons is None:
            result[condition.name] = reconstruct(sinograms, geometry, pixel_cm, stride=stride)
            continue
        photons = effective_photons(condition.photons, geometry.size)
        noisy = np.empty_like(sinograms[:, ::stride])
        for index, key in enumerate(keys):
            noisy[index] = add_noise(sinograms[index, ::stride], photons, generator(*key, condition.name))
        result[condition.name] = reconstruct(noisy, geometry.every(stride), pixel_cm)
    return result
