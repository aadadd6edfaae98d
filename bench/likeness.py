"""How alike the slices of a series are to those that a network was trained on: noise, CT numbers, size of a pixel.

Noise in a slice follows dose and patient: at equal dose a thick patient's is several times that of a thin one. So it
is compared after the patient is taken out: the variance of a filtered backprojection goes as the mean of exp(p) over
the rays through a pixel, p their line integrals (Barrett, Gordon and Hershel 1976, doi 10.1016/0010-4825(76)90068-8),
and p is summed up over the slice itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bench.ct.resample import local_mean
from bench.ct.units import hu_to_mu

Statistics = dict[str, float]  # of one slice; what a slice does not tell is left out
Profile = dict[str, list[float]]  # of many: 5 %, median and 95 % over slices

PERCENT = (5, 50, 95)
#: Plain, without the patient's part, and that of details twice as wide over it: streaks of few views are coarser.
NOISE, SOURCE_NOISE, GRAIN, PIXEL = "noise_hu", "source_noise", "grain", "pixel_mm"
#: Shares of the slice in air, and of the rest in lung, in fat and soft tissue, and in bone and contrast medium.
SHARES = {
    "air": (-np.inf, -950.0),
    "lung": (-950.0, -500.0),
    "soft": (-200.0, 200.0),
    "dense": (300.0, np.inf),
}
FLAT = (-150.0, 250.0)  # HU, all of the surroundings of a pixel: fat and soft tissue away from edges
LEAST = 64  # pixels, fewer tell no noise
GRID, DIRECTIONS = 64, 12  # of the line integrals; of 24 to 48 no result changes
SLICES = 48  # of a series are looked at, evenly spread

#: Of a line integral: behind more (a part in 3000 is left) so few photons arrive that noise no longer follows exp(p).
STARVED = 8.0

# Limits beyond the 5 % and 95 % of the training; measured by benchmarks/likeness.py
FACTOR = {SOURCE_NOISE: 1.12, NOISE: 2.0, GRAIN: 1.16, PIXEL: 1.6}
SHARE_APART = 0.25


def statistics(hu: npt.NDArray[np.floating], pixel_mm: float | None) -> Statistics:
    """Return what is compared of a slice (H, W) in HU, as keys of ``Profile``."""
    smooth = ndimage.uniform_filter(np.asarray(hu, np.float64), 3)
    values = _shares(smooth)
    if pixel_mm is not None:
        values[PIXEL] = pixel_mm
    flat = (ndimage.minimum_filter(smooth, 5) > FLAT[0]) & (ndimage.maximum_filter(smooth, 5) < FLAT[1])
    if flat.sum() < LEAST:
        return values
    wide = np.asarray(hu, np.float64)
    values[NOISE] = noise = _noise(wide, flat)
    if noise > 0:
        values[GRAIN] = 2.0 * _noise(ndimage.uniform_filter(wide, 2), flat, step=2) / noise
    if pixel_mm is not None and noise > 0:
        values[SOURCE_NOISE] = noise * pixel_mm / np.sqrt(_attenuation(hu, flat, pixel_mm))
    return values


def profile(slices: Iterable[Statistics]) -> Profile:
    """Return the statistics of many slices; empty where there are none."""
    rows = list(slices)
    keys = dict.fromkeys(key for row in rows for key in row)
    values = {key: [row[key] for row in rows if key in row] for key in keys}
    return {key: [float(f"{q:.6g}") for q in np.percentile(each, PERCENT)] for key, each in values.items()}


def spread(count: int) -> Sequence[int]:
    """Return which of ``count`` slices are looked at, evenly spread."""
    return range(0, count, -(-count // SLICES)) if count else ()


def unlike(series: Profile, training: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    """Return in what the median slice of a series lies outside of most slices of a training, a line for each."""
    lines = []
    noise = SOURCE_NOISE if SOURCE_NOISE in series and SOURCE_NOISE in training else NOISE
    names = {noise: "noise", GRAIN: "grain of the noise", PIXEL: "pixel size"}
    for key, name in names.items():
        if key not in series or key not in training:
            continue
        value, (low, usual, high) = series[key][1], training[key]
        if not low / FACTOR[key] <= value <= high * FACTOR[key]:
            unit = f" ({value:.3g} mm, there {usual:.3g} mm)" if key == PIXEL else ""
            lines.append(f"{name} is {value / max(usual, 1e-12):.2g} times that of the training slices{unit}")
    for key in SHARES:
        if key in series and key in training:
            value, (low, usual, high) = series[key][1], training[key]
            if not low - SHARE_APART <= value <= high + SHARE_APART:
                lines.append(
                    f"CT numbers: {value:.0%} of a slice is {_TISSUE[key]}, in the training slices {usual:.0%}"
                )
    return tuple(lines)


_TISSUE = {"air": "air", "lung": "lung", "soft": "fat or soft tissue", "dense": "bone or contrast medium"}


def _shares(smooth: npt.NDArray[np.float64]) -> Statistics:
    body = smooth[smooth >= SHARES["air"][1]]
    shares = {"air": 1.0 - body.size / smooth.size}
    if body.size:
        for key in ("lung", "soft", "dense"):
            low, high = SHARES[key]
            shares[key] = float(((body >= low) & (body < high)).mean())
    return shares


def _noise(hu: npt.NDArray[np.float64], where: npt.NDArray[np.bool_], step: int = 1) -> float:
    """Return the deviation of the diagonal Haar detail between pixels ``step`` apart, robust against anatomy in it."""
    right = hu - np.roll(hu, step, axis=1)
    detail = 0.5 * (right - np.roll(right, step, axis=0))[where]
    return float(1.4826 * np.median(np.abs(detail - np.median(detail))))


def _attenuation(hu: npt.NDArray[np.floating], where: npt.NDArray[np.bool_], pixel_mm: float) -> float:
    """Return the mean of exp(p) over the rays through the pixels ``where``, from all sides."""
    block = max(1, -(-max(hu.shape) // GRID))
    rows, columns = (side // block * block for side in hu.shape)
    mu, chosen = (local_mean(one[:rows, :columns], block) for one in (hu_to_mu(hu), where.astype(np.float32)))
    total = weight = 0.0
    for angle in np.arange(DIRECTIONS) * 180.0 / DIRECTIONS:
        integrals = ndimage.rotate(mu, angle, order=1).sum(0) * (block * pixel_mm / 10.0)
        pixels = np.clip(ndimage.rotate(chosen, angle, order=1), 0.0, None).sum(0)
        total += float(np.sum(np.exp(np.minimum(integrals, STARVED), dtype=np.float64) * pixels))
        weight += float(pixels.sum())
    return total / max(weight, 1e-12)
