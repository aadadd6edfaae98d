"""Noise power spectra of a cell: of the noise, of what the network removed, and of what is left.

Noise is the untreated slice less its reference, removed is the untreated slice less the output, left is the output less
the reference. A difference of two images of one patient holds no anatomy that both show, so the spectrum can be taken
in a patient (image subtraction: ICRU report 87 of 2012; AAPM report 233 of 2019; Dolly et al. 2016, doi
10.1120/jacmp.v17i3.5841). It is taken in square patches of soft tissue, each less its mean, and averaged over rings of
equal frequency. Patches of slices with lung and of those without are kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.metrics.pair import Image, Pair
from bench.metrics.segmentation import SOFT, Mask, anatomy

SOFT_SHARE = 0.9  # of the pixels of a patch that are soft tissue
_PARTS, _SMALLEST = 16, 8  # a patch is 1/16 of the side wide, at least 8 pixels
_HU = 1000.0
KINDS = ("noise", "removed", "left")


@dataclass
class _Sum:
    """The spectra of one anatomy, summed over patches: ``power`` (3, rings) in the order of ``KINDS``."""

    side: int
    power: NDArray[np.float64]
    patches: int = 0
    pixels_mm: list[float] = field(default_factory=list)  # of each slice


class Spectra:
    """The spectra of the test slices of a cell, slice by slice; the version of ``noise.left`` is theirs too.

    Where they are computed otherwise, that version must rise: ``bench score`` then writes them anew.
    """

    def __init__(self) -> None:
        self._sums: dict[str, _Sum] = {}

    def add(self, pair: Pair, pixel_mm: float) -> None:
        """Add the patches of a slice; ``pixel_mm`` is NaN where it is unknown."""
        place = pair.once(anatomy)
        if pair.untreated is None or not place.region:
            return
        side = max(_SMALLEST, min(pair.reference.shape) // _PARTS)
        chosen = patches(place.masks[SOFT], side)
        if not len(chosen):
            return
        empty = _Sum(side, np.zeros((len(KINDS), side // 2)))
        total = self._sums.setdefault(place.region, empty)
        noise, removed = (pair.untreated - other for other in (pair.reference, pair.image))
        powers = [power(_HU * image, chosen, side) for image in (noise, removed, noise - removed)]
        total.power += np.array(powers)
        total.patches += len(chosen)
        total.pixels_mm.append(pixel_mm)

    def rows(self) -> list[dict[str, str | float]]:
        """Return the rows of ``spectra.csv``: anatomy, frequency in cycles per pixel, mean pixel in mm, HU^2 pixels^2.

        In cycles per mm the frequency is that over the pixel, and the power in HU^2 mm^2 that times its square.
        """
        return [
            {
                "anatomy": region,
                "slices": len(total.pixels_mm),
                "patches": total.patches,
                "cycles_per_pixel": (ring + 1) / total.side,
                "pixel_mm": float(np.mean(total.pixels_mm)),
                **{kind: float(total.power[at, ring]) / total.patches for at, kind in enumerate(KINDS)},
            }
            for region, total in sorted(self._sums.items())
            for ring in range(total.side // 2)
        ]


def patches(mask: Mask, side: int) -> list[tuple[int, int]]:
    """Return row and column of each patch of ``side`` pixels, beside one another, of which 0.9 lies in a mask."""
    height, width = (length // side for length in mask.shape)
    blocks = mask[: height * side, : width * side].reshape(height, side, width, side)
    return [(int(r) * side, int(c) * side) for r, c in np.argwhere(blocks.mean(axis=(1, 3)) >= SOFT_SHARE)]


def power(image: Image, places: list[tuple[int, int]], side: int) -> NDArray[np.float64]:
    """Return the power of the rings 1/side to 1/2 cycles per pixel, summed over patches; white noise has its variance.

    A patch's spectrum is |DFT|^2 in units of the image squared times pixels squared, over what white noise of
    variance 1 has there: sum(window^2), less what goes with the patch's mean at the lowest frequencies. The window of
    Hann keeps the power of one frequency out of the others: without it ramp-shaped noise has 13 % too much at low ones.
    """
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side)
    window = np.outer(taper, taper)
    stack = np.stack([image[r : r + side, c : c + side] for r, c in places])
    stack = window * (stack - stack.mean(axis=(1, 2), keepdims=True))
    white = np.sum(window**2) - np.abs(np.fft.fft2(window)) ** 2 / window.size
    squares = np.sum(np.abs(np.fft.fft2(stack)) ** 2, axis=0) / white
    steps = np.fft.fftfreq(side) * side
    ring = np.rint(np.hypot(steps[:, None], steps[None, :])).astype(np.intp).ravel()
    means = np.bincount(ring, squares.ravel()) / np.bincount(ring)
    return np.asarray(means[1 : side // 2 + 1])
