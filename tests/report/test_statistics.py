"""Statistics over patients, against cases done by hand, scipy, R's p.adjust, and simulations with known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.report import statistics

TRIALS = 4_000
ERROR = 3 * math.sqrt(0.05 * 0.95 / TRIALS)  # three standard errors of a share of 5 %: 0.010


def test_mean_is_exactly_rounded_and_order_free() -> None:
    values = [1e16, 1.0, -1e16, 1.0]
    assert statistics.mean(values) == statistics.mean(sorted(values)) == 0.5


def test_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        statistics.mean([])


def test_spread_by_hand() -> None:
    found = statistics.spread({"a": 1.0, "b": 3.0, "c": 5.0}, "x")
    assert (found.mean, found.sd, found.patients, found.resampled) == (3.0, 2.0, 3, None)
    # t of a table: 4.303 for two degrees of freedom; standard error 2 / sqrt(3)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(3 - 4.302653 * 2 / math.sqrt(3), abs=1e-5)
    assert found.interval.high == pytest.approx(3 + 4.302653 * 2 / math.sqrt(3), abs=1e-5)


def test_students_own_data() -> None:
    """Student 1908, section IX: ten patients, hours of sleep gained by one drug more than by the other."""
    more = {str(i): x for i, x in enumerate([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])}
    found = statistics.paired(more, dict.fromkeys(more, 0.0), "x")
    assert found.mean == pytest.approx(1.58) and found.interval is not None
    # R, t.test(sleep, paired = TRUE): t = 4.0621, p = 0.002833, interval 0.7001 to 2.4599
    assert (found.interval.low, found.interval.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert statistics.t_test(np.array(list(more.values()))) == pytest.approx(0.002833, abs=1e-6)


def test_bootstrap_depends_on_names_and_values_only() -> None:
    numbers = {f"p{i}": math.sqrt(i) for i in range(9)}
    backwards = dict(reversed(numbers.items()))
    assert statistics.spread(numbers, "ldct", "psnr") == statistics.spread(backwards, "ldct", "psnr")
    assert statistics.spread(numbers, "ldct", "psnr") != statistics.spread(numbers, "ldct", "ssim")


@pytest.mark.parametrize("patients", [4, 6, 10])
def test_t_interval_covers_the_truth(patients: int) -> None:
    sample = np.random.default_rng(patients).normal(0.3, 1, (TRIALS, patients))
    found = [statistics.t_interval(numbers) for numbers in sample[:200]]
    covered = statistics.t_test(sample - 0.3) > 0.05  # the same statement, for all trials at once
    assert list(covered[:200]) == [one.low < 0.3 < one.high for one in found]
    assert covered.mean() >= 0.93
    assert covered.mean() == pytest.approx(0.95, abs=ERROR)


def test_bootstrap_t_covers_a_skewed_truth_where_t_does_not() -> None:
    sample = np.random.default_rng(8).exponential(1, (TRIALS, 10))
    inside = [
        one is None or one.low < 1 < one.high
        for one in (statistics.bootstrap_t(x, str(i)) for i, x in enumerate(sample[:300]))
    ]
    assert np.mean(inside) == pytest.approx(0.945, abs=0.04)  # three standard errors of 300 trials: 0.039
    assert (statistics.t_test(sample - 1) > 0.05).mean() < 0.93


def test_bootstrap_t_agrees_with_its_definition() -> None:
    """All 6^6 resamples of six values, where the program draws 9,999 of them."""
    numbers = np.array([0.1, 0.5, 0.7, 1.3, 2.9, 4.2])
    every = numbers[np.stack(np.meshgrid(*[np.arange(6)] * 6), -1).reshape(-1, 6)]
    error = every.std(axis=1, ddof=1) / math.sqrt(6)
    with np.errstate(divide="ignore"):
        t = (every.mean(axis=1) - numbers.mean()) / error
    own = numbers.std(ddof=1) / math.sqrt(6)
    low, high = numbers.mean() - own * np.quantile(t, [0.975, 0.025], method="higher")
    found = statistics.bootstrap_t(numbers, "x")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.05, abs=0.05)


def test_no_bootstrap_t_where_too_many_resamples_are_flat() -> None:
    assert statistics.bootstrap_t(np.array([1.0, 1, 1, 1, 1, 5]), "x") is None  # 33 % have no spread


def test_one_patient_has_no_spread() -> None:
    found = statistics.spread({"a": 2.0}, "x")
    assert (found.mean, found.sd, found.interval, found.resampled) == (2.0, None, None, None)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        statistics.spread({"a": value, "b": 2.0}, "x")


def test_pairing_removes_what_patients_share() -> None:
    first = {"a": 20.0, "b": 40.0, "c": 30.0}
    found = statistics.paired(first, {patient: value - 0.25 for patient, value in first.items()}, "x")
    assert (found.mean, found.interval) == (0.25, statistics.Interval(0.25, 0.25))


def test_paired_refuses_other_patients() -> None:
    with pytest.raises(ValueError, match="same patients"):
        statistics.paired({"a": 1.0}, {"b": 1.0})


def test_t_test_agrees_with_scipy_and_with_flipped_signs() -> None:
    first, second = np.random.default_rng(3).normal(30, 1, (2, 12))
    found = statistics.t_test(first - second)
    assert found == pytest.approx(stats.ttest_rel(first, second).pvalue)
    flipped = stats.permutation_test(
        (first, second), lambda x, y: np.mean(x - y), permutation_type="samples", rng=1
    )
    assert found == pytest.approx(flipped.pvalue, abs=0.03)


def test_what_does_not_vary_has_no_p() -> None:
    assert np.isnan(statistics.t_test(np.array([[0.25] * 4, [0.1 + 0.2, 0.3, 0.3, 0.3]]))).all()
    assert np.isnan(statistics.crossed_test(np.array([[0.1, 0.2, 0.4]] * 3)))


def test_crossed_test_by_hand() -> None:
    """Seeds differ by 0.1, patients not: the t test of the seeds. And the other way round."""
    seeds, patients = np.array([0.2, 0.3, 0.5]), np.array([0.2, 0.3, 0.5, 0.6])
    tiny = 1e-9 * np.arange(12).reshape(3, 4) ** 2
    only_seeds = statistics.crossed_test(np.tile(seeds[:, None], 4) + tiny)
    only_patients = statistics.crossed_test(np.tile(patients, (3, 1)) + tiny)
    assert only_seeds == pytest.approx(stats.ttest_1samp(seeds, 0).pvalue, rel=1e-5)
    assert only_patients == pytest.approx(stats.ttest_1samp(patients, 0).pvalue, rel=1e-5)


def test_crossed_test_needs_both_errors() -> None:
    """At its own p, the squared mean is the sum of the squared errors, each times its squared t value."""
    found = np.random.default_rng(4).normal(0.3, 0.2, (3, 5))
    p = statistics.crossed_test(found)
    parts = [found.mean(axis=1).var(ddof=1) / 3, found.mean(axis=0).var(ddof=1) / 5]
    needed = sum(part * stats.t.isf(p / 2, df) ** 2 for part, df in zip(parts, (2, 4), strict=True))
    assert needed == pytest.approx(found.mean() ** 2, rel=1e-7)


def test_holm_agrees_with_r() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") = 0.03 0.06 0.06 0.02
    assert statistics.holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    found = statistics.holm(np.array([[0.02, np.nan, 0.9], [0.02, 0.01, 0.9]]))
    assert found[0] == pytest.approx([0.06, np.nan, 1.0], nan_ok=True)
    assert found[1] == pytest.approx([0.04, 0.03, 0.9])


def test_the_winner_is_held_against_every_other_network() -> None:
    """The runner-up by the mean is beaten clearly, the third, with large differences, is not."""
    more = [[0.5, 0.6, 0.4, 0.5, 0.5], [0.01, -0.01, 0.0, 0.02, 0.0], [3.0, -4.0, 2.0, -3.0, 1.5]]
    scores = np.array([1.0, 5.0, 2.0, 3.0, 4.0]) + np.array(more)
    pairs = [stats.ttest_rel(scores[0], other).pvalue for other in scores[1:]]
    assert pairs[0] < 0.001 < 0.5 < pairs[1]
    assert statistics.winner_p(scores, np.array(0), statistics.t_test) == pytest.approx(max(pairs))
    assert statistics.winner_p(scores, np.array(1), statistics.t_test) == 1.0  # does not lead
