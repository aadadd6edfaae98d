"""Every score of every slice as one data frame, and the means over slices, patients and seeds that follow from it.

pandas finds the groups; every mean is ``statistics.mean``, exactly rounded, so that no order of reading changes a
printed digit (pandas' own mean depends on it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
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
    unfinished = {_seed(result) for result in results if not finished(result)}
    tables = [_of_cell(result, _seed(result) not in unfinished) for result in results if result.scores]
    joined = pd.concat(tables) if tables else pd.DataFrame(columns=SliceScore._fields)
    texts = dict.fromkeys(("cell", "condition", "model", "patient", "slice", "metric"), "category")
    scores = joined.reset_index(drop=True).astype({**texts, "value": float, "complete": bool})
    return counted(scores)[[*SliceScore._fields, "counted"]]


def counted(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores, one a row, with the columns ``left_out`` and ``counted``."""
    finite = np.isfinite(scores["value"])
    absent = ~finite & (scores["model"] == INPUT)
    left_out = np.zeros(len(scores), bool)
    if absent.any():
        slices = pd.MultiIndex.from_frame(scores[["condition", "metric", "patient", "slice"]])
        left_out = slices.isin(slices[absent])
    return scores.assign(left_out=left_out, counted=finite & ~left_out)


def _of_cell(result: Result, complete: bool) -> pd.DataFrame:
    """Return one row for each metric and test slice of a cell that has a value of it, metric by metric."""
    (condition, model, seed), rows = _seed(result), result.scores
    metrics = dict.fromkeys(name for row in rows for name in row if name not in TEXT_COLUMNS)
    scored = [(metric, row) for metric in metrics for row in rows if metric in row]
    return pd.DataFrame({
        "cell": result.planned.id, "condition": condition, "model": model, "seed": seed,
        "fold": result.planned.fold or 0,
        **{name: [str(row[name]) for _, row in scored] for name in TEXT_COLUMNS},
        "metric": [metric for metric, _ in scored],
        "value": [row[metric] for metric, row in scored],
        "complete": complete,
    })  # fmt: skip


def finished(result: Result) -> bool:
    """Return whether a cell has ended with scores."""
    return result.record is not None and result.record.status == "finished"


def _seed(result: Result) -> tuple[str, str, int]:
    spec = result.planned.spec
    return spec.dataset.condition, spec.model, spec.seed


def means(scores: pd.DataFrame, *by: str) -> pd.Series:
    """Return the mean of the scores that count for each value of the columns ``by``, sorted by them."""
    counted = scores[scores["counted"]]
    groups = counted.groupby(list(by))
    order, sizes = np.argsort(groups.ngroup().to_numpy(), kind="stable"), groups.size()
    parts = np.split(counted["value"].to_numpy()[order], np.cumsum(sizes.to_numpy())[:-1])
    return pd.Series([statistics.mean(part.tolist()) for part in parts[: len(sizes)]], sizes.index, float)


@dataclass(frozen=True)
class Means:
    """The means of a model on a condition, by metric, over the seeds that are complete; and what is in none."""

    seeds: dict[str, dict[int, float]] = field(default_factory=dict)  # over slices, those of all folds
    patients: dict[str, dict[str, float]] = field(default_factory=dict)  # over slices, then over seeds
    not_finite: list[SliceScore] = field(default_factory=list)  # of all seeds


def means_of(scores: pd.DataFrame) -> dict[Place, Means]:
    """Return the means of each condition and model."""
    of_place: dict[Place, Means] = defaultdict(Means)
    complete = scores[scores["complete"]]
    for (*place, metric, seed), mean in means(complete, "condition", "model", "metric", "seed").items():
        of_place[tuple(place)].seeds.setdefault(metric, {})[seed] = mean
    by_seed: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for (*who, _), mean in means(complete, "condition", "model", "metric", "patient", "seed").items():
        by_seed[tuple(who)].append(mean)
    for (*place, metric, patient), values in by_seed.items():
        of_place[tuple(place)].patients.setdefault(metric, {})[patient] = statistics.mean(values)
    for row in scores[~np.isfinite(scores["value"])][list(SliceScore._fields)].itertuples(index=False):
        of_place[row.condition, row.model].not_finite.append(SliceScore(*row))
    return dict(of_place)


def slice_names(scores: Iterable[SliceScore]) -> list[SliceName]:
    """Return the slices that ``scores`` are of, each once, sorted by patient and name."""
    return sorted({score.name for score in scores})
