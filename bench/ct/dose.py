"""What a lower dose does to a slice: fewer views, or fewer photons per ray.

For a line integral p the detector reads N ~ Poisson(I0 exp(-p)) + Normal(0, sigma), quanta and the noise of the
electronics in units of one photon, and the measured line integral is -ln(max(N, 1) / I0) (Whiting et al. 2006,
doi 10.1118/1.2230762; La Riviere and Billmire 2005, doi 10.1109/TMI.2004.838324).

At another size than 512 the same counts are drawn, and the deviation of the measured line integral from p is
multiplied by ``deviation_factor(size)``, which keeps the level of the reconstructed noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.ct import quanta
from bench.ct.geometry import Geometry
from bench.ct.projector import project, reconstruct
from bench.ct.quanta import Array, Doubles
from bench.ct.units import deviation_factor
from bench.seeds import Name, derive


@dataclass(frozen=True)
class Condition:
    """A way of lowering the dose: ``views`` spread over the scan, ``photons`` leaving for each ray, or both.

    Without photons the views are noise-free; without views the whole scan is used. ``electronic`` is the
    standard deviation of the electronic noise, in photons. Raises ``ValueError`` if neither views nor
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
        if self.photons is not None and not (math.isfinite(self.photons) and self.photons >= 1):
            raise ValueError(
                f"condition {self.name}: photons must be finite and at least 1 for each ray, not {self.photons!r}"
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

    Clinical slices are themselves noisy. ``photons`` per ray of a full-dose scan put its noise into the reference,
    and the degraded slices inherit it: sparse sets take views of that scan, and lower doses keep a part of its
    photons, each with the same chance.
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

    def check(self, condition: Condition) -> None:
        """Raise ``ValueError`` if a condition asks for more photons than there are to be kept."""
        if self.photons is not None and (condition.photons or 0.0) > self.photons:
            raise ValueError(
                f"condition {condition.name}: {condition.photons:g} photons are more than the "
                f"{self.photons:g} of the reference (reference_photons), of which a lower dose keeps a part"
            )


def add_noise(
    sinogram: npt.ArrayLike,
    photons: float,
    names: Sequence[Name],
    electronic: float = 0.0,
    *,
    factor: float = 1.0,
    stride: int = 1,
) -> Array:
    """Return line integrals as ``photons`` per ray would measure them, float32 shaped like ``sinogram``.

    ``names``: what the draws are keyed by; ``electronic``: the standard deviation of the electronic noise, in
    photons; ``factor``: what deviations are multiplied by; ``stride``: every how many-th view of the scan
    (views, bins) is given, so that a view draws alike in a sparse and in a whole scan.
    """
    clean = np.asarray(sinogram, dtype=np.float32)
    rays = clean.reshape(-1, clean.shape[-1])
    return _measured(
        rays, _counted(rays, photons, names, stride), photons, names, electronic, factor, stride
    ).reshape(clean.shape)


def _counted(rays: Array, photons: float, names: Sequence[Name], stride: int) -> Doubles:
    """Return the photons that arrive behind each of the (views, bins) line integrals ``rays``."""
    counts = np.empty(rays.shape)
    quanta.count(np.ascontiguousarray(rays), photons, _key(*names), stride, counts)
    return counts


def _measured(
    rays: Array,
    counts: Doubles,
    photons: float,
    names: Sequence[Name],
    electronic: float,
    factor: float,
    stride: int,
) -> Array:
    """Return the line integrals (views, bins) that ``counts`` stand for, electronic noise added to them."""
    if electronic:
        quanta.add_electronic(counts, electronic, _key(*names, "electronic noise"), stride)
    found = np.empty(rays.shape, np.float32)
    quanta.measure(counts, np.ascontiguousarray(rays), photons, factor, found)
    return found


def _key(*names: Name) -> quanta.Words:
    """Return the two words of the key that stands for ``names``."""
    key = derive(*names)
    return np.array([key % 2**64, key >> 64], np.uint64)


@dataclass(frozen=True)
class Scans:
    """Full scans of a batch of slices; made by ``scan``, all that is needed for references and lower doses.

    All are (slices, views, bins). ``clean``: noise-free line integrals; ``sinograms``: as the scan measured them;
    ``counts``: the photons it counted, None where it is noise-free.
    """

    geometry: Geometry
    pixel_cm: npt.ArrayLike
    keys: Sequence[Sequence[Name]]
    reference: Reference
    clean: Array
    sinograms: Array
    counts: Doubles | None

    def references(self, originals: Array) -> Array:
        """Return what to hold degraded slices against, float32 (slices, n, n) in 1/cm, unclipped."""
        if self.reference.fbp:
            return reconstruct(self.sinograms, self.geometry, self.pixel_cm)
        if self.counts is None:
            return originals
        return originals + reconstruct(self.sinograms - self.clean, self.geometry, self.pixel_cm)

    def degraded(self, conditions: Sequence[Condition]) -> dict[str, Array]:
        """Return each condition's reconstruction by its name, float32 (slices, n, n) in 1/cm, unclipped.

        Raises ``ValueError`` for views that do not divide those of the scan, and for more photons than a noisy
        reference has.
        """
        return {condition.name: self._degraded(condition) for condition in conditions}

    def _degraded(self, condition: Condition) -> Array:
        stride = condition.stride(self.geometry)
        if condition.photons is None:
            return reconstruct(self.sinograms, self.geometry, self.pixel_cm, stride=stride)
        self.reference.check(condition)
        factor = deviation_factor(self.geometry.size)
        noisy = np.empty_like(self.clean[:, ::stride])
        for index, key in enumerate(self.keys):
            rays, names = self.clean[index, ::stride], (*key, condition.name)
            counts = self._counts(index, condition.photons, names, stride)
            noisy[index] = _measured(
                rays, counts, condition.photons, names, condition.electronic, factor, stride
            )
        return reconstruct(noisy, self.geometry.every(stride), self.pixel_cm)

    def _counts(self, index: int, photons: float, names: Sequence[Name], stride: int) -> Doubles:
        """Return a lower dose's photons: drawn, or those of the full dose of which each stays with equal chance."""
        if self.counts is None or self.reference.photons is None:
            return _counted(self.clean[index, ::stride], photons, names, stride)
        full = np.ascontiguousarray(self.counts[index, ::stride])
        counts = np.empty_like(full)
        quanta.thin(full, photons / self.reference.photons, _key(*names), stride, counts)
        return counts


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
        return Scans(geometry, pixel_cm, keys, reference, clean, clean, None)
    measured, counts = np.empty_like(clean), np.empty(clean.shape)
    factor = deviation_factor(geometry.size)
    for index, key in enumerate(keys):
        names = (*key, "full dose", "reference")  # no condition has a key of so many names
        counts[index] = _counted(clean[index], reference.photons, names, 1)
        measured[index] = _measured(clean[index], counts[index], reference.photons, names, 0.0, factor, 1)
    return Scans(geometry, pixel_cm, keys, reference, clean, measured, counts)


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
    ``ValueError`` for wrong shapes, repeated names, views that do not divide those of the scan and more photons
    than the reference has.
    """
    names = [condition.name for condition in conditions]
    if len(set(names)) != len(names):
        raise ValueError(f"conditions need different names, not {', '.join(names)}")
    for condition in conditions:
        condition.stride(geometry)
        (reference or Reference()).check(condition)
    return scan(objects, pixel_cm, geometry, keys, reference).degraded(conditions)
