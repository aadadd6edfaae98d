"""What a lower dose does to a slice: fewer views, or fewer photons per ray.

Each ray of a scan is measured with the noise of its condition (``bench.ct.noise``). At another size than 512 the
same counts are drawn, and the deviation of the measured line integral from the noise-free one is multiplied by
``deviation_factor(size)``, which keeps the level of the reconstructed noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.ct.conditions import Condition, Reference
from bench.ct.geometry import Geometry
from bench.ct.noise import FullDose, Noise, Rays
from bench.ct.projector import project, reconstruct
from bench.ct.quanta import Array, Doubles
from bench.ct.units import deviation_factor
from bench.seeds import Name


def add_noise(
    sinogram: npt.ArrayLike,
    noise: Noise,
    names: Sequence[Name],
    *,
    factor: float = 1.0,
    stride: int = 1,
) -> Array:
    """Return line integrals as they are measured with ``noise``, float32 shaped like ``sinogram``.

    ``names``, ``factor`` and ``stride`` are those of ``Rays``; the last axis of ``sinogram`` holds the bins.
    """
    clean = np.asarray(sinogram, dtype=np.float32)
    rays = Rays(clean.reshape(-1, clean.shape[-1]), tuple(names), stride, factor)
    return noise.draw(rays).reshape(clean.shape)


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
        self.reference.check(condition)
        measured = np.empty_like(self.clean[:, ::stride])
        for index, key in enumerate(self.keys):
            measured[index] = condition.noise.draw(self._rays(index, (*key, condition.name), stride))
        return reconstruct(measured, self.geometry.every(stride), self.pixel_cm)

    def _rays(self, index: int, names: tuple[Name, ...], stride: int) -> Rays:
        """Return every ``stride``-th view of one slice, with what the full dose measured there."""
        full, factor = None, deviation_factor(self.geometry.size)
        if self.counts is not None and self.reference.photons is not None:
            counts, integrals = self.counts[index, ::stride], self.sinograms[index, ::stride]
            full = FullDose(self.reference.photons, counts, integrals)
        return Rays(self.clean[index, ::stride], names, stride, factor, full)


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
    noise = reference.noise
    if noise is None:
        return Scans(geometry, pixel_cm, keys, reference, clean, clean, None)
    measured, counts = np.empty_like(clean), np.empty(clean.shape)
    for index, key in enumerate(keys):
        names = (*key, "full dose", "reference")  # no condition has a key of so many names
        rays = Rays(clean[index], names, factor=deviation_factor(geometry.size))
        counts[index] = noise.count(rays)
        measured[index] = noise.measure(counts[index], rays)
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
