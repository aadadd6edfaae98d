"""A reference slice and an image of it, and what several metrics need of both, computed once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from bench.similarity import Similarities

Image = NDArray[np.float64]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Lesion:
    """A lesion that is known to lie in a slice, a disc; places and diameter in pixels, 0 = centre of the first."""

    kind: str  # solid, ground-glass, liver
    x: float  # column
    y: float  # row
    diameter: float


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

    ``untreated`` is the slice that the network was given, ``lesions`` what is known to lie in it; a metric that needs
    what is not given has no value.

    Raises:
        ValueError: shapes differ, or an image is not 2-D, not of real numbers or not finite.
    """

    def __init__(
        self,
        reference: ArrayLike,
        image: ArrayLike,
        *,
        untreated: ArrayLike | None = None,
        lesions: Iterable[Lesion] = (),
    ) -> None:
        x, y = np.asarray(reference), np.asarray(image)
        if x.shape != y.shape:
            raise ValueError(f"shapes differ: reference {x.shape}, image {y.shape}")
        if x.ndim != 2 or x.size == 0:
            raise ValueError(f"a slice has shape (H, W), not {x.shape}")
        self._reference, self._image = _finite(x, "reference"), _finite(y, "image")
        self._similarities: dict[float, Similarities] = {}
        self._kept: dict[Callable[[Pair], Any], Any] = {}
        self.untreated = None if untreated is None else np.asarray(untreated)
        self.lesions = tuple(lesions)

    def once(self, function: Callable[[Pair], Value]) -> Value:
        """Return ``function`` of this pair, which is computed at the first call only."""
        if function not in self._kept:
            self._kept[function] = function(self)
        value: Value = self._kept[function]
        return value

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


def _finite(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.dtype.kind not in "fiu":
        raise ValueError(f"the {name} has type {values.dtype}; a real number type is needed")
    if not np.isfinite(values).all():
        count = values.size - int(np.isfinite(values).sum())
        raise ValueError(f"the {name} has {count} values that are NaN or infinite")
    return values
