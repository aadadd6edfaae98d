"""What ``bench plan`` and ``bench status`` say, as text of at most 80 columns."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bench import atomic
from bench.classical import METHODS
from bench.cli.data_overview import split_words, views
from bench.cli.outlook import PROCESS_BYTES, Outlook, will
from bench.cli.text import folded, table
from bench.config import precedence
from bench.ct.units import starved
from bench.execution import places
from bench.plan import expand
from bench.plan.cells import Plan, PlannedCell
from bench.plan.forecast import Forecast
from bench.records import forecasts
from bench.records.forecasts import Comparison
from bench.records.store import Result, RunStore
from bench.words import count, duration

if TYPE_CHECKING:
    from bench.execution.resolve import ResolvedRun

MANY_TIMES = 10  # a budget of so many times the others' median is remarked on


def of_plan(resolved: ResolvedRun) -> str:
    """Return the cells of a profile with their budget and what is on disk of them."""
    folds = resolved.plan.folds
    data = folds[0]
    trained = [cell for cell in resolved.plan.cells if cell.spec.training is not None]
    methods = sum(cell.spec.model in METHODS for cell in resolved.plan.cells)
    tuned = f"{count(methods, 'classical cell')} to tune, " if methods else ""
    submitted = dict.fromkeys(cell.spec.model for cell in resolved.plan.cells if cell.spec.submitted)
    slices = ", ".join(f"{_span(fold.slices[part] for fold in folds)} {part}" for part in data.slices)
    head = [
        *(f"{name}: {file.words}" for name, file in resolved.plan.configuration.items()),
        f"profile {resolved.plan.profile}: {resolved.plan.description}".rstrip(": "),
        f"source {data.source}, {resolved.profile.size} x {resolved.profile.size} pixels; slices: {slices}",
        f"split {data.split}: {split_words(resolved)}",
        f"{len(trained)} cells to train, {tuned}and the untreated input scored on each of "
        f"{len(resolved.plan.conditions)} datasets",
    ]
    if submitted:
        head.append(f"submitted, scored and not trained here: {', '.join(submitted)}")
    if (budget := resolved.plan.budget) is not None:
        head.append(
            f"budget {budget.words}: {budget.slices_seen:,} slices for every network, from measurements of "
            f"{budget.date[:10]} on {budget.device}; kept by every later run"
        )
    head.append(_scaled(trained))
    head += views(resolved.plan)
    slow = places.bfloat16_remark(resolved.request.machine, (cell.spec for cell in trained))
    remarks = (*starved(resolved.plan.photons), *_origins(resolved), *_budgets(resolved, trained), slow)
    head += [f"remark: {text}" for text in remarks if text]
    outlook = Outlook.of(resolved)
    head += _needs(outlook)
    estimate = outlook.forecast
    rows = [
        (
            *_name(result.planned, resolved.plan),
            *_budget(result.planned),
            *_time(result, estimate),
            _will(result),
        )
        for result in outlook.results
    ]
    times = ("time",) if estimate else ()
    cells = table((*_heads(resolved.plan), "updates", "epochs", *times, "status"), rows)
    return "\n".join([*(folded(line) for line in head), "", cells])


def of_run(store: RunStore) -> str:
    """Return how far the last run of a profile is, cell by cell."""
    plan = store.read_plan()
    results = store.read_all(plan)
    rows = [
        (*_name(result.planned, plan), _status(result), _epoch(result), *_validation(result))
        for result in results
    ]
    ended, file = sum(result.record is not None for result in results), forecasts.read(store.root)
    header = (*_heads(plan), "status", "epoch", "val. dB", "gain", "time")
    left = forecasts.left(results, file) if ended < len(results) else None
    more = f", about {duration(left)} left while it runs" if left is not None else ""
    lines = [f"profile {plan.profile}: {ended} of {len(results)} cells have ended{more}", ""]
    lines.append(table(header, rows))
    for result in results:
        if result.record is not None and result.record.status != "finished":
            log = f"; log: {result.folder.log}" if result.folder.log.exists() else ""
            lines.append(folded(f"{result.planned.id}: {result.record.attempts[-1].message}{log}"))
    return "\n".join([*lines, *_outcome(forecasts.compare(results, file.cells))])


def has_ended(store: RunStore) -> bool:
    """Return whether every cell of the last run has a record."""
    return all(store.cell(cell.id).read_record() is not None for cell in store.read_plan().cells)


def _outcome(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a table of forecast and outcome by network, none where nothing can be compared."""
    total = forecasts.in_sum(comparisons)
    if total is None:
        return []
    rows = [
        (one.model, f"{one.cells}", duration(one.forecast_s), duration(one.took_s), f"{one.ratio:.2f}")
        for one in (*comparisons, total)
    ]
    return ["", table(("finished", "cells", "forecast", "took", "ratio"), rows)]


def _needs(outlook: Outlook) -> list[str]:
    """Return lines on time, disk, memory and what the patients can show."""
    difference = outlook.difference
    lines = [*_finish(outlook), *(_disk(outlook) if outlook.open else [])]
    if difference is not None:
        sd = f"{difference.sd:.2f} dB from patient to patient, " + (
            f"the median of {count(difference.pairs, 'pair')} of networks of this run"
            if difference.pairs
            else "an assumption (docs/statistics.md)"
        )
        lines.append(
            f"smallest PSNR difference that {difference.patients} test patients could show: {difference.db:.2f} dB "
            f"(paired t test, level 0.05, power 0.8; {sd})"
        )
    return lines


def _finish(outlook: Outlook) -> list[str]:
    """Return a line on how long the cells that are left take; none where no network is left."""
    if not any(result.planned.spec.training for result in outlook.open):
        return []
    estimate = outlook.forecast
    if estimate is None:
        remedy = f"forecast: run bench speed --profile {outlook.resolved.plan.profile}"
        return [f"remark: {outlook.fault}" if outlook.fault else remedy]
    date = min(speed.date for speed in outlook.speeds.values())[:10]
    building = f" after about {duration(outlook.building)} of building pairs" if outlook.pairs.bytes else ""
    end = datetime.now() + timedelta(seconds=estimate.total + outlook.building)
    return [
        f"forecast: {duration(estimate.total)} on this machine (bench speed of {date}), "
        f"{count(estimate.at_once, 'cell')} at once{building}; begun now, it ends about {end:%Y-%m-%d %H:%M}"
    ]


def _disk(outlook: Outlook) -> list[str]:
    """Return a line each on disk and memory, as far as they are known."""
    words = [
        f"pairs to build {atomic.in_words(outlook.pairs.bytes)}"
        if outlook.pairs.bytes
        else "no pairs to build"
    ]
    if outlook.weights is not None and outlook.states is not None:
        words.append(f"weights {atomic.in_words(round(outlook.weights))}")
        words.append(f"states of cells at work {atomic.in_words(round(outlook.states))}")
    lines = [f"disk: {', '.join(words)}"]
    if (memory := outlook.memory) is not None:
        process = atomic.in_words(round(memory.process))
        how = (
            f"{process} measured by bench speed" if memory.measured
            else f"{process} estimated, {PROCESS_BYTES / 1e9:g} GB and all tensors of a batch"
        )  # fmt: skip
        lines.append(
            f"memory: {atomic.in_words(round(memory.bytes))} for each of {count(outlook.at_once, 'cell')} at once: "
            f"{how}, {atomic.in_words(round(memory.pairs))} of training pairs"
        )
    return lines


def _time(result: Result, estimate: Forecast | None) -> tuple[str, ...]:
    """Return the forecast of a cell that is left, in a plan that has one."""
    if estimate is None:
        return ()
    return (duration(estimate.cells[result.planned.id].seconds) if result.record is None else "-",)


def _will(result: Result) -> str:
    """Return what a run does with a cell."""
    state, updates = will(result)
    if state == "goes on":
        return f"goes on from update {updates}"
    return state if state in ("new", "done") else f"{state}, waits for --retry-failed"


def _span(numbers: Iterable[int]) -> str:
    distinct = sorted(set(numbers))
    return f"{distinct[0]}" if len(distinct) == 1 else f"{distinct[0]} to {distinct[-1]}"


def _scaled(trained: Sequence[PlannedCell]) -> str:
    """Return in which points all cells differ from the published ones; a model's own are in the tables."""
    if not any(cell.scaled for cell in trained):
        return "as published"
    shared = [point for point in trained[0].scaled if all(point in cell.scaled for cell in trained)]
    return f"scaled: {'; '.join(shared) or 'each model in its own points'}"


def _origins(resolved: ResolvedRun) -> Iterator[str]:
    """Yield what each network takes from ``training.all`` in another way than the profile's own networks do."""
    profile, experiments = resolved.profile, resolved.config.experiments
    if precedence.ALL not in profile.training:
        return
    for name in experiments.experiments[profile.experiment].models:
        settings = expand.resolved(resolved.config, profile, name)
        words = []
        if name not in profile.training:
            taken = [key for key, setting in settings.recipe.items() if setting.origin == "all"]
            taken += [f"params.{key}" for key, setting in settings.params.items() if setting.origin == "all"]
            taken += ["budget"] if settings.budget is not None and settings.budget.origin == "all" else []
            words += [f"takes {', '.join(taken)} from training.all"] if taken else []
            kept = precedence.kept(profile, name, settings)
            words += [f"keeps its own {', '.join(kept)}"] if kept else []
        words += [f"has no parameter {', '.join(settings.undeclared)}"] if settings.undeclared else []
        if words:
            where = "" if name in profile.training else ", which the profile's training does not name,"
            yield f"{name}{where} {'; '.join(words)}"


def _budgets(resolved: ResolvedRun, trained: Sequence[PlannedCell]) -> Iterator[str]:
    """Yield each network whose cells see many times the slices that the others' see, crops counted by area."""
    seen: dict[str, float] = {}
    for cell in trained:
        if cell.spec.training is not None:
            slices = cell.spec.training.slices_seen(cell.size)
            seen[cell.spec.model] = max(slices, seen.get(cell.spec.model, 0.0))
    for name, slices in seen.items():
        others = [other for model, other in seen.items() if model != name]
        if others and slices > MANY_TIMES * statistics.median(others):
            yield (
                f"a cell of {name} sees {slices:,.0f} slices, {slices / statistics.median(others):,.0f} times the "
                f"median of the other networks; set profiles.{resolved.plan.profile}.training.{name}.budget "
                "where that is not meant"
            )


def _heads(plan: Plan) -> tuple[str, ...]:
    return ("model", "condition", *(("fold",) if len(plan.folds) > 1 else ()), "seed")


def _name(cell: PlannedCell, plan: Plan) -> tuple[str, ...]:
    data = cell.spec.dataset.data
    fold = (str(data.fold),) if len(plan.folds) > 1 else ()
    return cell.spec.model, cell.condition, *fold, str(cell.spec.seed)


def _budget(cell: PlannedCell) -> tuple[str, str]:
    training = cell.spec.training
    if training is None:
        return "-", "-"
    return f"{training.updates}", f"{training.epochs}"


def _status(result: Result) -> str:
    if result.record is not None:
        return result.record.status
    return "unfinished" if result.history else "begun" if result.folder.log.exists() else "waits"


def _epoch(result: Result) -> str:
    training = result.planned.spec.training
    return "-" if training is None else f"{len(result.history)}/{training.epochs}"


def _validation(result: Result) -> tuple[str, str, str]:
    if not result.history:
        return "-", "-", "-"
    best = max(result.history, key=lambda row: float(row["psnr"]))
    seconds = sum(float(row["seconds"]) for row in result.history)
    gain = float(best["psnr"]) - float(best["psnr_input"])
    return f"{float(best['psnr']):.2f}", f"{gain:+.2f}", duration(seconds)
