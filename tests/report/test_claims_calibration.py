"""How often a table names a false winner, each claim under its own null: six rows, three networks, 0.05 allowed.

Patients share a level that pairing removes; a network differs from patient to patient by 0.1 dB, and from
training to training by 0.04 dB. ``benchmarks/claims.py`` does the same with more tables, sizes and powers.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.report import statistics
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
