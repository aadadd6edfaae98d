"""How much of the contrast of known lesions is left, and how wide their edges have become.

A slice through a sphere shows a disc whose place and diameter are known (``manifest.json`` of the pairs). Both numbers
are ratios of the image to the reference of the same slice, so the blur of the scanner that is in both drops out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from bench.metrics.metric import Metric
from bench.metrics.pair import Image, Lesion, Pair

LUNG_KINDS, LIVER_KINDS = ("solid", "ground-glass"), ("liver",)
CONTRAST_LUNG, CONTRAST_LIVER, EDGE = "contrast.lung_nodules", "contrast.liver_lesions", "edge.lung_nodules"

SMALLEST, SMALLEST_EDGE = 3.0, 6.0  # pixels across from which contrast, or an edge, can be told
LEAST_HU, LEAST_EDGE_HU = 10.0, 100.0  # contrast in the reference from which either can be told
ERASED = 1 / 3  # of the contrast: with less left there is no edge to measure
_CORE = 2 / 3  # of the diameter: the middle of the lesion, over which its CT number is taken
_NEAR, _FAR = (
    1.0,
    4.0,
)  # pixels beyond the lesion between which its surroundings lie: the phantom keeps 3 mm clear
_HU = 1000.0


class Disc(NamedTuple):
    """The pixels at a lesion: distance from its middle in pixels, values in mu/mu_water, both (N,)."""

    radii: Image
    values: Image


def contrast(image: Image, lesion: Lesion) -> float | None:
    """Return the contrast of a lesion in HU: mean of its middle less median of its surroundings; None at the border."""
    disc = _disc(image, lesion)
    if disc is None:
        return None
    radius = 0.5 * lesion.diameter
    middle = disc.values[disc.radii <= max(1.0, _CORE * radius)]
    around = disc.values[(disc.radii >= radius + _NEAR) & (disc.radii <= radius + _FAR)]
    return _HU * float(middle.mean() - np.median(around))


def edge_width(image: Image, lesion: Lesion) -> float:
    """Return the width of a lesion's edge: the deviation, in pixels, of the Gaussian that blurs a disc to its profile.

    The profile of the known disc, blurred by a Gaussian, is fitted to the pixels by least squares over height,
    surroundings and width. That is P(|x| < R) of a 2-D normal x around r, the noncentral chi-squared distribution. The
    distance from 10 to 90 % of a straight edge is 2.56 times this width.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import chndtr

    disc = _disc(image, lesion)
    assert disc is not None
    radius = 0.5 * lesion.diameter
    kept = disc.radii <= radius + _FAR
    radii, values = disc.radii[kept], disc.values[kept]
    grid = np.linspace(0.0, radius + _FAR, math.ceil(8 * (radius + _FAR)) + 1)

    def misfit(width: float) -> float:
        profile = chndtr((radius / width) ** 2, 2.0, (grid / width) ** 2)
        shape = np.interp(radii, grid, profile)
        shape -= shape.mean()
        centred = values - values.mean()
        return float(centred @ centred - (shape @ centred) ** 2 / (shape @ shape))

    return float(minimize_scalar(misfit, bounds=(0.2, radius), method="bounded").x)


def _disc(image: Image, lesion: Lesion) -> Disc | None:
    """Return the pixels of a lesion and of its surroundings; None where the slice does not hold all of them."""
    reach = 0.5 * lesion.diameter + _FAR
    top, left = math.ceil(lesion.y - reach), math.ceil(lesion.x - reach)
    bottom, right = math.floor(lesion.y + reach), math.floor(lesion.x + reach)
    if top < 0 or left < 0 or bottom >= image.shape[0] or right >= image.shape[1]:
        return None
    rows, columns = np.ogrid[top : bottom + 1, left : right + 1]
    radii = np.hypot(rows - lesion.y, columns - lesion.x)
    within = radii <= reach
    return Disc(radii[within], image[top : bottom + 1, left : right + 1][within])


def recovery(pair: Pair, lesion: Lesion) -> float | None:
    """Return the contrast of a lesion in the image over that in the reference; None where it cannot be told."""
    expected = contrast(pair.reference, lesion) if lesion.diameter >= SMALLEST else None
    if expected is None or abs(expected) < LEAST_HU:
        return None
    left = contrast(pair.image, lesion)
    assert left is not None
    return left / expected


def widening(pair: Pair, lesion: Lesion) -> float | None:
    """Return the edge width of a lesion in the image over that in the reference; None where it cannot be told."""
    left = recovery(pair, lesion) if lesion.diameter >= SMALLEST_EDGE else None
    if left is None or left < ERASED or abs(contrast(pair.reference, lesion) or 0.0) < LEAST_EDGE_HU:
        return None
    return edge_width(pair.image, lesion) / edge_width(pair.reference, lesion)


def _over(
    measure: Callable[[Pair, Lesion], float | None], kinds: Collection[str]
) -> Callable[[Pair], float | None]:
    """Return the mean of a measure over the lesions of a slice of these kinds; None without one."""

    def mean(pair: Pair) -> float | None:
        values = [measure(pair, lesion) for lesion in pair.lesions if lesion.kind in kinds]
        known = [value for value in values if value is not None]
        return statistics.fmean(known) if known else None

    return mean


_CONTRAST = (
    "none; contrast of known lesions over that in the reference: mean of the middle two thirds less median of the "
    f"ring 1 to 4 pixels beyond; from {SMALLEST:g} pixels across on, mean over the lesions of a slice"
)

LESIONS = (
    Metric(
        CONTRAST_LUNG, "Contrast of lung nodules", "", "none", _CONTRAST,
        1, 2, _over(recovery, LUNG_KINDS), "lesions",
    ),
    Metric(
        CONTRAST_LIVER, "Contrast of liver lesions", "", "none", _CONTRAST,
        1, 2, _over(recovery, LIVER_KINDS), "lesions",
    ),
    Metric(
        EDGE, "Edge width of lung nodules", "", "none",
        "none; Gaussian width of the edge of known lung nodules over that in the reference; from "
        f"{SMALLEST_EDGE:g} pixels across on, where a third of the contrast is left, mean over the nodules of a slice",
        1, 2, _over(widening, LUNG_KINDS), "lesions",
    ),
)  # fmt: skip
