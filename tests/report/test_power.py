"""The smallest difference that patients could show, against scipy's own distribution, a table and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.report.power import paired_deviation, smallest_difference
from tests import records_factory


@pytest.mark.parametrize("patients", [5, 10, 20, 47])
def test_the_power_at_the_smallest_difference_is_that_of_the_noncentral_t_distribution(patients: int) -> None:
    shift = smallest_difference(patients, 0.3) / 0.3 * math.sqrt(patients)
    critical = stats.t.ppf(0.975, patients - 1)
    assert stats.nct.sf(critical, patients - 1, shift) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize(("patients", "effect"), [(34, 0.5), (15, 0.8), (199, 0.2)])
def test_published_sample_sizes_of_a_paired_t_test(patients: int, effect: float) -> None:
    """Small, medium and large effects need 199, 34 and 15 pairs at 0.05 and 0.8 (G*Power, difference of two means)."""
    assert smallest_difference(patients, 1.0) <= effect < smallest_difference(patients - 1, 1.0)


def test_four_patients_find_it_in_four_of_five_samples() -> None:
    drawn = np.random.default_rng(1).normal(smallest_difference(4, 1.0), 1.0, (20_000, 4))
    assert (stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_one_patient_shows_nothing() -> None:
    with pytest.raises(ValueError, match="two patients"):
        smallest_difference(1, 1.0)


def test_the_deviation_is_that_of_patient_means_and_the_median_over_pairs_of_networks() -> None:
    def result(model: str, first: float, second: float) -> records_factory.Result:
        rows = records_factory.scores(
            [("P1", "1"), ("P1", "2"), ("P2", "1")], **{"psnr.slice_max": [first - 1, first + 1, second]}
        )
        return records_factory.result(records_factory.planned(records_factory.cell(model)), rows)

    networks = [result("input", 0, 90), result("a", 30, 30), result("b", 30, 32), result("c", 30, 36)]
    # gaps of patient means: a-b (0, 2), a-c (0, 6), b-c (0, 4); a deviation of two is their gap over the root of 2
    assert paired_deviation(networks) == pytest.approx((4 / math.sqrt(2), 3))
    assert paired_deviation(networks[:2]) is None
