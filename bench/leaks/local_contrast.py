"""The detail of a slice: its anatomy, normalised in brightness and contrast, without table and air.

A slice is averaged to 128 x 128 pixels, band-passed, divided by its own local contrast, and kept inside the
body only. Local contrast normalisation (Jarrett et al. 2009, doi 10.1109/ICCV.2009.5459469) makes the result
nearly blind to any monotone change of grey values; the body mask keeps the table, which patients of one
scanner share, out of every comparison.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu

from bench.data.files.resize import to_size

Image = npt.NDArray[np.float32]

SIDE = 128  # pixels a side of a detail image
COARSE = 64  # of the one that all slices are compared by
FINE, WIDE = 0.7, 4.0  # pixels: standard deviations of the band-pass and of the local contrast
FLOOR = 0.3  # of the mean contrast: less is noise or saturation and is not amplified
SOFT = (0.84, 1.24)  # mu/mu_water: the soft-tissue window -160 to 240 HU
_ROUND = ndimage.generate_binary_structure(2, 1)


def small(image: npt.ArrayLike) -> Image:
    """Return a slice (n, n) on 128 x 128 pixels, in its own unit."""
    return to_size(image, SIDE)


def detail(values: Image) -> Image:
    """Return the detail (128, 128) of a small slice, of mean 0 and norm 1; zeros where it has none."""
    mask = body(values)
    band = ndimage.gaussian_filter(values, FINE) - ndimage.gaussian_filter(values, WIDE)
    contrast = np.sqrt(ndimage.gaussian_filter(band * band, WIDE))
    area = float(mask.sum())
    floor = FLOOR * np.sqrt(float((band * band * mask).sum()) / area) if area else 0.0
    if not floor > 0.0:
        return np.zeros_like(values)
    return unit(band / (contrast + np.float32(floor)) * mask)


def coarse(image: Image) -> Image:
    """Return a detail on 64 x 64 pixels, of mean 0 and norm 1."""
    return unit(to_size(image, COARSE))


def unit(image: Image) -> Image:
    """Return ``image`` with mean 0 and norm 1, so that a sum of products is a correlation."""
    centred = image - image.mean(dtype=np.float64).astype(np.float32)
    norm = float(np.sqrt(np.square(centred, dtype=np.float64).sum()))
    return centred / np.float32(norm) if norm > 0.0 else np.zeros_like(image)


def body(values: Image) -> Image:
    """Return the weight (128, 128) in [0, 1] of the largest thing in the slice, its cavities filled.

    The limit between air and body lies a quarter of the way from air to Otsu's threshold (Otsu 1979, doi
    10.1109/TSMC.1979.4310076), so that fat is body in a soft-tissue window too, and follows any linear change of the
    values.
    """
    halved = to_size(values, COARSE)
    air = float(np.percentile(halved, 2.0))
    limit = air + 0.25 * (float(threshold_otsu(halved, nbins=128)) - air)  # type: ignore[no-untyped-call]
    dense = ndimage.binary_opening(ndimage.gaussian_filter(halved, 0.5) > limit, _ROUND)
    labels, count = ndimage.label(dense)
    if not count:
        return np.ones_like(values)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    filled = ndimage.binary_fill_holes(ndimage.binary_closing(largest, _ROUND, iterations=2))
    grown = ndimage.binary_dilation(filled, _ROUND)
    weight: Image = ndimage.gaussian_filter(to_size(grown.astype(np.float32), SIDE), 1.0)
    return weight
