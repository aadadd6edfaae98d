"""How likely a published difference between two networks is no difference, and the deviations that this rests on.

What patients do to both networks drops out of their difference, so it matters how alike two networks are over the
patients. Papers do not state that; a run measures it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.report.board import Scoreboard
from bench.report.statistics import Floats, deviation

FEWEST = 3  # patients; two always lie on a line


@dataclass(frozen=True)
class Pair:
    """Two networks over the patients of one row: their deviations, their correlation, that of the difference."""

    sd_first: float
    sd_second: float
    correlation: float
    sd_difference: float
    patients: int


def measured(board: Scoreboard, metric: str) -> list[Pair]:
    """Return each two finished networks of each row whose cells may be compared, over three patients or more.

    A network that has the same score for all patients is in none: it has no correlation.
    """
    found = []
    for row in board.rows if board.patients_known else ():
        ranked = board.claims[metric][row.condition].ranked
        by_network = [row.groups[model].patients(metric) for model in ranked]
        scores = [np.array([means[patient] for patient in sorted(means)]) for means in by_network]
        for at, first in enumerate(scores):
            found += [pair for second in scores[at + 1 :] if (pair := _pair(first, second)) is not None]
    return found


def _pair(first: Floats, second: Floats) -> Pair | None:
    sds = [deviation(values) for values in (first, second, first - second)]
    if len(first) < FEWEST or not (sds[0] and sds[1]):
        return None
    return Pair(sds[0], sds[1], float(np.corrcoef(first, second)[0, 1]), sds[2] or 0.0, len(first))


def difference_sd(sd_first: float, sd_second: float, correlation: float) -> float:
    """Return the deviation over patients of the difference between two networks, from theirs and their correlation."""
    return math.sqrt(max(0.0, sd_first**2 + sd_second**2 - 2 * correlation * sd_first * sd_second))


def false_probability(difference: float, patients: int, sd: float) -> float:
    """Return the probability that the network with the better mean over the patients is not the better one.

    ``difference`` is that of the two means, ``sd`` the deviation of the paired differences over the patients. By
    Bayes' rule with a prior that favours nothing, T_{n-1}(-sqrt(n) difference / sd), for normal differences
    (arXiv 2505.04720); the same number as the one-sided p of the paired t test.

    Raises:
        ValueError: fewer than two patients, or no deviation.
    """
    if patients < 2 or not sd > 0:
        raise ValueError("two patients and a deviation above zero are needed")
    from scipy import special

    return float(special.stdtr(patients - 1, -math.sqrt(patients) * abs(difference) / sd))
