"""How numbers are printed: the same text decides ties and stands in every format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

DASH = "–"  # noqa: RUF001
_DECIMALS = {"psnr.slice_max": 2, "ssim.slice_max": 4, "ssim.column": 4, "rmse.hu": 1}
_LABELS = {
    "psnr.slice_max": "PSNR",
    "ssim.slice_max": "SSIM",
    "ssim.column": "SSIM (column)",
    "rmse.hu": "RMSE",
}


def metric_label(metric: str, definition: Mapping[str, Any]) -> str:
    """Return the short name of a metric, from its definition where that has one."""
    return str(definition.get("label") or _LABELS.get(metric, metric))


def score(number: float, metric: str, definition: Mapping[str, Any], *, signed: bool = False) -> str:
    """Return a score as the published table prints it: ``33.28``, ``.8858``, or with its sign."""
    decimals = int(definition.get("decimals", _DECIMALS.get(metric, 3)))
    text = fixed(number, decimals, signed=signed)
    return text.replace("0.", ".", 1) if not definition.get("unit", "") and abs(float(text)) < 1 else text


def fixed(number: float, decimals: int, *, signed: bool = False) -> str:
    """Return ``number`` with fixed decimals and no negative zero."""
    if not math.isfinite(number):
        return f"{number}"
    rounded = round(number, decimals)
    return f"{rounded + 0.0 if rounded else 0.0:{'+' if signed else ''}.{decimals}f}"


def one_line(text: str) -> str:
    """Return ``text`` on one line, each run of blanks and line ends as one blank."""
    return " ".join(text.split())


def whole(number: float) -> str:
    """Return a count with separators; below ten with two significant digits."""
    return f"{round(number):,}" if abs(number) >= 10 or number == round(number) else f"{number:.2g}"
