"""What a lower dose does to a slice: fewer views, or fewer photons per ray.

For a line integral p the detector reads N ~ Poisson(I0 exp(-p)) + Normal(0, sigma), quanta and the noise of the
electronics in units of one photon, and the measured line integral is -ln(max(N, 1) / I0) (Whiting et al. 2006,
doi 10.1118/1.2230762; La Riviere and Billmire 2005, doi 10.1109/TMI.2004.838324).
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
from bench.ct.units import effective_electronic, effective_photons
from bench.seeds import Name, generator


@dataclass(frozen=True)
class Condition:
    """A way of lowering the dose: ``views`` spread over the scan, ``photons`` per ray at 512, or both.

    Without photons the views are noise-free; without views the whole scan is used. ``electronic`` is the
    standard deviation of the electronic noise, in photons at 512. Raises ``ValueError`` if neither views nor
    photons are given, a value is out of range, or there is electronic noise without photons.
    """

    name: str
    views: int | None = None
    photons: float | None = None
    electronic: float = 0.0

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
        if not (math.isfinite(self.electronic) and self.electronic >= 0):
            raise ValueError(
                f"condition {self.name}: electronic noise must be finite and 0 or more, not {self.electronic!r}"
            )
        if self.electronic and self.photons is None:
            raise ValueError(f"condition {self.name}: electronic noise needs photons")

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

    Clinical slices are themselves noisy. ``photons`` per ray at 512 of a full-dose scan put its noise into the
    reference, and the degraded slices inherit it: they are measured from the line integrals of that scan.
    Raises ``ValueError`` for photons that are not finite and above 0.
    """

    fbp: bool = False
    photons: float | None = None

    def __post_init__(self) -> None:
        if self.photons is not None and not (math.isfinite(self.photons) and self.photons > 0):
            raise ValueError(f"reference photons must be finite and above 0, not {self.photons!r}")

    @property
    def original(self) -> bool:
        """Whether the reference is the slice as it came, which needs no scan."""
        return not self.fbp and self.photons is None


def add_noise(
    sinogram: npt.ArrayLike, photons: float, random: np.random.Generator, electronic: float = 0.0
) -> Array:
    """Return line integrals as ``photons`` per ray would measure them, float32 shaped like ``sinogram``.

    ``electronic``: the standard deviation of the electronic noise, in photons.
    """
    quanta = random.poisson(photons * np.exp(-np.asarray(sinogram, dtype=np.float64)))
    read = quanta + random.normal(0.0, electronic, quanta.shape) if electronic else quanta
    return (math.log(photons) - np.log(np.maximum(read, 1))).astype(np.float32)


@dataclass(frozen=True)
class Scans:
    """Full scans of a batch of slices; made by ``scan``, all that is needed for references and lower doses.

    ``sinograms``: (slices, views, bins); ``noise``: what of them is the noise of the full dose, None without.
    """

    geometry: Geometry
    pixel_cm: npt.ArrayLike
    keys: Sequence[Sequence[Name]]
    reference: Reference
    sinograms: Array
    noise: Array | None

    def references(self, originals: Array) -> Array:
        """Return what to hold degraded slices against, float32 (slices, n, n) in 1/cm, unclipped."""
        if self.reference.fbp:
            return reconstruct(self.sinograms, self.geometry, self.pixel_cm)
        if self.noise is None:
            return originals
        return originals + reconstruct(self.noise, self.geometry, self.pixel_cm)

    def degraded(self, conditions: Sequence[Condition]) -> dict[str, Array]:
        """Return each condition's reconstruction by its name, float32 (slices, n, n) in 1/cm, unclipped.

        Raises ``ValueError`` for views that do not divide those of the scan.
        """
        return {condition.name: self._degraded(condition) for condition in conditions}

    def _degraded(self, condition: Condition) -> Array:
        stride, size = condition.stride(self.geometry), self.geometry.size
        if condition.photons is None:
            return reconstruct(self.sinograms, self.geometry, self.pixel_cm, stride=stride)
        photons = effective_photons(condition.photons, size)
        electronic = effective_electronic(condition.electronic, size)
        noisy = np.empty_like(self.sinograms[:, ::stride])
        for index, key in enumerate(self.keys):
            random = generator(*key, condition.name)
            noisy[index] = add_noise(self.sinograms[index, ::stride], photons, random, electronic)
        return reconstruct(noisy, self.geometry.every(stride), self.pixel_cm)


def scan(
    objects: npt.ArrayLike,
    pixel_cm: npt.ArrayLike,
    geometry: Geometry,
    keys: Sequence[Sequence[Name]],
    reference: Reference | None = None,
) -> Scans:
    """Project a batch once for its references and all its conditions.

    ``objects``: (slices, m, m) attenuation in 1/cm, m a multiple of n = ``geometry.size``; ``pixel_cm``:
    (slices,) width in cm of a pixel of the n x n grid; ``keys``: the names of each slice, from which with the
    condition's name its noise is drawn. Raises ``ValueError`` for wrong shapes.
    """
    count, reference = len(np.asarray(objects)), reference or Reference()
    if len(keys) != count:
        raise ValueError(f"{count} slices need as many keys, not {len(keys)}")
    clean = project(objects, geometry, pixel_cm)
    if reference.photons is None:
        return Scans(geometry, pixel_cm, keys, reference, clean, None)
    photons = effective_photons(reference.photons, geometry.size)
    measured = np.empty_like(clean)
    for index, key in enumerate(keys):  # no condition has a key of so many names
        measured[index] = add_noise(clean[index], photons, generator(*key, "full dose", "reference"))
    return Scans(geometry, pixel_cm, keys, reference, measured, measured - clean)


def degrade(
    objects: npt.ArrayLike,
    pixel_cm: npt.ArrayLike,
    geometry: Geometry,
    conditions: Sequence[Condition],
    keys: Sequence[Sequence[Name]],
    *,
    reference: Reference | None = None,
) -> dict[str, Array]:
    """Return each condition's reconstruction by its name, float32 (slices, n, n) in 1/cm, unclipped.

    The other arguments are those of ``scan``. Every condition starts from one projection. Raises
    ``ValueError`` for wrong shapes, repeated names and views that do not divide those of the scan.
    """
    names = [condition.name for condition in conditions]
    if len(set(names)) != len(names):
        raise ValueError(f"conditions need different names, not {', '.join(names)}")
    for condition in conditions:
        condition.stride(geometry)
    return scan(objects, pixel_cm, geometry, keys, reference).degraded(conditions)
