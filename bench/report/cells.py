"""One cell of the table: its seeds, the folds of each seed, and their means over slices and over patients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from bench.records.store import Result
from bench.report import statistics

Scores = Sequence[Mapping[str, str | float]]  # one row per slice
LeftOut = Mapping[
    str, frozenset[tuple[str, str]]
]  # metric -> (patient, slice) that no cell of the row counts


@dataclass(frozen=True)
class Run:
    """One seed of a cell of the table: the results of its folds, in order; a single one without folds."""

    results: tuple[Result, ...]
    left_out: LeftOut = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The seed that the plan gives."""
        return self.results[0].planned.spec.seed

    @property
    def finished(self) -> bool:
        """Whether every fold has scores."""
        return all(
            result.record is not None and result.record.status == "finished" for result in self.results
        )

    @cached_property
    def scores(self) -> list[dict[str, str | float]]:
        """The rows of all folds together: each slice is tested in one of them."""
        return [row for result in self.results for row in result.scores]

    def mean(self, metric: str) -> float | None:
        """The mean over the slices of all folds that count; None where there is none."""
        return mean_of(self.scores, metric, self.left_out)

    def patients(self, metric: str) -> dict[str, float]:
        """The mean of each patient over its slices that count."""
        return patients_of(self.scores, metric, self.left_out)

    def by_fold(self, metric: str) -> list[float]:
        """The mean over the patients of each fold, in order; a fold without a finite score is left out."""
        found = (patients_of(result.scores, metric, self.left_out) for result in self.results)
        return [statistics.mean(means.values()) for means in found if means]

    @property
    def state(self) -> str:
        """Why there is no score: ``diverged (epoch 7)``, ``fold 3 of 5: not run yet``."""
        folds: dict[str, list[str]] = {}
        for result in self.results:
            if result.record is None or result.record.status != "finished":
                folds.setdefault(describe(result), []).append(str(result.planned.spec.dataset.data.fold))
        count = len(self.results)
        words = []
        for word, which in folds.items():
            noun = "fold" if len(which) == 1 else "folds"
            where = f"{noun} {', '.join(which)} of {count}: " if len(which) < count else ""
            words.append(where + word)
        return "; ".join(words)


@dataclass(frozen=True)
class Group:
    """One cell of the table: the planned cells of a model on a condition, sorted by seed and fold."""

    condition: str
    model: str
    results: tuple[Result, ...]
    left_out: LeftOut = field(default_factory=dict)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The results seed by seed."""
        seeds: dict[int, list[Result]] = {}
        for result in self.results:
            seeds.setdefault(result.planned.spec.seed, []).append(result)
        return tuple(Run(tuple(results), self.left_out) for results in seeds.values())

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

    def mean(self, metric: str) -> float | None:
        """The mean over slices, those of all folds, then over the finished seeds; None where there is none."""
        means = [run.mean(metric) for run in self.finished]
        known = [m for m in means if m is not None]
        return statistics.mean(known) if known and len(known) == len(means) else None

    def patients(self, metric: str) -> dict[str, float]:
        """The mean of each patient over slices, then over the finished seeds; patients of all folds."""
        if self.mean(metric) is None:
            return {}
        pairs = [pair for run in self.finished for pair in run.patients(metric).items()]
        return statistics.patient_means(pairs)

    def strange(self, metric: str) -> tuple[Strange, ...]:
        """The scores of this cell that are no finite number, where others of the row have one."""
        left_out = self.left_out.get(metric, frozenset())
        return tuple(
            Strange(run.seed, patient, name, value)
            for run in self.finished
            for patient, name, value in _read(run.scores, metric)
            if not math.isfinite(value) and (patient, name) not in left_out
        )

    def without(self, metric: str) -> str:
        """Why there is no mean of a metric."""
        scored = any(metric in row for run in self.finished for row in run.scores)
        return "no finite score" if scored else "not scored"


@dataclass(frozen=True)
class Strange:
    """The score of one slice that is no finite number: PSNR of an image equal to its reference is infinite."""

    seed: int
    patient: str
    slice: str
    value: float


def counted(scores: Scores, metric: str, left_out: LeftOut) -> list[tuple[str, str, float]]:
    """Return (patient, slice, value) of the slices that enter a mean: finite, and left out by no rule of the row."""
    without = left_out.get(metric, frozenset())
    return [
        (patient, name, value)
        for patient, name, value in _read(scores, metric)
        if math.isfinite(value) and (patient, name) not in without
    ]


def mean_of(scores: Scores, metric: str, left_out: LeftOut) -> float | None:
    """Return the mean over the slices that count; None where there is none."""
    values = [value for _, _, value in counted(scores, metric, left_out)]
    return statistics.mean(values) if values else None


def patients_of(scores: Scores, metric: str, left_out: LeftOut) -> dict[str, float]:
    """Return the mean over the slices of each patient that count."""
    return statistics.patient_means(
        (patient, value) for patient, _, value in counted(scores, metric, left_out)
    )


def _read(scores: Scores, metric: str) -> Iterable[tuple[str, str, float]]:
    for row in scores:
        if metric in row:
            yield str(row["patient"]), str(row["slice"]), float(row[metric])


def describe(result: Result) -> str:
    """Return the state of one cell in words."""
    if result.record is None:
        return "not run yet"
    last = result.record.attempts[-1] if result.record.attempts else None
    at = f" (epoch {last.epoch})" if last is not None and last.epoch is not None else ""
    return result.record.status + (at if result.record.status != "finished" else "")
