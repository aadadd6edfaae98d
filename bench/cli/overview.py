"""What ``bench plan``, ``bench status`` and ``bench data check`` say, as text of at most 80 columns."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bench import atomic
from bench.classical import METHODS
from bench.cli.console import PAGE, folded
from bench.cli.outlook import PROCESS_BYTES, Outlook, will
from bench.config import precedence
from bench.ct.units import starved
from bench.execution import places
from bench.plan import expand
from bench.plan.acquisition import views_of
from bench.plan.cells import Plan, PlannedCell
from bench.plan.forecast import Forecast
from bench.records import forecasts
from bench.records.forecasts import Comparison
from bench.records.store import Result, RunStore
from bench.words import count, duration

if TYPE_CHECKING:
    from bench.config.schema import Source
    from bench.data.sources.catalogue import Catalogue, SliceRef
    from bench.execution.resolve import ResolvedRun
    from bench.leaks import Verdict

REFUSED_SHOWN = 20
GAP = "  "
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
        f"split {data.split}: {_split(resolved)}",
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
    head += _views(resolved.plan)
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
    table = _table((*_heads(resolved.plan), "updates", "epochs", *times, "status"), rows)
    return "\n".join([*(folded(line) for line in head), "", table])


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
    lines.append(_table(header, rows))
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
    return ["", _table(("finished", "cells", "forecast", "took", "ratio"), rows)]


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


def of_data(resolved: ResolvedRun) -> str:
    """Return the slices and patients of each part of the split, and the files that were refused and why."""
    catalogue = resolved.reader.catalogue()
    patients = "patients unknown" if not catalogue.patients_known else f"{len(catalogue.patients)} patients"
    lines = [f"source {catalogue.source} ({catalogue.kind}): {len(catalogue.refs)} slices, {patients}"]
    lines += [
        folded(f"split {resolved.profile.split}: {_split(resolved)}"),
        *map(folded, _views(resolved.plan)),
    ]
    in_folds = len(resolved.folds.selections) > 1
    rows = [
        (*((str(one.fold),) if in_folds else ()), *_part(part, refs, by_name=not in_folds or part != "train"))
        for one in resolved.folds.selections
        for part, refs in one.parts.items()
    ]
    heads = (*(("fold",) if in_folds else ()), "part", "slices", "patients", "who")
    lines += ["", _table(heads, rows)]
    refused = catalogue.refused
    if refused:
        lines += ["", f"{len(refused)} files refused:"]
        lines += [folded(f"{file}: {reason}") for file, reason in refused[:REFUSED_SHOWN]]
        if len(refused) > REFUSED_SHOWN:
            lines.append(f"and {len(refused) - REFUSED_SHOWN} more")
    lines += _skipped(catalogue) + _remarks([*catalogue.remarks, *starved(resolved.plan.photons)])
    if resolved.folds.leaky:
        return "\n".join([*lines, "", folded(f"leaky, as declared: {resolved.folds.leaky}")])
    clean = f"no patient is in two parts{' of a fold' if in_folds else ''}"
    return "\n".join([*lines, "", clean if catalogue.patients_known else "patients may be in two parts"])


def of_leaks(verdict: Verdict, resolved: ResolvedRun, seconds: float) -> str:
    """Return what the leak audit found: a line where there is nothing, else each leak and what to do."""
    from bench.leaks.verdict import LEAK_REMEDY

    lines = [f"{verdict.words} in {duration(seconds)}", *(folded(text) for text in verdict.told)]
    if verdict.count > len(verdict.told):
        lines.append(f"and {verdict.count - len(verdict.told)} more")
    if verdict.count and not resolved.folds.leaky:
        lines.append(folded(f"splits.{resolved.profile.split}: {LEAK_REMEDY}"))
    return "\n".join(lines)


def _part(part: str, refs: Sequence[SliceRef], by_name: bool) -> tuple[str, str, str, str]:
    """Return the row of one part: its name, slices, patients and, ``by_name``, which.

    The training part of a fold is ``the others``: all patients that neither validate nor test.
    """
    names = sorted({ref.patient for ref in refs})
    return part, f"{len(refs)}", f"{len(names)}", ", ".join(names) if by_name else "the others"


def _split(resolved: ResolvedRun) -> str:
    """Return a line on the split: its folds, the hash of its file, and why it is leaky."""
    folds, known = len(resolved.folds.selections), resolved.plan.folds[0].patients_known
    words = [
        f"{folds}-fold by {'patient' if known and not resolved.folds.leaky else 'slice'}"
        if folds > 1
        else "",
        f"split file {resolved.folds.sha256[:16]} (SHA-256)",
        f"leaky: {resolved.folds.leaky}" if resolved.folds.leaky else "",
    ]
    return "; ".join(word for word in words if word)


def _views(plan: Plan) -> list[str]:
    """Return the views of the scan and of each sparse condition with their directions; nothing for stored pairs."""
    views = views_of(plan)
    return [] if views is None else views.lines


def _span(numbers: Iterable[int]) -> str:
    distinct = sorted(set(numbers))
    return f"{distinct[0]}" if len(distinct) == 1 else f"{distinct[0]} to {distinct[-1]}"


def of_source(catalogue: Catalogue, source: Source) -> str:
    """Return what a source holds and under which licence, for who has just got it."""
    patients = f"{len(catalogue.patients)} patients" if catalogue.patients_known else "patients unknown"
    lines = [f"source {catalogue.source}: {len(catalogue.refs)} slices, {patients}"]
    lines += [folded(line) for line in (f"licence: {source.licence}", f"please cite: {source.citation}")]
    lines += [f"{len(catalogue.refused)} files are not used"] if catalogue.refused else []
    return "\n".join(lines + _skipped(catalogue) + _remarks(catalogue.remarks))


def _skipped(catalogue: Catalogue) -> list[str]:
    """Return a line that counts by kind what lies beside the slices and was passed over."""
    from bench.data.files.listing import told

    return ["", folded(f"skipped: {told(dict(catalogue.skipped))}")] if catalogue.skipped else []


def _remarks(remarks: Sequence[str]) -> list[str]:
    more = len(remarks) - REFUSED_SHOWN
    lines = ["", *(folded(f"remark: {remark}") for remark in remarks[:REFUSED_SHOWN])] if remarks else []
    return [*lines, f"and {more} more remarks"] if more > 0 else lines


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


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns side by side; the last one is folded where it would go beyond the page."""
    *widths, _ = (max(map(len, column)) for column in zip(header, *rows, strict=True))
    start = sum(widths) + len(GAP) * len(widths)
    lines = []
    for row in (header, ["-" * len(name) for name in header], *rows):
        first = GAP.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
        last = folded(row[-1], "", max(20, PAGE - start)).replace("\n", "\n" + " " * start)
        lines.append((first + GAP + last).rstrip())
    return "\n".join(lines)
