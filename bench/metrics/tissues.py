"""RMSE and bias in HU over body, lung, soft tissue and bone, in slices with lung and in those without; noise left.

No id is of both anatomies, so that no mean can be: a bias of -18 HU in the chest and +14 HU in the abdomen would read
as -2 HU. A slice has the scores of its own anatomy and lacks the others.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.metrics.metric import Metric
from bench.metrics.pair import Pair
from bench.metrics.segmentation import BODY, BONE, CHEST, LUNG, NO_LUNG, SOFT, anatomy

REGIONS = {CHEST: (BODY, LUNG, SOFT, BONE), NO_LUNG: (BODY, SOFT, BONE)}
NAMES = {CHEST: "slices with lung", NO_LUNG: "slices without lung", SOFT: "soft tissue"}
RESIDUAL = "noise.left"
_HU = 1000.0


class Errors(NamedTuple):
    """The mean of an image's error over a tissue, and of its square, in mu/mu_water."""

    mean: float
    square: float


def _errors(pair: Pair) -> dict[str, Errors]:
    """Return the errors of the image over each tissue that has scores of its own."""
    return {tissue: _over(pair, pair.image, where) for tissue, where in pair.once(anatomy).pixels.items()}


def _over(pair: Pair, image: NDArray[Any], where: NDArray[np.intp]) -> Errors:
    error = image.ravel()[where] - pair.reference.ravel()[where]
    return Errors(float(error.mean()), float(error @ error) / error.size)


def _of_tissue(pair: Pair, region: str, tissue: str) -> Errors | None:
    """Return the errors over a tissue; None in another anatomy, or with too little of it."""
    return pair.once(_errors).get(tissue) if pair.once(anatomy).region == region else None


def _bias(pair: Pair, region: str, tissue: str) -> float | None:
    errors = _of_tissue(pair, region, tissue)
    return None if errors is None else _HU * errors.mean


def _rmse(pair: Pair, region: str, tissue: str) -> float | None:
    errors = _of_tissue(pair, region, tissue)
    return None if errors is None else _HU * math.sqrt(errors.square)


def _residual(pair: Pair) -> float | None:
    """Return the deviation of the error of the image over that of the untreated slice, both in soft tissue."""
    where = pair.once(anatomy).pixels.get(SOFT)
    if pair.untreated is None or where is None:
        return None
    noise = _variance(_over(pair, pair.untreated, where))
    return math.sqrt(_variance(pair.once(_errors)[SOFT]) / noise) if noise > 0.0 else None


def _variance(errors: Errors) -> float:
    return max(0.0, errors.square - errors.mean**2)


def _metric(kind: str, region: str, tissue: str) -> Metric:
    function, label, what = (
        (_bias, "Bias", "mean error, image less reference")
        if kind == "bias"
        else (_rmse, "RMSE", "root mean squared error")
    )
    where = NAMES.get(tissue, tissue)
    return Metric(
        f"{kind}.{region}.{tissue}", f"{label}, {where}, {NAMES[region]}", "HU",
        "none" if kind == "bias" else "lower",
        f"none; {what} over {where} by CT number of the reference, {NAMES[region]} only",
        1, 1, lambda pair: function(pair, region, tissue), "tissues",
    )  # fmt: skip


TISSUES = (
    *(
        _metric(kind, region, tissue)
        for region, tissues in REGIONS.items()
        for tissue in tissues
        for kind in ("rmse", "bias")
    ),
    Metric(
        RESIDUAL, "Noise left", "", "lower",
        "none; deviation of image less reference over that of untreated slice less reference, soft tissue",
        1, 3, _residual, "lesions",
    ),
)  # fmt: skip
