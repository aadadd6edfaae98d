"""The probability that a published difference is false: against scipy's t test, and against known truths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.metrics import PSNR
from bench.report import table
from bench.report.board import scoreboard
from bench.report.false_claims import difference_sd, false_probability, measured


def test_it_is_the_one_sided_p_of_the_paired_t_test_from_summaries_alone() -> None:
    first, second = np.random.default_rng(2).normal([[30.3], [30.0]], 1.0, (2, 7))
    sd = difference_sd(first.std(ddof=1), second.std(ddof=1), np.corrcoef(first, second)[0, 1])
    assert sd == pytest.approx((first - second).std(ddof=1))
    found = false_probability(first.mean() - second.mean(), 7, sd)
    better, worse = (first, second) if first.mean() > second.mean() else (second, first)
    assert found == pytest.approx(stats.ttest_rel(better, worse, alternative="greater").pvalue)
    assert false_probability(second.mean() - first.mean(), 7, sd) == found  # whichever is named first


def test_by_a_table_of_t() -> None:
    """Four patients, sd of 0.4 dB: a difference of 0.4707 is t = 2.353, the upper 5 % of three degrees of freedom."""
    assert false_probability(0.4707, 4, 0.4) == pytest.approx(0.05, abs=1e-4)
    assert false_probability(0.0, 4, 0.4) == 0.5


@pytest.mark.parametrize(("patients", "sd"), [(1, 0.1), (4, 0.0), (4, math.nan)])
def test_without_a_sample_there_is_no_probability(patients: int, sd: float) -> None:
    with pytest.raises(ValueError, match="two patients"):
        false_probability(0.3, patients, sd)


@pytest.mark.parametrize("patients", [4, 10])
def test_of_claims_at_a_probability_so_many_are_false(patients: int) -> None:
    """True differences and deviations spread evenly and wide, deviations on a log scale; claims far from the rim."""
    rng, count = np.random.default_rng(patients), 400_000
    truth = rng.uniform(-6, 6, count)
    sd = np.exp(rng.uniform(math.log(0.05), math.log(20), count))
    sample = truth[:, None] + sd[:, None] * rng.standard_normal((count, patients))
    mean, measured_sd = sample.mean(axis=1), sample.std(axis=1, ddof=1)
    inner = (measured_sd > 0.5) & (measured_sd < 1.5) & (abs(mean) < 1.5)
    p = stats.t.cdf(-math.sqrt(patients) * abs(mean) / measured_sd, patients - 1)
    assert p[:20] == pytest.approx(
        [false_probability(m, patients, s) for m, s in zip(mean[:20], measured_sd[:20], strict=True)]
    )
    false = np.sign(truth) != np.sign(mean)
    for low, high in ((0.0, 0.05), (0.05, 0.15), (0.15, 0.3), (0.3, 0.5)):
        claims = inner & (p >= low) & (p < high)
        error = 3 * math.sqrt(p[claims].mean() / claims.sum())
        assert claims.sum() > 300
        assert false[claims].mean() == pytest.approx(p[claims].mean(), abs=error)


def filled(bench: Any, scores: Any, patients: int) -> Any:
    slices = [(f"p{i}", "a") for i in range(patients)]
    bench.conditions = {"sv60": "60 views"}
    bench.models = {"one": "One", "two": "Two", "flat": "Flat"}
    for model, values in (("one", [30, 32, 34, 31]), ("two", [31, 32.5, 35, 30.5]), ("flat", [30] * 4)):
        bench.add(model, "sv60", scores([float(value) for value in values[:patients]], slices=slices))
    return bench.save()


def test_correlation_is_measured_over_patients_and_stands_under_the_leads(bench: Any, scores: Any) -> None:
    run = filled(bench, scores, 4)
    plan = run.read_plan()
    (pair,) = measured(scoreboard(plan, run.read_all(plan)), PSNR)  # the flat one has none
    # deviations from 31.75 and 32.25: -1.75 .25 2.25 -.75 and -1.25 .25 2.75 -1.75; squares 8.75 and 12.25 in sum
    assert (pair.sd_second, pair.sd_first) == pytest.approx(
        (math.sqrt(8.75 / 3), math.sqrt(12.75 / 3)), rel=0.02
    )
    assert pair.correlation == pytest.approx(
        (1.75 * 1.25 + 0.0625 + 2.25 * 2.75 + 0.75 * 1.75) / math.sqrt(8.75 * 12.25)
    )
    assert pair.patients == 4
    leads = next(grid for grid in table.build(plan, run.read_all(plan)).grids if grid.name == "lead")
    assert leads.notes[0].startswith(
        f"Correlation of two networks over the patients, PSNR: median {pair.correlation:.3f}"
    )


def test_two_patients_have_no_correlation(bench: Any, scores: Any) -> None:
    run = filled(bench, scores, 2)
    plan = run.read_plan()
    assert measured(scoreboard(plan, run.read_all(plan)), PSNR) == []
