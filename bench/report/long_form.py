"""The scores in long form, one for each cell and metric: what ``results.csv`` holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.config.schema import INPUT
from bench.report import identity, statistics
from bench.report.board import Scoreboard
from bench.report.cells import Group, describe
from bench.report.rows import Row
from bench.report.sections.published import reasons, value_of
from bench.report.slices import means
from bench.report.values import Score
from bench.report.winners import gain


def long_form(board: Scoreboard) -> Iterator[Score]:
    """Yield the scores of each cell, row by row and metric by metric."""
    of_cell = _of_cells(board)
    for row in board.rows:
        networks = [group for model, group in row.groups.items() if model != INPUT]
        unchanged = {r.planned.id: identity.of_result(row, r) for group in networks for r in group.results}
        for metric in board.metrics:
            best = board.winners(row, metric)
            for model, group in row.groups.items():
                shared = {"winner": model in best, **_of_group(board, row, group, metric)}
                for run in group.runs:
                    over_folds = group.means.seeds.get(metric, {}).get(run.seed)
                    for result in run.results:
                        yield Score(
                            cell=result.planned.id,
                            condition=row.condition,
                            model=model,
                            seed=run.seed,
                            fold=result.planned.fold,
                            status=describe(result),
                            metric=metric,
                            mean_over_folds=over_folds,
                            output_is_input=unchanged.get(result.planned.id),
                            **of_cell.get((result.planned.id, metric), _unscored(board)),
                            **shared,
                        )


def _of_group(board: Scoreboard, row: Row, group: Group, metric: str) -> dict[str, Any]:
    """Return the fields that all seeds and folds of a model on a condition share."""
    claim = board.claims[metric][row.condition] if metric in board.claims else None
    leads = claim is not None and claim.ranked[:1] == (group.model,)
    theirs = value_of(board.plan, row.condition, group.model, metric)
    definition = board.metrics[metric]
    return {
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


def _of_cells(board: Scoreboard) -> dict[tuple[str, str], dict[str, Any]]:
    """Return mean, deviation over patients, and the numbers of slices and patients, by cell and metric."""
    counted = board.scores[board.scores["counted"]].groupby(["cell", "metric"])["value"]
    patients = means(board.scores, "cell", "metric", "patient").groupby(level=["cell", "metric"])
    joined = counted.agg(mean=statistics.mean, slices="size").join(
        patients.agg(sd_patients=statistics.deviation, patients="size")
    )
    if not board.patients_known:
        joined = joined.assign(sd_patients=None, patients=None)
    return dict(joined.astype(object).where(joined.notna(), None).to_dict("index"))


def _unscored(board: Scoreboard) -> dict[str, Any]:
    return {"mean": None, "sd_patients": None, "slices": 0, "patients": 0 if board.patients_known else None}
