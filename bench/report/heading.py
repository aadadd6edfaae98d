"""What stands above the tables: facts of the run, conventions of the metrics, and what a reader must be warned of."""

from __future__ import annotations

from collections.abc import Iterator

from bench import words
from bench.ct import views
from bench.ct.units import starved
from bench.metrics import METRICS, PSNR
from bench.plan.acquisition import views_of
from bench.plan.cells import Plan
from bench.report import attempts, clinical, not_finite
from bench.report.board import Scoreboard
from bench.report.sections import settings
from bench.report.winners import gain

Facts = Iterator[tuple[str, str]]


def facts(board: Scoreboard) -> Facts:
    """Yield name and text of each fact: profile, source, slices, scan, split, time, settings, seeds, claims."""
    plan = board.plan
    yield "Profile", f"{plan.profile}: {plan.description}" if plan.description else plan.profile
    yield "Source", str(plan.source.get("title") or plan.source.get("kind", "unknown"))
    if plan.cells:
        yield from _data(board)
    yield from _made(board)
    yield "Settings", _deviations(board)
    if len(plan.seeds) > 1:
        yield "Seeds", ", ".join(str(seed) for seed in plan.seeds)
    yield "Claims", _claims(board)


def _data(board: Scoreboard) -> Facts:
    plan = board.plan
    size, folds = plan.cells[0].size, plan.folds
    slices = words.count(sum(data.slices.get("test", 0) for data in folds), "slice")
    patients = words.count(sum(data.patients.get("test", 0) for data in folds), "patient")
    who = patients if board.patients_known else "unknown patients"
    yield "Tested on", f"{slices} of {who}, {size} × {size} pixels"  # noqa: RUF001
    scan = views_of(plan)
    if scan is not None:
        yield "Scan", f"{views.in_words(scan.scan)}, filter {scan.scan.filter}"
    if len(folds) > 1:
        apart = board.patients_known and not plan.leaky
        text = "by patient: each slice once, by a network that did not train on its patient"
        yield "Split", f"{len(folds)}-fold {text if apart else 'by slice: each slice once'}"


def _deviations(board: Scoreboard) -> str:
    """Return ``as published``, or in how many points the cells are not; the table of settings names them."""
    points = settings.deviations(board)
    if not points:
        return "as published"
    return f"scaled in {words.count(len(points), 'point')}, listed under Settings"


def _made(board: Scoreboard) -> Facts:
    """Yield when, by which version and in what time the cells were made, as far as their records say so."""
    records = [result.record for result in board.results() if result.record is not None]
    told = [(record.started, record.ended, record.program) for record in records]
    starts, ends, programs = (sorted({one[at] for one in told} - {""}) for at in range(3))
    if starts and ends:
        first, last = (text[:16].replace("T", " ") for text in (starts[0], ends[-1]))
        last = last.removeprefix(first[:11])
        yield "Made", f"{first} to {last} UTC"
    if programs:
        yield "Program", f"bench {', '.join(programs)}"
    seconds = sum(record.timings.get(key, 0.0) for record in records for key in ("train_s", "score_s"))
    if seconds:
        yield "Computing time", f"{words.duration(seconds)} of training and scoring"


def _claims(board: Scoreboard) -> str:
    """Return in how many rows each claim is made: ``of 6 rows these weights better in 2 (PSNR), 1 (SSIM); ...``."""
    weights, method = [], []
    for metric, of_metric in board.claims.items():
        weights.append(f"{sum(c.weights.claimed for c in of_metric.values())} ({board.label(metric)})")
        method.append(f"{sum(c.method.claimed for c in of_metric.values())} ({board.label(metric)})")
    return (
        f"of {words.count(len(board.rows), 'row')} these weights better in {', '.join(weights)}; "
        f"this method better in {', '.join(method)}"
    )


def conventions(board: Scoreboard) -> Iterator[str]:
    """Yield what each metric means: unit, id, version, direction and range."""
    for metric, meaning in board.metrics.items():
        if metric in METRICS and METRICS[metric].table != "further":
            continue  # their own table says it
        unit = f" in {meaning['unit']}" if meaning.get("unit") else ""
        better = f"{meaning.get('direction', 'higher')} is better"
        text = f"{board.label(metric)}{unit} ({metric}, version {meaning.get('version', '?')}, {better})"
        yield f"{text}: range {meaning.get('range', 'not stated')}"


def notices(board: Scoreboard) -> Iterator[str]:
    """Yield what a reader must know before any score: a leaky split, a phantom, few counts, odd scores."""
    plan = board.plan
    if plan.leaky:
        yield (
            f"{leak(plan)} The scores may flatter networks that remember what they trained on: they are not "
            "comparable with those of a clean split."
        )
    if plan.source.get("kind") == "phantom":
        yield "The slices are a computed phantom: no score here may be compared with one on patients."
    yield from (f"Few counts in condition {text}." for text in starved(plan.photons))
    if not board.patients_known:
        yield (
            "Patients unknown: the source does not say which slice is whose, so one patient may be in two "
            "parts, validation is a contiguous block, and no spread over patients can be given."
        )
    yield from not_finite.sentences(board)
    yield from _submitted(board)
    yield from _worse_than_input(board)
    yield from clinical.notices(board)


def _submitted(board: Scoreboard) -> Iterator[str]:
    """Yield a sentence for each method that was trained elsewhere: it is also in figures, which have no footnotes."""
    said = ((result.planned.spec.model, attempts.trained_by(result)) for result in board.results())
    for model, who in dict.fromkeys(one for one in said if one[1]):
        yield f"{board.names[model]} was {attempts.NOT_TRAINED}. Trained by: {who.rstrip('.')}."


def leak(plan: Plan) -> str:
    """Return the split of a plan and why it is leaky; empty where it is clean."""
    return f"Leaky split {plan.folds[0].split}: {plan.leaky.rstrip('.')}." if plan.leaky else ""


def _worse_than_input(board: Scoreboard) -> Iterator[str]:
    """Yield a sentence for each finished network that does not beat the untreated input in PSNR."""
    for row in board.rows:
        for model, group in row.groups.items():
            more = gain(row, group, PSNR)
            if more is None or more > 0:
                continue
            ended = [result.record for run in group.finished for result in run.results]
            updates = [record.attempts[-1].updates for record in ended if record and record.attempts]
            if len(board.plan.folds) > 1:
                updates = sorted({min(updates), max(updates)}) if updates else []
            after = f" after {' and '.join(f'{count:,}' for count in updates)} updates" if updates else ""
            gap = board.text(more, PSNR, signed=True)
            yield (
                f"{board.names[model]} does not beat the untreated input on {board.condition(row)}: "
                f"{gap} {board.definition(PSNR)['unit']}{after}."
            )
