"""Spread over patients: what a table of means may and may not claim.

Patients are the sample, slices of one patient resemble each other: every interval here resamples patients.
Values arrive as ``{patient: value}``, one for each patient, so the order in which files were read cannot
matter. Bootstrap percentile interval: Efron 1979, doi 10.1214/aos/1176344552. Sign-flip test: Fisher 1935,
The Design of Experiments, section 21.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import seeds

DRAWS = 10_000
LEVEL = 0.95
SIGNIFICANT = 0.05
EXACT_PATIENTS = 16  # up to here all 2^n sign patterns are enumerated

Values = Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """Mean of patient values, standard deviation (n - 1) and bootstrap interval; None where there is none."""

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    patients: int


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences over patients, its interval, p-value of the two-sided sign-flip test."""

    mean: float
    low: float | None
    high: float | None
    p: float | None
    patients: int

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero and the test reaches 0.05."""
        if self.low is None or self.high is None or self.p is None:
            return False
        return (self.low > 0 or self.high < 0) and self.p <= SIGNIFICANT


def mean(values: Iterable[float]) -> float:
    """Return the exactly rounded mean, which does not depend on the order of ``values``.

    Raises:
        ValueError: there are no values.
    """
    numbers = list(values)
    if not numbers:
        raise ValueError("the mean of no values")
    return math.fsum(numbers) / len(numbers)


def patient_means(rows: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the mean value of each patient from (patient, value) pairs, patients sorted by name."""
    grouped: dict[str, list[float]] = {}
    for patient, value in rows:
        grouped.setdefault(patient, []).append(value)
    return {patient: mean(grouped[patient]) for patient in sorted(grouped)}


def spread(values: Values, *names: str, draws: int = DRAWS, level: float = LEVEL) -> Spread:
    """Return mean, standard deviation and percentile bootstrap interval of one value per patient.

    ``names`` say what the values are and seed the draws: equal names and values give equal intervals. With
    fewer than two patients, or a value that is not finite, there is no deviation and no interval.

    Raises:
        ValueError: there are no values.
    """
    numbers = _sorted(values)
    centre = mean(numbers)
    if len(numbers) < 2 or not np.isfinite(numbers).all():
        return Spread(centre, None, None, None, len(numbers))
    low, high = _bootstrap(numbers, ("spread", *names), draws, level)
    return Spread(centre, float(np.std(numbers, ddof=1)), low, high, len(numbers))


def paired(
    first: Values, second: Values, *names: str, draws: int = DRAWS, level: float = LEVEL
) -> Difference:
    """Return ``first - second`` patient by patient: mean, bootstrap interval and sign-flip p-value.

    Raises:
        ValueError: the patients differ, or there are none.
    """
    if set(first) != set(second):
        raise ValueError("paired values need the same patients")
    numbers = _sorted({patient: first[patient] - second[patient] for patient in first})
    centre = mean(numbers)
    if len(numbers) < 2 or not np.isfinite(numbers).all():
        return Difference(centre, None, None, None, len(numbers))
    low, high = _bootstrap(numbers, ("paired", *names), draws, level)
    return Difference(centre, low, high, sign_flip(numbers, *names), len(numbers))


def sign_flip(values: Iterable[float], *names: str, draws: int = DRAWS) -> float:
    """Return the two-sided p-value that the mean of ``values`` is zero, by flipping their signs.

    Exact for up to 16 values; beyond that from ``draws`` random patterns and the observed one.
    """
    numbers = np.asarray(list(values), np.float64)
    count = len(numbers)
    if count <= EXACT_PATIENTS:
        patterns = np.arange(2**count)[:, None] >> np.arange(count) & 1
    else:
        patterns = seeds.generator("sign flip", *names).integers(0, 2, (draws, count))
        patterns[0] = 0
    sums = np.abs((1 - 2 * patterns) @ numbers)
    observed = abs(float(numbers.sum()))
    return float(np.mean(sums >= observed * (1 - 1e-12)))


def smallest_p(patients: int) -> float:
    """Return the smallest p-value that an exact two-sided sign-flip test of so many patients can reach."""
    return min(1.0, 2.0 ** (1 - patients))


def _sorted(values: Values) -> NDArray[np.float64]:
    return np.array([values[patient] for patient in sorted(values)], np.float64)


def _bootstrap(
    numbers: NDArray[np.float64], names: tuple[str, ...], draws: int, level: float
) -> tuple[float, float]:
    chosen = seeds.generator("bootstrap", *names).integers(0, len(numbers), (draws, len(numbers)))
    means = numbers[chosen].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
