"""One cell of the table: its seeds, the folds of each seed, and their means over slices and over patients.

Scores of slices are one data frame, grouped here. Every mean is ``statistics.mean``, exactly rounded, so that no
order of reading changes a printed digit (pandas' own mean depends on it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.config.schema import INPUT
from bench.records.store import TEXT_COLUMNS, Result
from bench.report import statistics

Place = tuple[str, str]  # condition, model
SliceName = tuple[str, str]  # patient, slice


class SliceScore(NamedTuple):
    """One metric of one test slice; ``fold`` is 0 where there are none.

    ``complete``: this seed has scores of all its folds. ``left_out``: the score of the untreated input on the same
    slice is no finite number, so there is nothing that a network could gain.
    """

    cell: str
    condition: str
    model: str
    seed: int
    fold: int
    patient: str
    slice: str
    metric: str
    value: float
    complete: bool = False
    left_out: bool = False

    @property
    def name(self) -> SliceName:
        """Patient and slice."""
        return self.patient, self.slice


def slice_scores(results: Iterable[Result]) -> pd.DataFrame:
    """Return one row for each cell, test slice and metric, in the columns of ``SliceScore`` and ``counted``.

    ``counted``: the score is a finite number and not left out, so it enters means.
    """
    results = list(results)
    rows = [row for result in results for row in _rows(result)]
    scores = pd.DataFrame(rows, columns=SliceScore._fields).astype({"value": float})
    open_seeds = {_seed(result) for result in results if not finished(result)}
    seeds = zip(scores["condition"], scores["model"], scores["seed"], strict=True)
    slices = pd.MultiIndex.from_frame(scores[["condition", "metric", "patient", "slice"]])
    finite = np.isfinite(scores["value"])
    left_out = slices.isin(slices[~finite & (scores["model"] == INPUT)])
    return scores.assign(
        complete=np.array([seed not in open_seeds for seed in seeds], bool),
        left_out=left_out,
        counted=finite & ~left_out,
    )


def _rows(result: Result) -> Iterable[SliceScore]:
    fold = result.planned.spec.dataset.data.fold or 0
    for row in result.scores:
        name = (str(row["patient"]), str(row["slice"]))
        for metric, value in row.items():
            if metric not in TEXT_COLUMNS:
                yield SliceScore(result.planned.id, *_seed(result), fold, *name, metric, float(value))


def _seed(result: Result) -> tuple[str, str, int]:
    spec = result.planned.spec
    return spec.dataset.condition, spec.model, spec.seed


def finished(result: Result) -> bool:
    """Return whether a cell has finished."""
    return result.record is not None and result.record.status == "finished"


def means(scores: pd.DataFrame, *by: str) -> pd.Series:
    """Return the mean of the scores that count for each value of the columns ``by``, sorted by them."""
    return scores[scores["counted"]].groupby(list(by))["value"].agg(statistics.mean)


@dataclass(frozen=True)
class Means:
    """The means of a model on a condition, by metric, over the seeds that are complete; and what is in none."""

    seeds: dict[str, dict[int, float]] = field(default_factory=dict)  # over slices, those of all folds
    patients: dict[str, dict[str, float]] = field(default_factory=dict)  # over slices, then over seeds
    not_finite: list[SliceScore] = field(default_factory=list)  # of all seeds


def means_of(scores: pd.DataFrame) -> dict[Place, Means]:
    """Return the means of each condition and model."""
    found: dict[Place, Means] = defaultdict(Means)
    complete = scores[scores["complete"]]
    for (*place, metric, seed), mean in means(complete, "condition", "model", "metric", "seed").items():
        found[tuple(place)].seeds.setdefault(metric, {})[seed] = mean
    by_seed: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for (*who, _), mean in means(complete, "condition", "model", "metric", "patient", "seed").items():
        by_seed[tuple(who)].append(mean)
    for (*place, metric, patient), values in by_seed.items():
        found[tuple(place)].patients.setdefault(metric, {})[patient] = statistics.mean(values)
    for row in scores[~np.isfinite(scores["value"])][list(SliceScore._fields)].itertuples(index=False):
        found[row.condition, row.model].not_finite.append(SliceScore(*row))
    return dict(found)


@dataclass(frozen=True)
class Run:
    """One seed of a cell of the table: the results of its folds, in order; a single one without folds."""

    results: tuple[Result, ...]

    @property
    def seed(self) -> int:
        """The seed that the plan gives."""
        return self.results[0].planned.spec.seed

    @property
    def finished(self) -> bool:
        """Whether every fold has scores."""
        return all(map(finished, self.results))

    @property
    def slices(self) -> int:
        """The number of slices tested in all folds together: each is tested in one of them."""
        return sum(len(result.scores) for result in self.results)

    @property
    def state(self) -> str:
        """Why there is no score: ``diverged (epoch 7)``, ``fold 3 of 5: not run yet``."""
        folds: dict[str, list[str]] = {}
        for result in self.results:
            if not finished(result):
                folds.setdefault(describe(result), []).append(str(result.planned.spec.dataset.data.fold))
        count = len(self.results)
        words = []
        for word, numbers in folds.items():
            noun = "fold" if len(numbers) == 1 else "folds"
            where = f"{noun} {', '.join(numbers)} of {count}: " if len(numbers) < count else ""
            words.append(where + word)
        return "; ".join(words)


@dataclass(frozen=True, eq=False)
class Group:
    """One cell of the table: the planned cells of a model on a condition, sorted by seed and fold.

    ``scores`` are all ``slice_scores`` of the table, ``means`` those of this cell.
    """

    condition: str
    model: str
    results: tuple[Result, ...]
    scores: pd.DataFrame
    means: Means

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The results seed by seed."""
        seeds: dict[int, list[Result]] = {}
        for result in self.results:
            seeds.setdefault(result.planned.spec.seed, []).append(result)
        return tuple(Run(tuple(results)) for results in seeds.values())

    @cached_property
    def finished(self) -> tuple[Run, ...]:
        """The seeds that have scores of all folds."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def complete(self) -> bool:
        """Whether every planned seed has finished."""
        return bool(self.runs) and len(self.finished) == len(self.runs)

    @cached_property
    def state(self) -> str:
        """Why there is no score, or no full one: ``diverged (epoch 7)``, ``not run yet``."""
        words = {run.seed: run.state for run in self.runs if not run.finished}
        if not self.runs:
            return "not planned"
        if len(self.runs) == 1 or (len(set(words.values())) == 1 and not self.finished):
            return next(iter(words.values()), "")
        return "; ".join(f"seed {seed}: {word}" for seed, word in words.items())

    def mean(self, metric: str, without: Collection[SliceName] = ()) -> float | None:
        """The mean over slices, those of all folds, then over the finished seeds; None where there is none.

        ``without`` are slices that are not counted here either.
        """
        by_seed = list(self.means.seeds.get(metric, {}).values())
        if without:
            scores = self.of_metric(metric)
            outside = ~pd.MultiIndex.from_frame(scores[list(TEXT_COLUMNS)]).isin(list(without))
            by_seed = means(scores[outside], "seed").to_list()
        return statistics.mean(by_seed) if by_seed and len(by_seed) == len(self.finished) else None

    def patients(self, metric: str) -> dict[str, float]:
        """The mean of each patient over slices, then over the finished seeds; patients of all folds."""
        return self.means.patients.get(metric, {}) if self.mean(metric) is not None else {}

    def of_metric(self, metric: str) -> pd.DataFrame:
        """The scores of one metric of the finished seeds."""
        scores = self.scores[self.scores["complete"] & (self.scores["metric"] == metric)]
        return scores[(scores["condition"] == self.condition) & (scores["model"] == self.model)]

    def strange(self, metric: str) -> list[SliceScore]:
        """The scores of this cell that are no finite number, where others of the row have one."""
        return [
            score
            for score in self.means.not_finite
            if score.metric == metric and score.complete and not score.left_out
        ]

    def without(self, metric: str) -> str:
        """Why there is no mean of a metric."""
        return "not scored" if self.of_metric(metric).empty else "no finite score"


def slice_names(scores: Iterable[SliceScore]) -> list[SliceName]:
    """Return the slices that ``scores`` are of, each once, sorted by patient and name."""
    return sorted({score.name for score in scores})


def describe(result: Result) -> str:
    """Return the state of one cell in words: ``finished``, ``diverged (epoch 7)``."""
    if result.record is None:
        return "not run yet"
    last = result.record.attempts[-1] if result.record.attempts else None
    at = f" (epoch {last.epoch})" if last is not None and last.epoch is not None else ""
    return result.record.status + (at if result.record.status != "finished" else "")
