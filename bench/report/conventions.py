"""A run's scores in every convention: those of ``scores.csv``, and those that follow from its PSNR and RMSE."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd

from bench.config.schema import INPUT
from bench.metrics import Convention
from bench.metrics.conventions import DERIVED_FROM
from bench.report import statistics, winners
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.rows import Row


def values(scores: pd.DataFrame, convention: Convention) -> pd.Series | None:
    """Return the score of each slice in a convention, or of each patient where it has one a patient; None: not scored.

    ``scores`` has a row for each slice, by patient and slice, and a column for each metric; NaN: no score that counts.
    A patient with such a slice has no value of its own, since the maximum of its volume is not known.
    """
    needed = [convention.id] if convention.stored else list(DERIVED_FROM)
    if not set(needed) <= set(scores.columns):
        return None
    if convention.stored:
        return scores[convention.id].dropna()
    psnr, rmse = (scores[name] for name in DERIVED_FROM)
    peaks = rmse * 10 ** (psnr / 20)  # of the reference slices in HU above air
    if convention.peak == "volume":
        patients = pd.DataFrame({"peak": peaks, "square": rmse**2}).groupby(level="patient")
        whole = patients["peak"].agg(lambda one: one.max(skipna=False))
        return (20 * np.log10(whole) - 10 * np.log10(patients["square"].mean())).dropna()
    if convention.peak == "slice in HU":
        peaks = (peaks - 1000).where(peaks > 1001)  # a slice with nothing denser than water has no such peak
    elif not isinstance(convention.peak, str):
        peaks = peaks * 0 + convention.peak
    return (20 * np.log10(peaks / rmse)).dropna()


def _by_slice(scores: pd.DataFrame) -> pd.DataFrame:
    """Return what conventions are derived from, of the long ``slice_scores``, a column for each metric.

    Rows are by condition, model, seed, patient and slice: those of seeds with all their folds, and scores that count.
    """
    index = ["condition", "model", "seed", "patient", "slice", "metric"]
    counted = scores[scores["complete"] & scores["counted"] & scores["metric"].isin(DERIVED_FROM)]
    return counted.drop_duplicates(index).set_index(index)["value"].unstack("metric").sort_index()


class Conventions:
    """The means of all cells of a scoreboard in any convention, and who is best by it."""

    def __init__(self, board: Scoreboard) -> None:
        self._board = board
        self._means: dict[tuple[str, str, str], float | None] = {}

    @cached_property
    def _wide(self) -> dict[tuple[str, str], pd.DataFrame]:
        groups = _by_slice(self._board.scores).groupby(level=["condition", "model"])
        return {(str(c), str(m)): frame.droplevel(["condition", "model"]) for (c, m), frame in groups}

    def mean(self, group: Group, convention: Convention) -> float | None:
        """Return the mean over slices, or patients, then over the finished seeds; None where there is none."""
        if convention.stored:
            return group.mean(convention.id)
        key = (group.condition, group.model, convention.id)
        if key not in self._means:
            self._means[key] = self._derived(group, convention)
        return self._means[key]

    def _derived(self, group: Group, convention: Convention) -> float | None:
        frame = self._wide.get((group.condition, group.model))
        if frame is None:
            return None
        by_seed = []
        for _, seed in frame.groupby(level="seed"):
            of_seed = values(seed.droplevel("seed"), convention)
            if of_seed is None or of_seed.empty:
                return None
            by_seed.append(statistics.mean(of_seed))
        return statistics.mean(by_seed) if len(by_seed) == len(group.finished) else None

    def best(self, row: Row, convention: Convention) -> frozenset[str]:
        """Return the best network of a row and all that print the same value; none of fewer than two."""
        candidates = winners.ranking(row, _basis(convention), self._board.definition(_basis(convention)))
        means = {model: self.mean(row.groups[model], convention) for model in candidates if model != INPUT}
        usable = {model: mean for model, mean in means.items() if mean is not None}
        if len(usable) < 2:
            return frozenset()
        printed = {model: self.text(mean, convention) for model, mean in usable.items()}
        first = max(usable, key=lambda model: usable[model])
        return frozenset(model for model in usable if printed[model] == printed[first])

    def text(self, number: float | None, convention: Convention) -> str:
        """Return a value as it is printed."""
        return self._board.text(number, _basis(convention))

    def scored(self, conventions: Iterable[Convention]) -> tuple[Convention, ...]:
        """Return those of ``conventions`` that any record of the run has a column for."""
        return tuple(one for one in conventions if _basis(one) in self._board.metrics)


def _basis(convention: Convention) -> str:
    """Return the column of ``scores.csv`` that says whether a cell has a value: its own, or that of the plain PSNR."""
    return convention.id if convention.stored else DERIVED_FROM[0]
