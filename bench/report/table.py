"""The table of a run as a value: everything the report prints, computed from plan and records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from bench.config.schema import INPUT
from bench.ct import views
from bench.ct.units import starved
from bench.plan.cells import Plan
from bench.records.store import Result
from bench.report import cells as groups
from bench.report import claims, identity, statistics
from bench.report import format as numbers
from bench.report import rows as gather
from bench.report.rows import Line
from bench.report.sections import cost, leads, published, scores, spread, unscored
from bench.report.values import Grid, Score, Table

__all__ = ["Table", "build"]


def build(plan: Plan, results: Iterable[Result], others: Iterable[str] = ()) -> Table:
    """Return the table of ``results``; the order in which they were read does not matter.

    ``others`` are the ids of cells on disk that the plan does not hold.

    Raises:
        BenchError: a record or its scores do not belong to their cell.
    """
    results = list(results)
    lines = gather.lines(plan, results)
    known = gather.definitions(results)
    patients_known = all(cell.spec.dataset.data.patients_known for cell in plan.cells)
    beside = published.grid(plan, lines, known)
    claimed = claims.claims(plan, lines, known, patients_known)
    strange = unscored.grid(plan, lines, known, scores.names(plan))
    made: list[Grid] = [
        scores.scores(plan, lines, known),
        scores.gain(plan, lines, known),
        scores.rmse(plan, lines, known),
        *([further] if (further := scores.further(plan, lines, known)) is not None else []),
        spread.spread(plan, lines, known, patients_known),
        leads.grid(plan, lines, known, claimed),
        cost.cost(plan, lines),
        *([beside] if beside is not None else []),
    ]
    return Table(
        title="Low-dose CT denoising",
        profile=plan.profile,
        facts=(*_facts(plan, patients_known), ("Claims", leads.summary(claimed, known))),
        conventions=_conventions(known),
        notices=(
            *_notices(plan, patients_known),
            *unscored.notices(plan, lines, known, scores.names(plan)),
            *cost.worse_than_input(plan, lines, known),
        ),
        grids=tuple(_with_notes(plan, one) for one in made),
        provenance=(*cost.provenance(plan, lines, others), *([strange] if strange is not None else [])),
        scores=tuple(_scores(plan, lines, known, patients_known, claimed)),
    )


def _facts(plan: Plan, patients_known: bool) -> tuple[tuple[str, str], ...]:
    facts = [("Profile", f"{plan.profile}: {plan.description}" if plan.description else plan.profile)]
    facts.append(("Source", str(plan.source.get("title") or plan.source.get("kind", "unknown"))))
    if plan.cells:
        size, folds = plan.cells[0].spec.dataset.size, plan.folds
        test = numbers.count(sum(data.slices.get("test", 0) for data in folds), "slice")
        patients = numbers.count(sum(data.patients.get("test", 0) for data in folds), "patient")
        who = patients if patients_known else "unknown patients"
        facts.append(("Tested on", f"{test} of {who}, {size} × {size} pixels"))  # noqa: RUF001
        found = views.of_plan(plan)
        if found is not None:
            facts.append(("Scan", f"{views.in_words(found.scan)}, filter {found.scan.filter}"))
        if len(folds) > 1:
            apart = patients_known and not plan.leaky
            text = "by patient: each slice once, by a network that did not train on its patient"
            facts.append(("Split", f"{len(folds)}-fold {text if apart else 'by slice: each slice once'}"))
    facts.append(("Settings", scaled(plan)))
    facts += [(name, file.words) for name, file in plan.configuration.items()]
    if len(plan.seeds) > 1:
        facts.append(("Seeds", ", ".join(str(seed) for seed in plan.seeds)))
    return tuple(facts)


def scaled(plan: Plan) -> str:
    """Return ``as published``, or in which points the cells are not, each with its networks where not all."""
    cells = [cell for cell in plan.cells if cell.spec.model != INPUT] or list(plan.cells)
    shown = scores.names(plan)
    trained = dict.fromkeys(cell.spec.model for cell in cells)
    points: dict[str, dict[str, None]] = {}
    for cell in cells:
        for point in cell.scaled:
            points.setdefault(point, {})[cell.spec.model] = None
    texts = [
        point if len(models) == len(trained) else f"{point} ({', '.join(shown[m] for m in models)})"
        for point, models in points.items()
    ]
    return "scaled: " + "; ".join(texts) if texts else "as published"


def _conventions(known: scores.Definitions) -> tuple[str, ...]:
    texts = []
    for metric in known:
        meaning = known[metric]
        unit = f" in {meaning['unit']}" if meaning.get("unit") else ""
        better = f"{meaning.get('direction', 'higher')} is better"
        name = numbers.metric_label(metric, meaning)
        text = f"{name}{unit} ({metric}, version {meaning.get('version', '?')}, {better})"
        texts.append(f"{text}: range {meaning.get('range', 'not stated')}")
    return tuple(texts)


def _notices(plan: Plan, patients_known: bool) -> tuple[str, ...]:
    notices = []
    if plan.leaky:
        notices.append(
            f"{_leaky(plan)} The scores may flatter networks that remember what they trained on: they are not "
            "comparable with those of a clean split."
        )
    if plan.source.get("kind") == "phantom":
        notices.append(
            "The slices are a computed phantom: no score here may be compared with one on patients."
        )
    notices += [f"Few counts in condition {text}." for text in starved(plan.photons)]
    if not patients_known:
        notices.append(
            "Patients unknown: the source does not say which slice is whose, so one patient may be in two "
            "parts, validation is a contiguous block, and no spread over patients can be given."
        )
    return tuple(notices)


def _leaky(plan: Plan) -> str:
    return f"Leaky split {plan.folds[0].split}: {plan.leaky.rstrip('.')}." if plan.leaky else ""


def _with_notes(plan: Plan, made: Grid) -> Grid:
    """Return a table that says under itself what its reader must know: it may be copied without the page.

    That is: its split is leaky, or some of its networks return their input.
    """
    marked = any(identity.MARK in entry.detail for row in made.rows for entry in row)
    notes = [_leaky(plan)] if plan.leaky else []
    notes += [identity.NOTE] if marked else []
    return replace(made, notes=(*notes, *made.notes)) if notes else made


def _scores(
    plan: Plan,
    lines: Sequence[Line],
    known: scores.Definitions,
    patients_known: bool,
    claimed: claims.Claims,
) -> Iterable[Score]:
    may = not published.reasons(plan)
    for line in lines:
        for metric in known:
            best = gather.winners(line, metric, known[metric])
            claim = claimed.get(metric, {}).get(line.condition)
            for model, group in line.groups.items():
                theirs = published.value_of(plan, line.condition, model, metric)
                leading = claim if claim is not None and claim.ranked[:1] == (model,) else None
                row: dict[str, Any] = {
                    "metric": metric,
                    "unit": str(known[metric].get("unit", "")),
                    "direction": str(known[metric].get("direction", "higher")),
                    "mean_over_seeds": group.mean(metric),
                    "winner": model in best,
                    "p_weights": leading.weights.p if leading else None,
                    "p_method": leading.method.p if leading else None,
                    "gain": gather.gain(line, group, metric),
                    "published": theirs,
                    "comparable": may and theirs is not None and line.comparable,
                    "leaky": plan.leaky,
                }
                for run in group.runs:
                    joined = run.mean(metric) if run.finished else None
                    for result in run.results:
                        own = _own(result, metric, group.left_out, patients_known)
                        same = None if model == INPUT else identity.of_result(line, result)
                        yield Score(**own, mean_over_folds=joined, output_is_input=same, **row)


def _own(result: Result, metric: str, left_out: groups.LeftOut, patients_known: bool) -> dict[str, Any]:
    """Return the fields of a score that belong to one seed and fold."""
    mean = groups.mean_of(result.scores, metric, left_out)
    means = groups.patients_of(result.scores, metric, left_out)
    return {
        "cell": result.planned.id,
        "condition": result.planned.spec.dataset.condition,
        "model": result.planned.spec.model,
        "seed": result.planned.spec.seed,
        "fold": result.planned.spec.dataset.data.fold,
        "status": groups.describe(result),
        "mean": mean,
        "sd_patients": statistics.spread(means).sd if means and patients_known else None,
        "slices": len(groups.counted(result.scores, metric, left_out)),
        "patients": len(means) if patients_known else None,
    }
