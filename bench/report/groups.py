"""One cell of the table: its seeds, the folds of each seed, and their means over slices and over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench import statistics
from bench.store import Result

Scores = Sequence[Mapping[str, str | float]]  # one row per slice


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
        return all(
            result.record is not None and result.record.status == "finished" for result in self.results
        )

    @cached_property
    def scores(self) -> list[dict[str, str | float]]:
        """The rows of all folds together: each slice is tested in one of them."""
        return [row for result in self.results for row in result.scores]

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

    def mean(self, metric: str) -> float | None:
        """The mean over slices, those of all folds, then over the finished seeds; None where nothing is scored."""
        means = [mean_of(run.scores, metric) for run in self.finished]
        known = [m for m in means if m is not None]
        return statistics.mean(known) if known and len(known) == len(means) else None

    def patients(self, metric: str) -> dict[str, float]:
        """The mean of each patient over slices, then over the finished seeds; patients of all folds."""
        if self.mean(metric) is None:
            return {}
        pairs = [pair for run in self.finished for pair in patients_of(run.scores, metric).items()]
        return statistics.patient_means(pairs)


def mean_of(scores: Scores, metric: str) -> float | None:
    """Return the mean over slices; None where the metric is not scored."""
    if not scores or metric not in scores[0]:
        return None
    return statistics.mean(float(row[metric]) for row in scores)


def patients_of(scores: Scores, metric: str) -> dict[str, float]:
    """Return the mean over the slices of each patient."""
    return statistics.patient_means((str(row["patient"]), float(row[metric])) for row in scores)


def describe(result: Result) -> str:
    """Return the state of one cell in words."""
    if result.record is None:
        return "not run yet"
    last = result.record.attempts[-1] if result.record.attempts else None
    at = f" (epoch {last.epoch})" if last is not None and last.epoch is not None else ""
    return result.record.status + (at if result.record.status != "finished" else "")
