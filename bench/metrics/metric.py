"""What one score means and the function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.metrics.pair import Pair


@dataclass(frozen=True)
class Metric:
    """One column of ``scores.csv``: what its numbers mean and the function that makes them.

    ``direction`` says which is better (``none``: one value is right, as 0 of a bias, and there is no winner), ``range``
    names the convention, ``version`` rises when equal images give another number, ``decimals`` is for display only.
    ``function`` takes a ``Pair``: two slices in mu/mu_water and, computed once, what metrics share. It returns None
    where the slice has no such value, as the error of the lung where there is no lung.
    """

    id: str
    label: str
    unit: str
    direction: Literal["higher", "lower", "none"]
    range: str
    version: int
    decimals: int
    function: Callable[[Pair], float | None]
    table: str = "further"  # the table of the report that shows it

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
