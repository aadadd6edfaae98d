"""One cell of the table: its seeds, the folds of each seed, and their means over slices and over patients."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from bench.records.store import TEXT_COLUMNS, Result
from bench.report import statistics
from bench.report.slices import Means, SliceName, SliceScore, finished, means


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
                folds.setdefault(describe(result), []).append(str(result.planned.fold))
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

    @property
    def anchor(self) -> str:
        """The place of this cell on the page."""
        return f"cell-{self.condition}--{self.model}"

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
        return self._by_metric.get(metric, self.scores.iloc[:0])

    @cached_property
    def _by_metric(self) -> dict[str, pd.DataFrame]:
        scores = self.scores
        here = (scores["condition"] == self.condition) & (scores["model"] == self.model)
        return dict(iter(scores[here & scores["complete"]].groupby("metric", observed=True)))

    def not_finite(self, metric: str) -> list[SliceScore]:
        """The scores of this cell that are no finite number, where others of the row have one."""
        return [
            score
            for score in self.means.not_finite
            if score.metric == metric and score.complete and not score.left_out
        ]

    def why_no_mean(self, metric: str) -> str:
        """Why there is no mean of a metric."""
        return "not scored" if self.of_metric(metric).empty else "no finite score"


def why(result: Result) -> str:
    """Return why one cell ended as it did; nothing of a try before that, as of a worker that was killed."""
    last = result.record.attempts[-1] if result.record is not None and result.record.attempts else None
    # An untreated input has no attempt of its own: the last one may be that which failed before it was scored.
    return (
        last.message
        if last is not None and result.record is not None and last.ended == result.record.status
        else ""
    )


def describe(result: Result) -> str:
    """Return the state of one cell in words: ``finished``, ``diverged (epoch 7)``."""
    if result.record is None:
        return "not run yet"
    last = result.record.attempts[-1] if result.record.attempts else None
    at = f" (epoch {last.epoch})" if last is not None and last.epoch is not None else ""
    return result.record.status + (at if result.record.status != "finished" else "")
