"""PSNR, SSIM and RMSE over the range of the published table: the largest value of the slice's own reference."""

from __future__ import annotations

import math
from collections.abc import Callable

from numpy.typing import ArrayLike

from bench.metrics.metric import Metric
from bench.metrics.pair import Pair

_TAPS = 11  # samples that the window of SSIM is wide

#: The ids with a part of their own: PSNR chooses the best epoch and is drawn, with SSIM it is the report's first table.
PSNR, SSIM, RMSE = "psnr.slice_max", "ssim.slice_max", "rmse.hu"


def psnr(reference: ArrayLike, image: ArrayLike, *, data_range: float) -> float:
    """Return the peak signal-to-noise ratio ``10 log10(data_range^2 / MSE)`` in dB.

    Identical images have no error and return ``math.inf``.

    Raises:
        ValueError: shapes differ, an image is not 2-D or not finite, or ``data_range`` is not positive.
    """
    return _psnr(Pair(reference, image), _positive(data_range))


def ssim(reference: ArrayLike, image: ArrayLike, *, data_range: float) -> float:
    """Return the mean structural similarity of two images (no unit, at most 1).

    Wang, Bovik, Sheikh, Simoncelli 2004, doi 10.1109/TIP.2003.819861: Gaussian window of 11 x 11 samples with
    sigma 1.5, K1 = 0.01, K2 = 0.03, population moments, the mean over all positions where the window lies
    wholly inside the image. The window is applied as two 1-D passes.

    Raises:
        ValueError: as for ``psnr``, or a side shorter than the window of 11.
    """
    return _ssim(Pair(reference, image), _positive(data_range))


def column_ssim(reference: ArrayLike, image: ArrayLike, *, data_range: float) -> float:
    """Return the SSIM of the published table: that of the image read as one long column vector.

    The columns of the image (anterior-posterior lines) are joined end to end, the first column first; a
    512 x 512 slice becomes 262144 samples. The window is then the 1-D Gaussian of 11 taps and sigma 1.5, so
    it joins the foot of one column with the head of the next. Each end of the vector is continued by its last
    sample, the mean runs over all samples, moments are population moments, K1 = 0.01 and K2 = 0.03. This is
    what MATLAB's ``ssim`` computes for an N x 1 array. It is no substitute for ``ssim``: no neighbour across
    columns enters.

    Raises:
        ValueError: as for ``psnr``.
    """
    return _column_ssim(Pair(reference, image), _positive(data_range))


def rmse_hu(reference: ArrayLike, image: ArrayLike) -> float:
    """Return the root mean squared error in HU: 1000 times that of the mu/mu_water images.

    Raises:
        ValueError: shapes differ, or an image is not 2-D or not finite.
    """
    return _rmse_hu(Pair(reference, image))


def _psnr(pair: Pair, data_range: float) -> float:
    error = pair.mean_square
    return math.inf if error == 0.0 else 20.0 * math.log10(data_range) - 10.0 * math.log10(error)


def _ssim(pair: Pair, data_range: float) -> float:
    height, width = pair.reference.shape
    if min(height, width) < _TAPS:
        raise ValueError(f"SSIM needs at least {_TAPS} x {_TAPS} pixels, not {height} x {width}")
    return pair.similarities(data_range).inside


def _column_ssim(pair: Pair, data_range: float) -> float:
    return pair.similarities(data_range).columns


def _rmse_hu(pair: Pair) -> float:
    return 1000.0 * math.sqrt(pair.mean_square)


def _over_slice_max(metric: Callable[[Pair, float], float]) -> Callable[[Pair], float]:
    return lambda pair: metric(pair, pair.peak)


_PEAK = "maximum of the reference slice in mu/mu_water (air 0, water 1), unclipped"

STUDY = (
    Metric(PSNR, "PSNR", "dB", "higher", _PEAK, 1, 2, _over_slice_max(_psnr)),
    Metric(
        SSIM, "SSIM", "", "higher",
        f"{_PEAK}; 2-D Gaussian window 11 x 11, sigma 1.5, mean over windows inside the image",
        1, 4, _over_slice_max(_ssim),
    ),
    Metric(
        "ssim.column", "SSIM (column)", "", "higher",
        f"{_PEAK}; image as one column vector in column-major order, 1-D Gaussian window 11, sigma 1.5, "
        "replicated ends, mean over all samples",
        1, 4, _over_slice_max(_column_ssim), "conventions",
    ),
    Metric(RMSE, "RMSE", "HU", "lower", "none; 1000 x RMSE in mu/mu_water", 1, 1, _rmse_hu),
)  # fmt: skip


def _positive(data_range: float) -> float:
    if not (math.isfinite(data_range) and data_range > 0.0):
        raise ValueError(f"data_range is {data_range!r}; it must be positive and finite")
    return float(data_range)
