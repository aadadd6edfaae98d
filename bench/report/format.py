"""How numbers are printed: the same text decides ties and stands in every format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench import metrics

DASH = "–"  # noqa: RUF001


def metric_label(metric: str, definition: Mapping[str, Any]) -> str:
    """Return the short name of a metric; older records do not state it: then that of this program."""
    return str(metrics.definition(metric, definition)["label"])


def metric_name(metric: str, definition: Mapping[str, Any]) -> str:
    """Return the short name of a metric with its unit: ``PSNR (dB)``, ``SSIM``."""
    unit = definition.get("unit", "")
    return metric_label(metric, definition) + (f" ({unit})" if unit else "")


def score(number: float, metric: str, definition: Mapping[str, Any], *, signed: bool = False) -> str:
    """Return a score as the published table prints it: ``33.28``, ``.8858``, or with its sign."""
    decimals = int(metrics.definition(metric, definition)["decimals"])
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
