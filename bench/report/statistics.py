"""Statistics over patients, seeds and folds: intervals, tests, and p-values of a winner.

Patients are the sample, slices of one patient resemble each other. Intervals are Student's t (Student 1908,
Biometrika 6, 1-25), right for roughly normal values at any number of them; from six values on a bootstrap-t
interval stands beside it, which also holds for skewed ones (Efron, Tibshirani 1993, An Introduction to the
Bootstrap, chapter 12; Owen, arXiv 2508.10083). Tests take arrays whose last axes are the sample and any axes
before them, so that a simulation calls what the report calls. Measured errors: ``docs/statistics.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import seeds

DRAWS = 9_999
LEVEL = 0.95
SIGNIFICANT = 0.05
FEWEST_PATIENTS = 4  # below, no claim: whether differences are roughly normal cannot be judged at all
FEWEST_TRAININGS = 3  # seeds or folds for a claim on a method
FEWEST_RESAMPLED = 6  # fewer values have too few different resamples for a bootstrap
_SAME = 1e-12  # values closer than this share of the largest differ by rounding only

Values = Mapping[str, float]
Floats = NDArray[np.float64]
Test = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Interval:
    """The two ends of a 95 % interval, in the unit of the values."""

    low: float
    high: float


@dataclass(frozen=True)
class Spread:
    """Mean of one value per patient, deviation (n - 1), t and bootstrap-t interval; None where there is none."""

    mean: float
    sd: float | None
    interval: Interval | None
    resampled: Interval | None
    patients: int


def mean(values: Iterable[float]) -> float:
    """Return the exactly rounded mean, which does not depend on the order of ``values``.

    Raises:
        ValueError: there are no values.
    """
    numbers = list(values)
    if not numbers:
        raise ValueError("the mean of no values")
    return math.fsum(numbers) / len(numbers)


def deviation(values: Iterable[float]) -> float | None:
    """Return the standard deviation (n - 1) of ``values``; None of fewer than two."""
    numbers = np.fromiter(values, np.float64)
    return float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None


def spread(values: Values, *names: str) -> Spread:
    """Return mean, standard deviation and intervals of one value per patient.

    ``names`` say what the values are and seed the draws: equal names and values give equal intervals. With
    fewer than two patients there is no deviation and no interval.

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    numbers = np.array([values[patient] for patient in sorted(values)], np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("a value is not finite")
    if len(numbers) < 2:
        return Spread(mean(numbers), None, None, None, len(numbers))
    resampled = bootstrap_t(numbers, *names) if len(numbers) >= FEWEST_RESAMPLED else None
    return Spread(mean(numbers), deviation(numbers), t_interval(numbers), resampled, len(numbers))


def paired(first: Values, second: Values, *names: str) -> Spread:
    """Return the spread of ``first - second``, patient by patient.

    Raises:
        ValueError: the patients differ, or there are none, or a value is not finite.
    """
    if set(first) != set(second):
        raise ValueError("paired values need the same patients")
    return spread({patient: first[patient] - second[patient] for patient in first}, "paired", *names)


def t_interval(numbers: Floats) -> Interval:
    """Return Student's 95 % interval of the mean of at least two values; equal values give that value twice."""
    from scipy import (
        special,
    )  # not scipy.stats: two seconds to import; what draws no table does without either

    centre, error = numbers.mean(), numbers.std(ddof=1) / math.sqrt(len(numbers))
    if _flat(numbers):
        return Interval(float(centre), float(centre))
    low, high = centre + error * special.stdtrit(len(numbers) - 1, np.array(_ENDS))
    return Interval(float(low), float(high))


def bootstrap_t(numbers: Floats, *names: str) -> Interval | None:
    """Return the 95 % interval whose t values are taken from resamples; None where too many have no spread."""
    centre, error = float(numbers.mean()), float(numbers.std(ddof=1)) / math.sqrt(len(numbers))
    if _flat(numbers):
        return None
    places = seeds.generator("bootstrap-t", *names).integers(0, len(numbers), (DRAWS, len(numbers)))
    low, high = centre - error * np.quantile(_t_values(numbers[places], centre), _ENDS, method="higher")[::-1]
    return Interval(float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None


_ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def _t_values(drawn: Floats, centre: float) -> Floats:
    """Return the t value of each resample (last axis); infinite where all its values are the same."""
    gap = drawn.mean(axis=-1) - centre
    error = drawn.std(axis=-1, ddof=1) / math.sqrt(drawn.shape[-1])
    flat = _flat(drawn)
    return np.asarray(np.where(flat, np.copysign(np.inf, gap), gap / np.where(flat, 1.0, error)))


def t_test(differences: Floats) -> Floats:
    """Return the two-sided p of the t test that the mean over the last axis is zero; NaN where nothing varies."""
    from scipy import special

    flat, count = _flat(differences), differences.shape[-1]
    error = differences.std(axis=-1, ddof=1) / math.sqrt(count)
    t = np.abs(differences.mean(axis=-1)) / np.where(flat, 1.0, error)
    return np.where(flat, np.nan, 2 * special.stdtr(count - 1, -t))


def equivalence_test(differences: Floats, margin: float) -> Floats:
    """Return the p that the mean over the last axis lies outside of -margin to margin: two one-sided t tests.

    It is the larger of their two p, and at most 0.05 exactly where the 90 % t interval lies within the margin
    (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680). NaN where nothing varies;
    0 where all differences are zero, as of a network that was entered twice.
    """
    from scipy import special

    count, flat = differences.shape[-1], _flat(differences)
    error = np.where(flat, 1.0, differences.std(axis=-1, ddof=1) / math.sqrt(count))
    p = special.stdtr(count - 1, -(margin - np.abs(differences.mean(axis=-1))) / error)
    return np.where(flat, np.where((differences == 0).all(axis=-1), 0.0, np.nan), p)


def crossed_test(differences: Floats) -> Floats:
    """Return the two-sided p that the mean is zero where both seeds and patients are a sample: (..., seeds, patients).

    The error of the mean has a part from the seeds and one from the patients, each estimated from its own means,
    with n - 1 degrees of freedom. The mean differs from zero at the level p if its square exceeds the sum of the
    two squared errors, each times the square of its own t value at p. For normal values this p is never too
    small, whatever the shares: the chance of so large a mean is convex in the variance estimate (Banerjee 1960,
    Sankhya 22, 357-358). What seed and patient do together is in both parts, so it is counted twice, not lost.
    A sum of variances with Welch's degrees of freedom names a false winner in up to 16 % of tables.
    """
    from scipy import special

    over_seeds, over_patients = differences.mean(axis=-1), differences.mean(axis=-2)
    parts = [(np.var(m, axis=-1, ddof=1) / m.shape[-1], m.shape[-1] - 1) for m in (over_seeds, over_patients)]
    square = over_seeds.mean(axis=-1) ** 2
    low, high = np.full(square.shape, -50.0), np.zeros(square.shape)  # log p: a bisection
    for _ in range(36):
        middle = (low + high) / 2
        needed = sum(part * special.stdtrit(freedom, np.exp(middle) / 2) ** 2 for part, freedom in parts)
        above = square > needed
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(_flat(over_seeds) | _flat(over_patients), np.nan, np.exp(high))


def winner_p(scores: Floats, best: NDArray[np.intp], test: Test) -> Floats:
    """Return the p that network ``best`` is not alone the best: the largest p of its tests against each other one.

    ``scores`` are (..., networks, sample), higher is better, ``best`` is (...). A network that does not lead by
    the mean of the sample has 1. That the best was looked for among several costs nothing: the two-sided p of
    its closest comparison holds for the winner of any number of networks (Gutmann, Maymin 1987, Annals of
    Statistics 15, 456-461, for equal variances; arXiv 2503.01065 for any covariance). NaN: nothing varies.
    """
    count = scores.ndim - best.ndim - 1  # axes of the sample
    places = best.reshape(best.shape + (1,) * (count + 1))
    gaps = np.take_along_axis(scores, places, axis=best.ndim) - scores
    p = np.where(gaps.mean(axis=tuple(range(-count, 0))) > 0, test(gaps), 1.0)
    itself = np.arange(scores.shape[best.ndim]) == best[..., None]
    return np.asarray(np.where(itself, 0.0, p).max(axis=-1))


def holm(p: Floats) -> Floats:
    """Return p adjusted for the number of values on the last axis, so that one false claim in all has its level.

    Holm 1979, Scandinavian Journal of Statistics 6, 65-70, for tests that depend in any way. NaN counts as 1.
    """
    count = p.shape[-1]
    filled = np.where(np.isnan(p), 1.0, p)
    order = np.argsort(filled, axis=-1)
    steps = np.take_along_axis(filled, order, axis=-1) * np.arange(count, 0, -1)
    adjusted = np.empty_like(filled)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0), axis=-1)
    return np.where(np.isnan(p), np.nan, adjusted)


def _flat(numbers: Floats) -> NDArray[np.bool_]:
    """Return whether the values on the last axis are all the same, but for rounding."""
    return np.asarray(np.ptp(numbers, axis=-1) <= _SAME * np.abs(numbers).max(axis=-1))
