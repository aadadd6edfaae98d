"""Projection and filtered back-projection of a batch of slices, compiled by Numba.

``project`` integrates the object, constant over its square pixels, over strips one bin wide: the shadow of a
pixel is a trapezoid (Long, Fessler and Balter 2010, doi 10.1109/TMI.2010.2050898, in two dimensions), and its
shares left and right of the nearest bin edge are read from a table of 2048 positions. They add up to one, so
every view has the mass of the object. ``reconstruct`` is textbook filtered back-projection (Kak and Slaney,
reissue of 2001, doi 10.1137/1.9780898719277, chapter 3): Ram-Lak from its spatial taps (Ramachandran and
Lakshminarayanan 1971, doi 10.1073/pnas.68.9.2236), zero-padded, then pixel-driven with linear interpolation.

Every slice sees the same operations in the same order and has the same bits alone and in any batch. All runs
on the calling thread; the compiled loops (``bench.ct.kernels``) release the GIL.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.ct import kernels
from bench.ct.geometry import ParallelBeam
from bench.ct.kernels import LANES, Array


def _ramp_response(bins: int) -> Array:
    """Return the transform of the Ram-Lak taps at unit pitch, padded to a power of two of at least 2 bins."""
    length = 1 << (2 * bins - 1).bit_length()
    distance = np.minimum(np.arange(length), length - np.arange(length))
    odd = distance % 2 == 1
    taps = np.zeros(length)
    taps[0] = 0.25
    taps[odd] = -1.0 / (np.pi * distance[odd]) ** 2
    return np.fft.rfft(taps).real.astype(np.float32)


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


def project(objects: npt.ArrayLike, geometry: ParallelBeam, pixel_cm: npt.ArrayLike) -> Array:
    """Return the line integrals, float32 (slices, views, bins) without unit, noise-free.

    ``objects``: (slices, m, m) attenuation in 1/cm, m an integer multiple of ``geometry.size`` over the same
    field of view; ``pixel_cm``: (slices,) width in cm of a pixel of the ``size`` x ``size`` grid. Over 360
    degrees with an even number of views only half of them are computed: the others are their mirror images,
    to the bit. Raises ``ValueError`` for wrong shapes or widths.
    """
    values = _fine_objects(objects, geometry.size)
    widths = _pixel_widths(pixel_cm, len(values))
    directions = np.ascontiguousarray(geometry.directions[: geometry.distinct_directions()])
    pitch = geometry.size / values.shape[1]
    shares = kernels.pixel_shares(directions, pitch)
    half, bins = len(directions), geometry.bins
    result = np.empty((len(values), geometry.views, bins), np.float32)
    for first in range(0, len(values), LANES):
        part = slice(first, first + LANES)
        sums = np.zeros(half * bins * LANES, np.float32)
        kernels.project(values[part], directions, shares, geometry.size, sums)
        scale = (widths[part] * pitch**2).astype(np.float32)
        lanes = sums.reshape(half, bins, LANES)[:, :, : len(scale)]
        result[part, :half] = np.moveaxis(lanes * scale, 2, 0)
    if geometry.mirrored:
        result[:, half:] = result[:, :half, ::-1]
    return result


def reconstruct(
    sinograms: npt.ArrayLike, geometry: ParallelBeam, pixel_cm: npt.ArrayLike, *, stride: int = 1
) -> Array:
    """Return the filtered back-projection, float32 (slices, size, size) in 1/cm, unclipped and unmasked.

    ``sinograms``: (slices, views, bins) line integrals of the whole scan, of which every ``stride``-th is
    used; ``pixel_cm``: (slices,) width in cm of a pixel. Opposite views are summed before filtering, which by
    linearity gives what filtering and back-projecting each would. Raises ``ValueError`` for wrong shapes or
    widths and for a stride that does not divide the views.
    """
    used = geometry.every(stride)
    values = np.asarray(sinograms, dtype=np.float32)
    if values.ndim != 3 or values.shape[1:] != (geometry.views, geometry.bins):
        raise ValueError(f"sinograms must be (slices, {geometry.views}, {geometry.bins}), not {values.shape}")
    widths = _pixel_widths(pixel_cm, len(values))
    values = values[:, ::stride]
    half, bins = used.distinct_directions(), used.bins
    if used.mirrored:
        values = values[:, :half] + values[:, half:, ::-1]
    response = _ramp_response(bins)
    directions = np.ascontiguousarray(used.directions[:half])
    images = np.zeros((len(values), used.size, used.size), np.float32)
    for first in range(0, len(values), LANES):
        part = slice(first, first + LANES)
        lanes = np.zeros((half, bins, LANES), np.float32)
        for lane, views in enumerate(values[part]):
            spectrum = np.fft.rfft(views, n=2 * len(response) - 2) * response
            lanes[:, :, lane] = np.fft.irfft(spectrum, n=2 * len(response) - 2)[:, :bins]
        kernels.back_project(lanes.ravel(), directions, bins, images[part])
    images *= (np.pi / used.views / widths).astype(np.float32)[:, None, None]
    return images
