"""Image metrics whose range, unit and convention are part of their name.

Images are real (H, W) arrays in mu/mu_water (air 0, water 1), unclipped; everything is computed in float64.
A metric id names its convention, because the same pair of images scores 28.9 to 42.7 dB under the conventions
in use. ``METRICS`` is the one home of an id: a metric is a function of a ``Pair`` and an entry there. A slice without
lung has no error of the lung: such a score is absent, not a number (``of_pair``).
Records keep ``definitions(ids)`` beside the scores; ``bench score`` adds a metric to finished cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from bench.metrics.conventions import CLIPPED, CONVENTIONS, Convention
from bench.metrics.lesions import LESIONS
from bench.metrics.metric import Metric
from bench.metrics.pair import Image, Lesion, Pair, slice_max
from bench.metrics.study import PSNR, RMSE, SSIM, STUDY, column_ssim, psnr, rmse_hu, ssim
from bench.metrics.tissues import TISSUES

__all__ = [
    "CONVENTIONS", "METRICS", "PSNR", "RMSE", "SCORING_VERSION", "SSIM", "Convention", "Image", "Lesion",
    "Metric", "Pair", "column_ssim", "definition", "definitions", "of_pair", "psnr", "rmse_hu", "score", "slice_max",
    "ssim",
]  # fmt: skip

#: Raised when any score of ``scores.csv`` may change; a ``Metric.version`` rises with its own values only. It did not
#: rise with ``bench.similarity``, which moved SSIM by rounding, below 1e-12: ``bench score`` compares to half of the
#: last digit that is printed (``bench.records.rescoring``).
SCORING_VERSION = 1

METRICS: dict[str, Metric] = {
    metric.id: metric
    for metric in (
        *STUDY,
        *CLIPPED,
        *TISSUES,
        *LESIONS,
    )
}  # fmt: skip


def score(reference: ArrayLike, image: ArrayLike, ids: Iterable[str] | None = None) -> dict[str, float]:
    """Return ``of_pair`` for two images alone: what needs the untreated slice or known lesions has no value.

    Raises:
        ValueError: unknown id, a reference without positive maximum (where an id needs one), or bad images.
    """
    _known(ids)
    return of_pair(Pair(reference, image), ids)


def of_pair(pair: Pair, ids: Iterable[str] | None = None) -> dict[str, float]:
    """Return the value of each metric id (all of them without ``ids``) for one slice, in the order of ``ids``.

    Both images are (H, W) in mu/mu_water. ``psnr.slice_max`` of identical images is ``math.inf``. An id of which the
    slice has no value is left out.

    Raises:
        ValueError: unknown id, or a reference without positive maximum (where an id needs one).
    """
    values = {metric.id: metric.function(pair) for metric in _known(ids)}
    return {name: value for name, value in values.items() if value is not None}


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
    unknown = Metric(metric, metric, "", "higher", "not stated", 0, 3, lambda pair: math.nan)
    return {**METRICS.get(metric, unknown).definition, **(recorded or {})}


def _known(ids: Iterable[str] | None) -> list[Metric]:
    names = [ids] if isinstance(ids, str) else list(METRICS if ids is None else ids)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"unknown metric {unknown[0]!r}; known: {', '.join(METRICS)}")
    return [METRICS[name] for name in names]
