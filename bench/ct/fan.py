"""Fan-beam projection and filtered back-projection of a batch of slices.

``project`` is distance-driven in its branchless form (De Man and Basu 2004, doi 10.1088/0031-9155/49/11/024;
Basu and De Man 2006, doi 10.1117/12.659893): the edges of a bin are carried along their rays onto every row of
pixels, or onto every column where the ray runs more along x, and the row's running sum gives the mean between
them. ``reconstruct`` is filtered back-projection for bins at equal angles (Kak and Slaney, reissue of 2001,
doi 10.1137/1.9780898719277, chapter 3.4.1), pixel-driven with linear interpolation.

What lies outside the fan is projected where a ray meets it and not measured elsewhere, so a body wider than
the field is truncated as in a scanner: bright at the field's edge, and without meaning beyond it.

Called by ``bench.ct.projector``, which checks the arguments.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bench.ct import fan_kernels, filters
from bench.ct.angles import cos_sin
from bench.ct.geometry import FanBeam
from bench.ct.kernels import LANES, Array

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_ARCTANGENT = np.array(
    [
        0.9999999999618,
        -0.3333333186365,
        0.1999990614374,
        -0.1428338171848,
        0.1108165563439,
        -0.0887743818081,
        0.0674980138731,
        -0.0406382757865,
        0.0132840846605,
    ]
)
"""atan(r) / r as a polynomial in r^2, interpolated at the Chebyshev points of |r| <= 0.65: 2e-8 bins at 512."""


def project(values: Array, geometry: FanBeam, widths: Doubles) -> Array:
    """Return the line integrals (slices, views, bins) of (slices, m, m) objects."""
    ratio, bins = geometry.size / values.shape[1], geometry.bins
    slopes, lengths, uses = _edges(geometry)
    result = np.empty((len(values), geometry.views, bins), np.float32)
    for part, width in _groups(widths, geometry):
        pixel = width * ratio
        out = np.zeros(geometry.views * bins * LANES, np.float32)
        sources = _sources(geometry, pixel) + values.shape[1] / 2
        for axis in (0, 1):
            turned = np.ascontiguousarray(values[part].swapaxes(1, 2) if axis else values[part])
            sums = np.zeros(values.shape[1] * (values.shape[1] + 2) * LANES, np.float32)
            spans = np.empty((values.shape[1], 2), np.int64)
            fan_kernels.running_sums(turned, sums, spans)
            places = np.ascontiguousarray(sources[:, ::-1] if axis else sources)
            fan_kernels.project(sums, spans, places, slopes[axis], uses[axis], out)
        lanes = out.reshape(geometry.views, bins, LANES)[:, :, : len(part)]
        result[part] = np.moveaxis(lanes, 2, 0) * (lengths * pixel).astype(np.float32)
    return result


def reconstruct(values: Array, used: FanBeam, widths: Doubles) -> Array:
    """Return the images (slices, size, size) of sinograms (slices, views, bins)."""
    bins, gammas = used.bins, used.gammas
    response = filters.response(bins, used.filter, used.pitch)
    directions = np.ascontiguousarray(used.directions)
    images = np.zeros((len(values), used.size, used.size), np.float32)
    for part, width in _groups(widths, used):
        source = used.source_cm / width
        # for bins at equal angles: R cos(gamma) here, (gamma / sin gamma)^2 in the taps of the filter, and the squared
        # distance from the source in the back-projection make the parallel formula one for a fan (Kak and Slaney)
        weights = (source * cos_sin(gammas)[0]).astype(np.float32)
        lanes = np.zeros((used.views, bins, LANES), np.float32)
        for lane, index in enumerate(part):
            spectrum = np.fft.rfft(values[index] * weights, n=2 * len(response) - 2) * response
            lanes[:, :, lane] = np.fft.irfft(spectrum, n=2 * len(response) - 2)[:, :bins]
        fan = np.array([source, 1.0 / used.pitch, -gammas[0] / used.pitch])
        block = np.zeros((len(part), used.size, used.size), np.float32)
        fan_kernels.back_project(lanes.ravel(), directions, fan, _ARCTANGENT, bins, block)
        # each of the 2 pi / views counts half, since a full turn sees every line twice; taps per pitch^2, summed in
        # steps of the pitch, leave 1 / pitch; D / L^2 is in 1 / pixel, which the width turns into 1/cm
        images[part] = block * np.float32(np.pi / used.views / used.pitch / width)
    return images


def _groups(widths: Doubles, geometry: FanBeam) -> Iterator[tuple[Integers, float]]:
    """Yield up to ``LANES`` slices of one pixel width at a time: they share all rays."""
    widest = 2.0**0.5 * geometry.source_cm / geometry.size
    if (widths >= widest).any():
        side = widths.max() * geometry.size
        raise ValueError(
            f"a field of {side:.1f} cm reaches the source, {geometry.source_cm} cm from its centre"
        )
    for width in np.unique(widths):
        same = np.flatnonzero(widths == width)
        for first in range(0, len(same), LANES):
            yield same[first : first + LANES], float(width)


def _sources(geometry: FanBeam, pixel: float) -> Doubles:
    """Return the place of the source (views, 2), to the right and down from the origin, in pixels."""
    cos, sin = geometry.directions.T
    return np.stack([-sin, -cos], axis=1) * (geometry.source_cm / pixel)


def _edges(geometry: FanBeam) -> tuple[list[Doubles], Doubles, list[Integers]]:
    """Return how bins are carried onto rows (index 0) and onto columns (index 1).

    Slopes (views, bins + 1) of the rays at the edges of the bins; the length of a bin's ray in a row or column
    per difference of its slopes (views, bins); and for each view the first bin that belongs to the axis, the
    one after the last, and the direction of its rays along the other axis (views, 3).
    """
    places = (np.arange(geometry.bins + 1.0) - geometry.bins / 2 + geometry.offset) * geometry.pitch
    down, right = _turned(geometry, geometry.gammas)
    edge_down, edge_right = _turned(geometry, places)
    # a bin is carried onto the lines that its ray crosses at 45 degrees or more: on the others its footprint grows
    # without bound as the ray comes to lie along them
    by_rows = np.abs(down) >= np.abs(right)
    slopes, uses = [], []
    lengths = np.empty(by_rows.shape)
    for ahead, aside, chosen, middle in (
        (edge_down, edge_right, by_rows, down),
        (edge_right, edge_down, ~by_rows, right),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):  # rays of the other axis
            slope = aside / ahead
            # a line's sum over the footprint, divided by the footprint's width, is the mean of its pixels there; times
            # the ray's path through a line one pixel high, 1 / |middle|, it is the share of the line integral
            length = 1.0 / (np.abs(middle) * np.diff(slope))
        lengths[chosen] = length[chosen]
        first, count = chosen.argmax(axis=1), chosen.sum(axis=1)
        side = np.sign(middle[np.arange(len(first)), first])
        slopes.append(np.ascontiguousarray(slope))
        uses.append(np.stack([first, first + count, side.astype(np.int64)], axis=1))
    return slopes, lengths, uses


def _turned(geometry: FanBeam, gammas: Doubles) -> tuple[Doubles, Doubles]:
    """Return how far the rays at ``gammas`` from the centre of each view run down and to the right."""
    cos, sin = geometry.directions[:, :1], geometry.directions[:, 1:]
    ahead, aside = cos_sin(gammas)
    down = cos * ahead - sin * aside
    right = sin * ahead + cos * aside
    return down, right
