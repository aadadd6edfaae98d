"""What may be claimed of the best network of a row: of its trained weights, and of the method that made them.

*These weights are better* is a sentence about the very networks that were trained: the patients are the sample.
*This method is better* is one about training anew: seeds, or folds, are a sample too. Each sentence is tested
against every other network that has finished, and corrected by Holm over the rows of the table, for each metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.metrics import PSNR, SSIM
from bench.plan.cells import Plan
from bench.report import format as numbers
from bench.report import rows as gather
from bench.report import statistics
from bench.report.cells import Group
from bench.report.rows import Line
from bench.report.sections.scores import Definitions, definition
from bench.report.statistics import FEWEST_PATIENTS, FEWEST_TRAININGS, SIGNIFICANT, Floats


@dataclass(frozen=True)
class Verdict:
    """One of the two sentences: its p, adjusted over the rows, or the reason why there is none."""

    p: float | None
    reason: str = ""

    @property
    def made(self) -> bool:
        """Whether the sentence may be claimed."""
        return self.p is not None and self.p <= SIGNIFICANT


@dataclass(frozen=True)
class Claim:
    """One row and metric: the networks best first, ``patients`` and ``trainings`` that the sentences rest on.

    ``patients`` is 0 where they are unknown.
    """

    ranked: tuple[str, ...]
    patients: int
    trainings: str
    weights: Verdict
    method: Verdict


Claims = Mapping[str, Mapping[str, Claim]]  # metric -> condition -> claim


def claims(plan: Plan, lines: Sequence[Line], known: Definitions, patients_known: bool) -> Claims:
    """Return what may be claimed on each condition, by PSNR and by SSIM."""
    return {metric: _of_metric(plan, lines, metric, known, patients_known) for metric in (PSNR, SSIM)}


def _of_metric(
    plan: Plan, lines: Sequence[Line], metric: str, known: Definitions, patients_known: bool
) -> dict[str, Claim]:
    """Return what may be claimed on each condition by one metric.

    The family of Holm's correction is every row of the table, also one without a test (p = 1): a claim made while
    cells are missing does not vanish because others come.
    """
    meaning = definition(known, metric)
    ranked = {line.condition: tuple(gather.ranking(line, metric, meaning)) for line in lines}
    reasons = {line.condition: _reason(plan, line, metric, meaning, patients_known) for line in lines}
    made: dict[str, dict[str, Verdict]] = {}
    for name, sample in (("weights", _patients), ("method", _trainings)):
        raw = []
        for line in lines:
            groups = [line.groups[model] for model in ranked[line.condition]]
            raw.append(_p(groups, metric, meaning, sample, reasons[line.condition]))
        adjusted = statistics.holm(np.array([np.nan if p is None else p for p, _ in raw]))
        made[name] = {
            line.condition: Verdict(None if p is None else float(holm), reason)
            for line, (p, reason), holm in zip(lines, raw, adjusted, strict=True)
        }
    return {
        line.condition: Claim(
            ranked[line.condition],
            _count(line, ranked[line.condition], metric) if patients_known else 0,
            _trained(line, ranked[line.condition]),
            made["weights"][line.condition],
            made["method"][line.condition],
        )
        for line in lines
    }


def _reason(plan: Plan, line: Line, metric: str, meaning: Mapping[str, Any], patients_known: bool) -> str:
    """Return why neither sentence can be tested; empty where the weights' can."""
    ranked = gather.ranking(line, metric, meaning)
    if not line.comparable:
        return "the cells of this row are not comparable"
    if len(ranked) < 2:
        return "fewer than two networks have finished"
    if not patients_known:
        return "the patients are unknown"
    if plan.leaky:
        return "the split is leaky"
    count = _count(line, ranked, metric)
    return f"{numbers.count(count, 'patient')}, fewer than four" if count < FEWEST_PATIENTS else ""


def _count(line: Line, ranked: Sequence[str], metric: str) -> int:
    return len(line.groups[ranked[0]].patients(metric)) if ranked else 0


def _folds(group: Group) -> int:
    return min((len(run.results) for run in group.finished), default=0)


def _trained(line: Line, ranked: Sequence[str]) -> str:
    """Return how many trainings of each network stand in a row: ``3 seeds``, ``1 seed, 5 folds``."""
    if not ranked:
        return ""
    group = line.groups[ranked[0]]
    folds = f", {numbers.count(_folds(group), 'fold')}" if _folds(group) > 1 else ""
    return numbers.count(len(group.finished), "seed") + folds


Sample = Callable[[Sequence[Group], str], tuple[Floats | None, statistics.Test, str]]


def _p(
    groups: Sequence[Group], metric: str, meaning: Mapping[str, Any], sample: Sample, reason: str
) -> tuple[float | None, str]:
    """Return the unadjusted p that the first of ``groups`` is not alone the best, or why there is none."""
    if reason:
        return None, reason
    scores, test, reason = sample(groups, metric)
    if scores is None:
        return None, reason
    p = float(statistics.winner_p(gather.sign(meaning) * scores, np.array(0), test))
    return (None, "the differences do not vary") if np.isnan(p) else (p, "")


def _patients(groups: Sequence[Group], metric: str) -> tuple[Floats | None, statistics.Test, str]:
    """Return (networks, patients): means over the seeds of the given weights."""
    return _table([group.patients(metric) for group in groups]), statistics.t_test, ""


def _trainings(groups: Sequence[Group], metric: str) -> tuple[Floats | None, statistics.Test, str]:
    """Return (networks, folds), or (networks, seeds, patients) where there are no three folds."""
    seeds = {tuple(run.seed for run in group.finished) for group in groups}
    if len(seeds) > 1:
        return None, statistics.t_test, "the networks have other seeds"
    by_fold, count = np.array([_fold_means(group, metric) for group in groups]), len(next(iter(seeds)))
    if by_fold.shape[1] >= FEWEST_TRAININGS:
        return by_fold, statistics.t_test, ""
    if count < FEWEST_TRAININGS:
        return None, statistics.t_test, f"{numbers.count(count, 'seed')}, fewer than three"
    by_seed = [_table([run.patients(metric) for run in group.finished]) for group in groups]
    return np.array(by_seed), statistics.crossed_test, ""


def _fold_means(group: Group, metric: str) -> list[float]:
    """Return the mean over the patients of each fold, then over the seeds."""
    folds = zip(*(run.by_fold(metric) for run in group.finished), strict=True)
    return [statistics.mean(means) for means in folds]


def _table(rows: Sequence[Mapping[str, float]]) -> Floats:
    """Return one row of patient values each, the patients in the same order.

    Raises:
        ValueError: the patients differ.
    """
    if len({tuple(sorted(row)) for row in rows}) > 1:
        raise ValueError("paired values need the same patients")
    return np.array([[row[patient] for patient in sorted(row)] for row in rows])
