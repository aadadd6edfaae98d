"""Parallel-beam projection and filtered back-projection of a batch of slices.

``project`` integrates the object, constant over its square pixels, over strips one bin wide: the shadow of a
pixel is a trapezoid (Long, Fessler and Balter 2010, doi 10.1109/TMI.2010.2050898, in two dimensions), and its
shares left and right of the nearest bin edge are read from a table of 2048 positions. They add up to one, so
every view has the mass of the object. ``reconstruct`` is textbook filtered back-projection (Kak and Slaney,
reissue of 2001, doi 10.1137/1.9780898719277, chapter 3.3), pixel-driven with linear interpolation.

Called by ``bench.ct.projector``, which checks the arguments.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.ct import filters, kernels
from bench.ct.geometry import ParallelBeam
from bench.ct.kernels import LANES, Array

Widths = npt.NDArray[np.float64]


def project(values: Array, geometry: ParallelBeam, widths: Widths) -> Array:
    """Return the line integrals (slices, views, bins) of (slices, m, m) objects.

    Over 360 degrees with an even number of views only half of them are computed: the others are their mirror
    images, to the bit.
    """
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


def reconstruct(values: Array, used: ParallelBeam, widths: Widths) -> Array:
    """Return the images (slices, size, size) of sinograms (slices, views, bins).

    Opposite views are summed before filtering, which by linearity gives what filtering and back-projecting
    each would.
    """
    half, bins = used.distinct_directions(), used.bins
    if used.mirrored:
        values = values[:, :half] + values[:, half:, ::-1]
    response = filters.response(bins, used.filter)
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
