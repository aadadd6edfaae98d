"""Statistics over patients, against cases done by hand, scipy, and a simulation with known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench import statistics


def test_mean_is_exactly_rounded_and_order_free() -> None:
    values = [1e16, 1.0, -1e16, 1.0]
    assert statistics.mean(values) == statistics.mean(sorted(values)) == 0.5


def test_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        statistics.mean([])


def test_patient_means_weigh_patients_equally() -> None:
    rows = [("b", 1.0), ("a", 4.0), ("b", 3.0), ("b", 2.0)]
    assert statistics.patient_means(rows) == {"a": 4.0, "b": 2.0}


def test_spread_by_hand() -> None:
    found = statistics.spread({"a": 1.0, "b": 3.0, "c": 5.0}, "x")
    assert (found.mean, found.sd, found.patients) == (3.0, 2.0, 3)
    # 27 equally likely resamples: the mean is 1 in one and 5 in one (3.7 % each), so both lie inside 95 %
    assert (found.low, found.high) == (1.0, 5.0)


def test_interval_agrees_with_scipy() -> None:
    numbers = np.random.default_rng(5).normal(30, 2, 20)
    found = statistics.spread({f"p{i}": float(x) for i, x in enumerate(numbers)}, "x")
    theirs = stats.bootstrap(
        (numbers,), np.mean, method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    assert found.low == pytest.approx(theirs.low, abs=0.05)
    assert found.high == pytest.approx(theirs.high, abs=0.05)


def test_bootstrap_depends_on_names_and_values_only() -> None:
    numbers = {f"p{i}": math.sqrt(i) for i in range(9)}
    backwards = dict(reversed(numbers.items()))
    assert statistics.spread(numbers, "ldct", "psnr") == statistics.spread(backwards, "ldct", "psnr")
    assert statistics.spread(numbers, "ldct", "psnr") != statistics.spread(numbers, "ldct", "ssim")


def test_interval_covers_the_truth() -> None:
    rng, inside = np.random.default_rng(2), 0
    for trial in range(200):
        sample = {str(i): float(x) for i, x in enumerate(rng.normal(0, 1, 25))}
        found = statistics.spread(sample, str(trial), draws=1000)
        assert found.low is not None and found.high is not None
        inside += found.low < 0 < found.high
    # percentile intervals of 25 values cover about 93 %; three standard errors of 200 trials are 5.5 %
    assert 0.875 <= inside / 200 <= 0.985


@pytest.mark.parametrize("values", [{"a": 2.0}, {"a": math.inf, "b": 2.0}])
def test_no_interval_without_two_finite_patients(values: dict[str, float]) -> None:
    found = statistics.spread(values, "x")
    assert (found.sd, found.low, found.high) == (None, None, None)


def test_pairing_removes_what_patients_share() -> None:
    first = {"a": 20.0, "b": 40.0, "c": 30.0}
    second = {patient: value - 0.25 for patient, value in first.items()}
    found = statistics.paired(first, second, "x")
    assert (found.mean, found.low, found.high) == (0.25, 0.25, 0.25)
    assert found.p == 0.25  # 2 of the 8 sign patterns are as extreme
    assert not found.decided


def test_paired_refuses_other_patients() -> None:
    with pytest.raises(ValueError, match="same patients"):
        statistics.paired({"a": 1.0}, {"b": 1.0})


def test_sign_flip_agrees_with_scipy() -> None:
    values = np.array([0.3, -0.1, 0.7, 0.2, -0.05, 0.4, 0.6])
    theirs = stats.permutation_test(
        (values, np.zeros(7)), lambda x, y: np.mean(x - y), permutation_type="samples"
    )
    assert statistics.sign_flip(values) == pytest.approx(theirs.pvalue)


def test_many_patients_use_random_patterns_near_the_normal_value() -> None:
    values = np.random.default_rng(3).normal(0.3, 1, 60)
    z = abs(values.sum()) / math.sqrt((values**2).sum())
    assert statistics.sign_flip(values, "x") == pytest.approx(2 * stats.norm.sf(z), abs=0.015)


def test_five_patients_cannot_decide_and_six_can() -> None:
    assert statistics.smallest_p(5) == 0.0625 > statistics.SIGNIFICANT
    assert statistics.smallest_p(6) == 0.03125 < statistics.SIGNIFICANT
    for patients, decided in ((5, False), (6, True)):
        first = {str(i): 1.0 + i for i in range(patients)}
        found = statistics.paired(first, dict.fromkeys(first, 0.0), "x")
        assert found.p == statistics.smallest_p(patients)
        assert found.decided is decided


def test_opposed_differences_decide_nothing() -> None:
    first = {str(i): (-1.0) ** i for i in range(10)}
    found = statistics.paired(first, dict.fromkeys(first, 0.0), "x")
    assert found.mean == 0.0 and found.p == 1.0 and not found.decided
