"""Image metrics whose range, unit and convention are part of their name.

Images are real (H, W) arrays in mu/mu_water (air 0, water 1), unclipped; everything is computed in float64.
A metric id names its convention, because the same pair of images scores 28.9 to 42.7 dB under the conventions
in use. ``slice_max`` is the range of the published table of this benchmark: the largest value of the slice's
own reference. ``METRICS`` is the one home of an id: a metric is a function of a ``Pair`` and an entry there.
Records keep ``definitions(ids)`` beside the scores; ``bench score`` adds a metric to finished cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from bench.similarity import Similarities

Image = NDArray[np.float64]

#: Raised when any score of ``scores.csv`` may change; a ``Metric.version`` rises with its own values only. It did not
#: rise with ``bench.similarity``, which moved SSIM by rounding, below 1e-12: ``bench score`` compares to half of the
#: last digit that is printed (``bench.records.rescoring``).
SCORING_VERSION = 1

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


def slice_max(reference: ArrayLike) -> float:
    """Return the largest value of a reference slice, the range of the ``slice_max`` and ``column`` metrics.

    Raises:
        ValueError: the maximum is not positive and finite, e.g. for a slice of air.
    """
    values = np.asarray(reference)
    peak = float(values.max()) if values.size else math.nan
    if not (math.isfinite(peak) and peak > 0.0):
        air = " (all air)" if peak <= 0.0 else ""
        raise ValueError(f"the reference has no range{air}: its maximum is {peak:g} and must be positive")
    return peak


class Pair:
    """A reference slice and an image of it, (H, W), in mu/mu_water; what several metrics need is computed once.

    Raises:
        ValueError: shapes differ, or an image is not 2-D, not of real numbers or not finite.
    """

    def __init__(self, reference: ArrayLike, image: ArrayLike) -> None:
        x, y = np.asarray(reference), np.asarray(image)
        if x.shape != y.shape:
            raise ValueError(f"shapes differ: reference {x.shape}, image {y.shape}")
        if x.ndim != 2 or x.size == 0:
            raise ValueError(f"a slice has shape (H, W), not {x.shape}")
        self._reference, self._image = _finite(x, "reference"), _finite(y, "image")
        self._similarities: dict[float, Similarities] = {}

    @cached_property
    def reference(self) -> Image:
        """The reference in float64."""
        return np.ascontiguousarray(self._reference, np.float64)

    @cached_property
    def image(self) -> Image:
        """The image in float64."""
        return np.ascontiguousarray(self._image, np.float64)

    @cached_property
    def peak(self) -> float:
        """The ``slice_max`` of the reference."""
        return slice_max(self._reference)

    @cached_property
    def mean_square(self) -> float:
        """The mean square of the difference, which is taken in float64 without a copy of either slice."""
        difference = np.subtract(self._reference, self._image, dtype=np.float64)
        return float(np.mean(np.square(difference, out=difference)))

    def similarities(self, data_range: float) -> Similarities:
        """Return SSIM over the 2-D windows and over the column vector: one pass gives both."""
        if data_range not in self._similarities:
            # late: the report reads this module and needs no compiler
            from bench.similarity import similarities

            self._similarities[data_range] = similarities(self.reference, self.image, data_range)
        return self._similarities[data_range]


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


@dataclass(frozen=True)
class Metric:
    """One column of ``scores.csv``: what its numbers mean and the function that makes them.

    ``direction`` says which is better, ``range`` names the convention, ``version`` rises when equal images
    give another number, ``decimals`` is for display only. ``function`` takes a ``Pair``: two slices in mu/mu_water
    and, computed once, what metrics share.
    """

    id: str
    label: str
    unit: str
    direction: Literal["higher", "lower"]
    range: str
    version: int
    decimals: int
    function: Callable[[Pair], float]

    @property
    def definition(self) -> dict[str, str | int]:
        """What a record keeps of a metric, fit for JSON: all but its id, which is the key, and its function."""
        return {
            "label": self.label,
            "unit": self.unit,
            "range": self.range,
            "direction": self.direction,
            "version": self.version,
            "decimals": self.decimals,
        }


def _over_slice_max(metric: Callable[[Pair, float], float]) -> Callable[[Pair], float]:
    return lambda pair: metric(pair, pair.peak)


_PEAK = "maximum of the reference slice in mu/mu_water (air 0, water 1), unclipped"

METRICS: dict[str, Metric] = {
    metric.id: metric
    for metric in (
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
            1, 4, _over_slice_max(_column_ssim),
        ),
        Metric(RMSE, "RMSE", "HU", "lower", "none; 1000 x RMSE in mu/mu_water", 1, 1, _rmse_hu),
    )
}  # fmt: skip


def score(reference: ArrayLike, image: ArrayLike, ids: Iterable[str] | None = None) -> dict[str, float]:
    """Return the value of each metric id (all of them without ``ids``) for one slice, in the order of ``ids``.

    Both images are (H, W) in mu/mu_water. ``psnr.slice_max`` of identical images is ``math.inf``.

    Raises:
        ValueError: unknown id, a reference without positive maximum (where an id needs one), or bad images.
    """
    chosen = _known(ids)
    pair = Pair(reference, image)
    return {metric.id: metric.function(pair) for metric in chosen}


def definitions(ids: Iterable[str] | None = None) -> dict[str, dict[str, str | int]]:
    """Return the definition of each metric id (of all without ``ids``) for a record, fit for JSON.

    Raises:
        ValueError: unknown id.
    """
    return {metric.id: metric.definition for metric in _known(ids)}


def definition(metric: str, recorded: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the definition of one id: as ``recorded``, and what that leaves out as this program has it.

    Older records have no label and no decimals. An id of another program is its own label and has three decimals.
    """
    unknown = Metric(metric, metric, "", "higher", "not stated", 0, 3, _rmse_hu)
    return {**METRICS.get(metric, unknown).definition, **(recorded or {})}


def _known(ids: Iterable[str] | None) -> list[Metric]:
    names = [ids] if isinstance(ids, str) else list(METRICS if ids is None else ids)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"unknown metric {unknown[0]!r}; known: {', '.join(METRICS)}")
    return [METRICS[name] for name in names]


def _finite(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.dtype.kind not in "fiu":
        raise ValueError(f"the {name} has type {values.dtype}; a real number type is needed")
    if not np.isfinite(values).all():
        count = values.size - int(np.isfinite(values).sum())
        raise ValueError(f"the {name} has {count} values that are NaN or infinite")
    return values


def _positive(data_range: float) -> float:
    if not (math.isfinite(data_range) and data_range > 0.0):
        raise ValueError(f"data_range is {data_range!r}; it must be positive and finite")
    return float(data_range)
