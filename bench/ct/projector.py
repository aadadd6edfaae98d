"""Projection and filtered back-projection of a batch of slices, for every scan geometry.

The work is done in ``bench.ct.parallel`` and its neighbours, compiled by Numba; here arguments are checked.
Every slice sees the same operations in the same order and has the same bits alone and in any batch. All runs
on the calling thread; the compiled loops release the GIL.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.ct import fan, parallel
from bench.ct.geometry import FanBeam, Geometry, ParallelBeam
from bench.ct.kernels import Array


def _pixel_widths(pixel_cm: npt.ArrayLike, slices: int) -> npt.NDArray[np.float64]:
    widths = np.asarray(pixel_cm, dtype=np.float64)
    if widths.shape != (slices,):
        raise ValueError(f"pixel_cm must hold one width per slice, shape ({slices},), not {widths.shape}")
    if not (np.isfinite(widths) & (widths > 0)).all():
        raise ValueError("pixel_cm must be finite and above 0")
    return widths


def _fine_objects(objects: npt.ArrayLike, size: int) -> Array:
    """Return float32 objects with at least two pixels per bin; repeating a pixel changes no integral."""
    values = np.ascontiguousarray(objects, dtype=np.float32)
    side = values.shape[-1] if values.ndim == 3 else 0
    if side < 1 or values.shape[1] != side or side % size:
        raise ValueError(f"objects must be (slices, m, m), m a multiple of {size}, not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("objects must be finite; found NaN or infinity")
    if side == size:
        values = np.ascontiguousarray(values.repeat(2, axis=1).repeat(2, axis=2))
    return values


def project(objects: npt.ArrayLike, geometry: Geometry, pixel_cm: npt.ArrayLike) -> Array:
    """Return the line integrals, float32 (slices, views, bins) without unit, noise-free.

    ``objects``: (slices, m, m) attenuation in 1/cm, m an integer multiple of ``geometry.size`` over the same
    field of view; ``pixel_cm``: (slices,) width in cm of a pixel of the ``size`` x ``size`` grid. Raises
    ``ValueError`` for wrong shapes or widths.
    """
    values = _fine_objects(objects, geometry.size)
    widths = _pixel_widths(pixel_cm, len(values))
    if isinstance(geometry, ParallelBeam):
        return parallel.project(values, geometry, widths)
    if isinstance(geometry, FanBeam):
        return fan.project(values, geometry, widths)
    raise TypeError(f"no projector for {type(geometry).__name__}")


def reconstruct(
    sinograms: npt.ArrayLike, geometry: Geometry, pixel_cm: npt.ArrayLike, *, stride: int = 1
) -> Array:
    """Return the filtered back-projection, float32 (slices, size, size) in 1/cm, unclipped and unmasked.

    ``sinograms``: (slices, views, bins) line integrals of the whole scan, of which every ``stride``-th is
    used; ``pixel_cm``: (slices,) width in cm of a pixel. Raises ``ValueError`` for wrong shapes or widths and
    for a stride that does not divide the views.
    """
    used = geometry.every(stride)
    values = np.asarray(sinograms, dtype=np.float32)
    if values.ndim != 3 or values.shape[1:] != (geometry.views, geometry.bins):
        raise ValueError(f"sinograms must be (slices, {geometry.views}, {geometry.bins}), not {values.shape}")
    widths = _pixel_widths(pixel_cm, len(values))
    if isinstance(used, ParallelBeam):
        return parallel.reconstruct(values[:, ::stride], used, widths)
    if isinstance(used, FanBeam):
        return fan.reconstruct(values[:, ::stride], used, widths)
    raise TypeError(f"no reconstruction for {type(geometry).__name__}")
