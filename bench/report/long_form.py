"""The scores in long form: one for each cell and metric (``results.csv``), and of every slice (``slices.csv``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from bench.config.schema import INPUT
from bench.records.store import TEXT_COLUMNS, Result
from bench.report import attempts, statistics
from bench.report.board import Scoreboard
from bench.report.cells import Group, describe
from bench.report.rows import Row
from bench.report.sections.published import reasons, value_of
from bench.report.slices import finished, means
from bench.report.values import Score, SliceTable
from bench.report.winners import gain


def long_form(board: Scoreboard) -> Iterator[Score]:
    """Yield the scores of each cell, row by row and metric by metric."""
    of_cell = of_cells(board.scores, board.patients_known)
    for row in board.rows:
        for metric in board.metrics:
            best = board.winners(row, metric)
            for model, group in row.groups.items():
                shared = {"winner": model in best, **_of_group(board, row, group, metric)}
                for run in group.runs:
                    over_folds = group.means.seeds.get(metric, {}).get(run.seed)
                    for result in run.results:
                        cell = result.planned.id
                        yield Score(
                            cell=cell,
                            condition=row.condition,
                            model=model,
                            seed=run.seed,
                            fold=result.planned.fold,
                            status=describe(result),
                            metric=metric,
                            mean_over_folds=over_folds,
                            trained_by=attempts.trained_by(result),
                            output_is_input=None if model == INPUT else cell in row.copies,
                            **of_cell.get((cell, metric), _unscored(board)),
                            **_cost(result),
                            **shared,
                        )


def _of_group(board: Scoreboard, row: Row, group: Group, metric: str) -> dict[str, Any]:
    """Return the fields that all seeds and folds of a model on a condition share."""
    claim = board.claims[metric][row.condition] if metric in board.claims else None
    leads = claim is not None and claim.ranked[:1] == (group.model,)
    theirs = value_of(board.plan, row.condition, group.model, metric)
    definition = board.metrics[metric]
    return {
        "condition_label": board.condition(row),
        "model_label": board.names[group.model],
        "metric_label": board.label(metric),
        "unit": str(definition.get("unit", "")),
        "direction": str(definition.get("direction", "higher")),
        "mean_over_seeds": group.mean(metric),
        "p_weights": claim.weights.p if claim is not None and leads else None,
        "p_method": claim.method.p if claim is not None and leads else None,
        "gain": gain(row, group, metric),
        "published": theirs,
        "comparable": theirs is not None
        and row.comparable
        and not reasons(board.plan, group.model, row.condition),
        "leaky": board.plan.leaky,
    }


def of_cells(scores: pd.DataFrame, known: bool) -> dict[tuple[str, str], dict[str, Any]]:
    """Return mean, spread over patients (where ``known``), numbers of slices and patients, by cell and metric."""
    slices = scores[scores["counted"]].groupby(["cell", "metric"]).size()
    patients: dict[tuple[str, str], list[float]] = {}
    for (cell, metric, _), mean in means(scores, "cell", "metric", "patient").items():
        patients.setdefault((cell, metric), []).append(mean)
    fields = {}
    for place, mean in means(scores, "cell", "metric").items():
        values = patients[place] if known else []
        interval = statistics.t_interval(np.array(values)) if len(values) > 1 else None
        fields[place] = {
            "mean": mean,
            "sd_patients": statistics.deviation(values),
            "low": interval.low if interval else None,
            "high": interval.high if interval else None,
            "slices": int(slices[place]),
            "patients": len(values) if known else None,
        }
    return fields


def _unscored(board: Scoreboard) -> dict[str, Any]:
    nothing = dict.fromkeys(("mean", "sd_patients", "low", "high"))
    return {**nothing, "slices": 0, "patients": 0 if board.patients_known else None}


def _cost(result: Result) -> dict[str, Any]:
    """Return what a cell has cost; None where its record does not say it."""
    record = result.record
    last = record.attempts[-1] if record is not None and record.attempts else None
    trained = last if result.planned.spec.training is not None else None
    timings = record.timings if record is not None else {}
    return {
        "parameters": record.parameters.get("total") if record is not None else None,
        "updates": trained.updates if trained else None,
        "train_s": timings.get("train_s"),
        "ms_per_slice": timings.get("ms_per_slice"),
    }


def per_slice(board: Scoreboard) -> SliceTable:
    """Return every score of every slice, cell by cell as in the tables, slices sorted by patient and name."""
    return slice_table(board.plan.profile, board.results(), board.metrics)


def slice_table(profile: str, results: Iterable[Result], metrics: Iterable[str]) -> SliceTable:
    """Return the scores of every slice of the finished cells, slices sorted by patient and name."""
    metrics, head = list(metrics), ("profile", "condition", "model", "seed", "fold", *TEXT_COLUMNS)
    rows = []
    for result in filter(finished, results):
        spec = result.planned.spec
        place = (profile, spec.dataset.condition, spec.model, spec.seed, result.planned.fold)
        for line in sorted(result.scores, key=lambda line: (line["patient"], line["slice"])):
            rows.append((*place, line["patient"], line["slice"], *(line.get(metric) for metric in metrics)))
    return SliceTable((*head, *metrics), tuple(rows))
