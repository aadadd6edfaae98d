"""What may be claimed of the best network of a row: of its trained weights, and of the method that made them.

*These weights are better* is a sentence about the very networks that were trained: the patients are the sample.
*This method is better* is one about training anew: seeds, or folds, are a sample too. Each sentence is tested
against every other network that has finished, and corrected by Holm over the rows of the table, for each metric.
What holds of the best network against each single other one, these weights: ``comparisons``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench import words
from bench.config.schema import INPUT
from bench.metrics import PSNR, SSIM
from bench.report import attempts, comparisons, rows, statistics, winners
from bench.report.cells import Group
from bench.report.comparisons import Comparison, Outcome, Placed
from bench.report.rows import Definitions, Row
from bench.report.slices import means
from bench.report.statistics import FEWEST_PATIENTS, FEWEST_TRAININGS, SIGNIFICANT, Floats


@dataclass(frozen=True)
class Verdict:
    """One of the two sentences: its p, adjusted over the rows, or the reason why there is none."""

    p: float | None
    reason: str = ""

    @property
    def claimed(self) -> bool:
        """Whether the sentence may be claimed."""
        return self.p is not None and self.p <= SIGNIFICANT


@dataclass(frozen=True)
class Claim:
    """One row and metric: the networks best first, ``patients`` and ``trainings`` that the sentences rest on.

    ``against`` holds the best against each other network, in the order of ``ranked``. ``letters`` are those of each
    network: two that share one are not told apart; ``first`` the share of resamples of the patients in which each
    has the best mean. Both are empty where nothing is tested.
    """

    ranked: tuple[str, ...]
    patients: int
    trainings: str
    weights: Verdict
    method: Verdict
    against: tuple[Comparison, ...] = ()
    letters: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, float] = field(default_factory=dict)

    def outcome(self, model: str) -> Outcome | None:
        """What is said of the best network against ``model``; None of the best itself and outside of the ranking."""
        return next((one.outcome for one in self.against if one.model == model), None)

    def tested(self, model: str) -> bool:
        """Whether the best network was tested against ``model``; not below four patients."""
        return any(one.p is not None for one in self.against if one.model == model)


Claims = Mapping[str, Mapping[str, Claim]]  # metric -> condition -> claim


def claims(table: Sequence[Row], metrics: Definitions, hindrance: str) -> Claims:
    """Return what may be claimed in each row of the table, by PSNR and by SSIM.

    ``hindrance`` says why no row of this run can be tested, its split being leaky; empty where rows can.
    """
    return {
        metric: _of_metric(table, metric, rows.definition(metrics, metric), hindrance)
        for metric in (PSNR, SSIM)
    }


def _of_metric(
    table: Sequence[Row], metric: str, definition: Mapping[str, Any], hindrance: str
) -> dict[str, Claim]:
    """Return what may be claimed on each condition by one metric.

    The family of Holm's correction is every row of the table, also one without a test (p = 1): a claim made while
    cells are missing does not vanish because others come.
    """
    sign = winners.sign(definition)
    ranked = [tuple(winners.ranking(row, metric, definition)) for row in table]
    groups = [[row.groups[model] for model in models] for row, models in zip(table, ranked, strict=True)]
    obstacles = [_obstacle(row, of_row, hindrance) for row, of_row in zip(table, groups, strict=True)]
    reasons = [why or _too_few(of_row, metric) for why, of_row in zip(obstacles, groups, strict=True)]
    weights, method = (_verdicts(groups, reasons, metric, sign, sample) for sample in (_patients, _trainings))
    places = [
        Placed(
            models,
            None if obstacle else _over_patients(of_row, metric) * sign,
            tested=not reason,
            claimed=verdict.claimed,
        )
        for models, of_row, obstacle, reason, verdict in zip(
            ranked, groups, obstacles, reasons, weights, strict=True
        )
    ]
    planned = [model for model in (table[0].groups if table else ()) if model != INPUT]
    compared = comparisons.standings(places, planned, metric)
    return {
        row.condition: Claim(
            models, _count(row, models, metric), _trained(row, models), of_weights, of_method, *standing
        )
        for row, models, of_weights, of_method, standing in zip(
            table, ranked, weights, method, compared, strict=True
        )
    }


def _verdicts(
    groups: Sequence[Sequence[Group]], reasons: Sequence[str], metric: str, sign: float, sample: Sample
) -> list[Verdict]:
    """Return one of the two sentences for each row; ``reasons`` say why a row has none."""
    raw = [
        (None, reason) if reason else _p(of_row, metric, sign, sample)
        for of_row, reason in zip(groups, reasons, strict=True)
    ]
    adjusted = statistics.holm(np.array([np.nan if p is None else p for p, _ in raw]))
    return [
        Verdict(None if p is None else float(holm), reason)
        for (p, reason), holm in zip(raw, adjusted, strict=True)
    ]


def _obstacle(row: Row, groups: Sequence[Group], hindrance: str) -> str:
    """Return why networks cannot be held against each other patient by patient; empty where they can."""
    if not row.comparable:
        return "the cells of this row are not comparable"
    return hindrance if len(groups) > 1 else "fewer than two networks have finished"


def _too_few(groups: Sequence[Group], metric: str) -> str:
    """Return that the patients are too few for either sentence; empty where they are enough for the weights'."""
    count = len(groups[0].patients(metric))
    return f"{words.count(count, 'patient')}, fewer than four" if count < FEWEST_PATIENTS else ""


def _count(row: Row, ranked: Sequence[str], metric: str) -> int:
    return len(row.groups[ranked[0]].patients(metric)) if ranked else 0


def _trained(row: Row, ranked: Sequence[str]) -> str:
    """Return how many trainings of each network stand in a row: ``3 seeds``, ``1 seed, 5 folds``."""
    if not ranked:
        return ""
    runs = row.groups[ranked[0]].finished
    folds = min(len(run.results) for run in runs)
    return words.count(len(runs), "seed") + (f", {words.count(folds, 'fold')}" if folds > 1 else "")


Sample = Callable[[Sequence[Group], str], tuple[Floats | None, statistics.Test, str]]


def _p(groups: Sequence[Group], metric: str, sign: float, sample: Sample) -> tuple[float | None, str]:
    """Return the unadjusted p that the first of ``groups`` is not alone the best, or why there is none."""
    scores, test, reason = sample(groups, metric)
    if scores is None:
        return None, reason
    p = float(statistics.winner_p(sign * scores, np.array(0), test))
    return (None, "the differences do not vary") if np.isnan(p) else (p, "")


def _patients(groups: Sequence[Group], metric: str) -> tuple[Floats | None, statistics.Test, str]:
    """Return (networks, patients) for the claim on the weights."""
    return _over_patients(groups, metric), statistics.t_test, ""


def _over_patients(groups: Sequence[Group], metric: str) -> Floats:
    """Return (networks, patients): means over the seeds of the given weights."""
    return _paired([pd.Series(group.patients(metric)) for group in groups])


def _trainings(groups: Sequence[Group], metric: str) -> tuple[Floats | None, statistics.Test, str]:
    """Return (networks, folds), or (networks, seeds, patients) where there are no three folds.

    Not where a training was begun again after it diverged: the method would be judged by the trainings that converged.
    Nor where a method was trained elsewhere: of how many trainings its weights were chosen is not known.
    """
    again = [group.model for group in groups if attempts.begun_again(group)]
    if again:
        return None, statistics.t_test, f"{', '.join(again)} diverged and was trained again"
    others = [group.model for group in groups if attempts.submitted(group)]
    if others:
        return None, statistics.t_test, f"{', '.join(others)}: {attempts.NOT_TRAINED}"
    seeds = {tuple(run.seed for run in group.finished) for group in groups}
    if len(seeds) > 1:
        return None, statistics.t_test, "the networks have other seeds"
    count = len(next(iter(seeds)))
    if min(len(run.results) for group in groups for run in group.finished) >= FEWEST_TRAININGS:
        return _paired([_fold_means(group, metric) for group in groups]), statistics.t_test, ""
    if count < FEWEST_TRAININGS:
        return None, statistics.t_test, f"{words.count(count, 'seed')}, fewer than three"
    by_seed = _paired([means(group.of_metric(metric), "seed", "patient") for group in groups])
    return by_seed.reshape(len(groups), count, -1), statistics.crossed_test, ""


def _fold_means(group: Group, metric: str) -> pd.Series:
    """Return the mean over the patients of each fold, then over the seeds."""
    by_patient = means(group.of_metric(metric), "fold", "seed", "patient")
    by_seed = by_patient.groupby(level=["fold", "seed"]).agg(statistics.mean)
    return by_seed.groupby(level="fold").agg(statistics.mean)


def _paired(values: Sequence[pd.Series]) -> Floats:
    """Return one line of values each, in the same order of patients, or of whatever else they are named by.

    Raises:
        ValueError: the names differ.
    """
    joined = pd.concat(values, axis=1)
    if joined.isna().to_numpy().any():
        raise ValueError("paired values need the same patients")
    return np.asarray(joined.sort_index().T, np.float64)
