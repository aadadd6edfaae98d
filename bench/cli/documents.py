"""What ``--json`` prints: one document of each kind, as docs/json.md describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.cli.outlook import Outlook, will
from bench.records import forecasts
from bench.records.forecasts import Comparison
from bench.records.store import RunStore

if TYPE_CHECKING:
    from bench.execution.resolve import ResolvedRun
    from bench.leaks import Verdict
    from bench.plan.cells import Plan, PlannedCell
    from bench.records.store import Result
    from bench.report import Report

SCHEMA = 1  # rises where a key goes or changes its meaning; new keys may come without


def text(document: Mapping[str, Any]) -> str:
    """Return a document as JSON text."""
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)


def of_plan(resolved: ResolvedRun) -> dict[str, Any]:
    """Return what ``bench plan`` says."""
    outlook, plan, profile = Outlook.of(resolved), resolved.plan, resolved.profile
    estimate, memory, difference = outlook.forecast, outlook.memory, outlook.difference
    cells = []
    for result in outlook.results:
        state, updates = will(result)
        seconds = estimate.cells[result.planned.id].seconds if estimate and result.record is None else None
        cells.append({**_cell(result.planned), "will": state, "from_update": updates, "forecast_s": seconds})
    return {
        **_head("plan", plan),
        "size": profile.size,
        "split": {"name": plan.folds[0].split, "sha256": resolved.folds.sha256, "leaky": plan.leaky},
        "folds": [{"slices": dict(data.slices), "patients": dict(data.patients)} for data in plan.folds],
        "forecast": None
        if estimate is None
        else {
            "seconds": estimate.total, "at_once": estimate.at_once, "training_s": estimate.training,
            "checks_s": estimate.checks, "scoring_s": estimate.scoring, "start_up_s": estimate.start_up,
            "building_s": outlook.building,
        },
        "disk": {"pairs_bytes": outlook.pairs.bytes, "weights_bytes": outlook.weights, "states_bytes": outlook.states},
        "memory": None
        if memory is None
        else {"process_bytes": memory.process, "pairs_bytes": memory.pairs, "measured": memory.measured},
        "smallest_difference": None
        if difference is None
        else {
            "db": difference.db, "patients": difference.patients, "sd_db": difference.sd,
            "measured_pairs": difference.pairs,
        },
        "cells": cells,
    }  # fmt: skip


def of_run(store: RunStore) -> dict[str, Any]:
    """Return what ``bench status`` says."""
    plan = store.read_plan()
    results, file = store.read_all(plan), forecasts.read(store.root)
    scored = _means(results)
    return {
        **_head("status", plan),
        "ended": sum(result.record is not None for result in results),
        "left_s": forecasts.left(results, file),
        **_outcome(results, file),
        "cells": [{**_ended(result, file), "means": scored.get(result.planned.id, {})} for result in results],
    }


def of_report(store: RunStore, report: Report) -> dict[str, Any]:
    """Return the scores that ``bench report`` has put into the tables, and where those are."""
    from dataclasses import asdict

    built = report.table
    return {
        **_head("report", report.plan),
        "files": [str(path) for path in report.paths],
        "facts": dict(built.facts),
        "notices": list(built.notices),
        "conventions": list(built.conventions),
        "credit": built.credit,
        **_outcome(report.results, forecasts.read(store.root)),
        "scores": [_finite(asdict(score)) for score in built.scores],
    }


def of_data(resolved: ResolvedRun, verdict: Verdict | None) -> dict[str, Any]:
    """Return what ``bench data check`` says; ``verdict`` is None where leaks were not looked for."""
    catalogue = resolved.reader.catalogue()
    return {
        **_head("data check", resolved.plan),
        "slices": len(catalogue.refs),
        "patients": len(catalogue.patients) if catalogue.patients_known else None,
        "split": {
            "name": resolved.profile.split,
            "sha256": resolved.folds.sha256,
            "leaky": resolved.folds.leaky,
        },
        "folds": [
            {
                part: {"slices": len(refs), "patients": sorted({ref.patient for ref in refs})}
                for part, refs in one.parts.items()
            }
            for one in resolved.folds.selections
        ],
        "refused": [{"file": file, "reason": reason} for file, reason in catalogue.refused],
        "skipped": dict(catalogue.skipped),
        "remarks": list(catalogue.remarks),
        "leaks": None
        if verdict is None
        else {"count": verdict.count, "words": verdict.words, "told": list(verdict.told)},
    }


def _head(kind: str, plan: Plan) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "kind": kind,
        "profile": plan.profile,
        "description": plan.description,
        "source": {"name": plan.folds[0].source, **plan.source},
        "budget": plan.budget.model_dump(mode="json") if plan.budget else None,
    }


def _cell(planned: PlannedCell) -> dict[str, Any]:
    """Return what a cell is."""
    training = planned.spec.training
    return {
        "id": planned.id,
        "model": planned.spec.model,
        "condition": planned.condition,
        "fold": planned.fold,
        "seed": planned.spec.seed,
        "updates": training.updates if training else 0,
        "epochs": training.epochs if training else 0,
        "slices_seen": training.slices_seen(planned.size) if training else 0.0,
        "scaled": list(planned.scaled),
    }


def _ended(result: Result, file: forecasts.ForecastFile) -> dict[str, Any]:
    """Return how far a cell is."""
    record, expected = result.record, file.cells.get(result.planned.id)
    return {
        **_cell(result.planned),
        "status": record.status if record else ("unfinished" if result.history else None),
        "message": record.attempts[-1].message if record and record.attempts else "",
        "log": str(result.folder.log) if result.folder.log.exists() else None,
        "history": [_finite(row) for row in result.history],
        "timings": dict(record.timings) if record else {},
        "forecast_s": expected.seconds if expected else None,
    }


def _means(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Return the mean of each metric by cell, over the same slices as in the tables."""
    from bench.report import slices

    of_cell: dict[str, dict[str, float]] = {}
    for (cell, metric), mean in slices.means(slices.slice_scores(results), "cell", "metric").items():
        of_cell.setdefault(cell, {})[metric] = mean
    return of_cell


def _outcome(results: Sequence[Result], file: forecasts.ForecastFile) -> dict[str, Any]:
    comparisons = forecasts.compare(results, file.cells)
    total = forecasts.in_sum(comparisons)
    return {
        "outcome": {
            "networks": [_compared(one) for one in comparisons],
            "all": _compared(total) if total else None,
        }
    }


def _compared(one: Comparison) -> dict[str, Any]:
    return {**one.model_dump(), "ratio": one.ratio}


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row in which no number is infinite or NaN: JSON has none, so they are their names."""
    odd = (float("inf"), float("-inf"))
    return {k: str(v) if isinstance(v, float) and (v != v or v in odd) else v for k, v in row.items()}
