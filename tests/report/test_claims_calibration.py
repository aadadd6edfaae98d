"""How often a table names a false winner, each claim under its own null: six rows, three networks, 0.05 allowed.

Patients share a level that pairing removes; a network differs from patient to patient by 0.1 dB, and from
training to training by 0.04 dB. ``benchmarks/claims.py`` does the same with more tables, sizes and powers.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from bench.metrics import PSNR
from bench.report import comparisons, statistics
from bench.report.comparisons import MARGINS, Placed, Truths
from bench.report.power import smallest_difference
from bench.report.statistics import Floats, Test

TABLES, ROWS = 2_000, 6
ERROR = 3 * math.sqrt(0.05 * 0.95 / TABLES)  # three standard errors: 0.015
PATIENT, SEED = 0.1, 0.04  # dB


def false_winners(scores: Floats, test: Test) -> float:
    """Return the share of tables (first axis) with a winner in any row; scores are (tables, rows, networks, ...)."""
    best = scores.mean(axis=tuple(range(3, scores.ndim))).argmax(axis=2)
    adjusted = statistics.holm(statistics.winner_p(scores, best, test))
    return float((adjusted.min(axis=1) <= statistics.SIGNIFICANT).mean())


def draw(networks: int, patients: int, seeds: int, seed: float = SEED) -> Floats:
    """Return null scores (tables, rows, networks, seeds, patients) in dB."""
    rng = np.random.default_rng([networks, patients, seeds])
    shape = (TABLES, ROWS, networks, seeds, patients)
    level = rng.normal(35, 3, (*shape[:2], 1, 1, patients))
    own = rng.normal(0, PATIENT, (*shape[:3], 1, patients))
    return level + own + rng.normal(0, seed, (*shape[:4], 1))


@pytest.mark.parametrize("networks", [2, 3])
@pytest.mark.parametrize("patients", [4, 10, 47])
def test_weights_of_equal_population_means_have_no_winner(networks: int, patients: int) -> None:
    scores = draw(networks, patients, 1, seed=0.0)[..., 0, :]
    assert false_winners(scores, statistics.t_test) <= 0.05 + ERROR


def test_two_equal_ones_above_a_third_are_the_worst_case() -> None:
    """The two share the best mean, so either is a false winner; it is named in nearly the allowed share."""
    scores = draw(3, 10, 1, seed=0.0)[..., 0, :]
    scores[:, :, 2] -= 5
    assert false_winners(scores, statistics.t_test) == pytest.approx(0.05, abs=ERROR)


def test_the_weights_claim_is_none_of_the_method() -> None:
    """Equal methods, one training each: over 47 patients the weights do differ, and the claim says so."""
    assert false_winners(draw(3, 47, 1)[..., 0, :], statistics.t_test) > 0.3


@pytest.mark.parametrize("networks", [2, 3])
@pytest.mark.parametrize("patients", [4, 47])
def test_equal_methods_have_no_winner_over_three_seeds(networks: int, patients: int) -> None:
    scores = draw(networks, patients, 3)[:1000]
    assert false_winners(scores, statistics.crossed_test) <= 0.05 + ERROR


@pytest.mark.parametrize(("seeds", "patients"), [(3, 47), (10, 10)])
def test_where_seeds_and_patients_weigh_alike(seeds: int, patients: int) -> None:
    """One row, two networks: neither sample alone would do, and Welch's degrees of freedom are too many."""
    equal = PATIENT * math.sqrt(seeds / patients)
    scores = draw(2, patients, seeds, seed=equal)[:, :1]
    assert false_winners(scores, statistics.crossed_test) <= 0.05 + ERROR


@pytest.mark.parametrize("networks", [2, 3])
def test_equal_methods_have_no_winner_over_five_folds(networks: int) -> None:
    """47 patients in five folds of 9 or 10, each fold trained anew."""
    scores = draw(networks, 47, 5)
    folds = [scores[..., fold, fold::5].mean(axis=-1) for fold in range(5)]
    assert false_winners(np.stack(folds, axis=-1), statistics.t_test) <= 0.05 + ERROR


def test_a_true_winner_is_found() -> None:
    better = np.array([0.5, 0.0, 0.0])[:, None]
    assert false_winners(draw(3, 10, 1, seed=0.0)[..., 0, :] + better, statistics.t_test) > 0.99
    assert false_winners(draw(3, 47, 3)[:200] + better[..., None], statistics.crossed_test) > 0.9


def told_apart(scores: Floats) -> Truths:
    """Return which networks are told apart, (tables, rows, networks, networks), of (..., networks, patients)."""
    best = scores.mean(axis=-1).argmax(axis=-1)
    claimed = statistics.holm(statistics.winner_p(scores, best, statistics.t_test)) <= statistics.SIGNIFICANT
    p = comparisons.corrected(statistics.t_test(comparisons.gaps(scores)))
    return comparisons.apart(p, best, claimed)


def the_same(scores: Floats) -> Truths:
    """Return which networks are the same within the margin, (tables, rows, networks, networks)."""
    p = statistics.equivalence_test(comparisons.gaps(scores), MARGINS[PSNR])
    return np.asarray(comparisons.corrected(p) <= statistics.SIGNIFICANT)


def test_the_report_says_of_a_table_what_the_simulation_counts() -> None:
    scores = np.random.default_rng(3).normal(0, 0.02, (40, ROWS, 3, 10)) + np.array([0, 0.01, 0.05])[:, None]
    apart, same = told_apart(scores), the_same(scores)
    seen = set()
    for table, of_table in enumerate(scores):
        best = of_table.mean(axis=-1).argmax(axis=-1)
        p = statistics.holm(statistics.winner_p(of_table, best, statistics.t_test))
        order = [np.argsort(-row.mean(axis=-1)) for row in of_table]
        rows = [
            Placed(tuple("abc"[i] for i in order[at]), row[order[at]], True, bool(p[at] <= 0.05))
            for at, row in enumerate(of_table)
        ]
        for at, standing in enumerate(comparisons.standings(rows, "abc", PSNR)):
            for other, one in zip(order[at][1:], standing.against, strict=True):
                better, within = apart[table, at, best[at], other], same[table, at, best[at], other]
                assert one.outcome == ("better" if better else "same" if within else "open")
                seen.add(one.outcome)
    assert seen == {"better", "same", "open"}


def permuted(networks: int, patients: int, step: float, skewed: bool = False) -> float:
    """Return the share of tables in which any two are told apart, after names are drawn anew for each patient.

    Networks differ by ``step`` dB from one to the next, and by 0.1 dB from patient to patient.
    """
    rng = np.random.default_rng([networks, patients])
    shape = (TABLES, ROWS, networks, patients)
    own = rng.exponential(PATIENT, shape) if skewed else rng.normal(0, PATIENT, shape)
    scores = rng.permuted(own + step * np.arange(networks)[:, None], axis=2)
    return float(told_apart(scores).any(axis=(1, 2, 3)).mean())


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize(("networks", "patients"), [(3, 4), (3, 10), (6, 10)])
def test_permuted_labels_tell_no_networks_apart(networks: int, patients: int, skewed: bool) -> None:
    assert permuted(networks, patients, 0.03, skewed) <= 0.05 + ERROR


def test_permuted_labels_of_networks_far_apart_break_the_assumption() -> None:
    """Differences are then of two values, plus and minus, and four patients fall on one side in every eighth row."""
    assert permuted(2, 4, 1.0) > 0.3


@pytest.mark.parametrize("third", [0.0, 0.15, 0.3, 5.0])
def test_two_equal_networks_are_told_apart_in_no_more_than_the_allowed_tables(third: float) -> None:
    """Wherever a third one lies below: two corrections, for the winner and for pairs, add no error."""
    scores = draw(3, 10, 1, seed=0.0)[..., 0, :]
    scores[:, :, 2] -= third
    equal = told_apart(scores)[:, :, 0, 1].any(axis=1).mean()
    assert equal <= 0.05 + ERROR
    assert third < 1 or equal == pytest.approx(0.05, abs=ERROR)


def test_a_difference_of_the_margin_is_the_same_in_one_of_twenty() -> None:
    """One row, two networks, a small deviation: the test is exact."""
    rng = np.random.default_rng(6)
    scores = rng.normal(0, 0.02, (20_000, 1, 2, 6)) + np.array([MARGINS[PSNR], 0.0])[:, None]
    assert the_same(scores)[:, 0, 0, 1].mean() == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 20_000))


@pytest.mark.parametrize("patients", [4, 10])
def test_tables_with_a_false_same_are_no_more_than_allowed(patients: int) -> None:
    """Three networks, each a margin apart from the next, six rows."""
    rng = np.random.default_rng(patients)
    scores = rng.normal(0, 0.01, (TABLES, ROWS, 3, patients)) + MARGINS[PSNR] * np.arange(3)[:, None]
    assert 0 < the_same(scores).any(axis=(1, 2, 3)).mean() <= 0.05 + ERROR


@pytest.mark.parametrize(("patients", "sd"), [(4, 0.03), (10, 0.06), (47, 0.1)])
def test_equal_networks_are_the_same_as_often_as_the_closed_form_says(patients: int, sd: float) -> None:
    """The mean must lie within the margin less t times its measured error, whose square is chi-square."""
    freedom, error = patients - 1, sd / math.sqrt(patients)

    def inside(ratio: float) -> float:  # of the measured error to the true one
        room = MARGINS[PSNR] / error - stats.t.ppf(0.95, freedom) * ratio
        density = stats.chi.pdf(ratio * math.sqrt(freedom), freedom) * math.sqrt(freedom)
        return float(density * max(0.0, 2 * stats.norm.cdf(room) - 1))

    share = integrate.quad(inside, 0, MARGINS[PSNR] / error / stats.t.ppf(0.95, freedom))[0]
    rng = np.random.default_rng(patients)
    scores = rng.normal(0, sd / math.sqrt(2), (8_000, 1, 2, patients))
    assert 0.2 < share < 0.98
    assert the_same(scores)[:, 0, 0, 1].mean() == pytest.approx(share, abs=3 * 0.5 / math.sqrt(8_000))


def test_the_smallest_difference_of_a_table_is_seen_in_four_of_five() -> None:
    """Six rows of three networks: 18 pairs, of which one differs; the others are alike."""
    scores = draw(3, 6, 1, seed=0.0)[..., 0, :]
    shift = smallest_difference(6, math.sqrt(2) * PATIENT, 0.05 / 18)
    scores[:, 0, 0] += shift
    p = statistics.t_test(comparisons.gaps(scores))[:, 0, 0, 1]
    assert (p <= 0.05 / 18).mean() == pytest.approx(0.8, abs=0.03)
    assert (
        told_apart(scores)[:, 0, 0, 1].mean() >= (p <= 0.05 / 18).mean()
    )  # as Holm's first step, or a later one
