"""What each trained cell cost."""

from __future__ import annotations

from bench import words
from bench.config.schema import INPUT
from bench.plan.cells import batch_area
from bench.records import forecasts
from bench.records.store import Result
from bench.report import attempts, entries, format, identity
from bench.report.board import Scoreboard
from bench.report.cells import describe
from bench.report.values import Entry, Grid, Part, label, state, value


def grid(board: Scoreboard) -> Grid:
    """Return parameters, updates, slices seen, times and device of each trained cell."""
    rows = []
    for row in board.rows:
        for model, group in row.groups.items():
            for result in group.results if model != INPUT else ():
                seed = f"seed {result.planned.spec.seed}" if len(board.plan.seeds) > 1 else ""
                same = identity.MARK if identity.of_result(row, result) else ""
                which = ", ".join(filter(None, (seed, entries.fold(result), same)))
                rows.append(
                    (entries.condition(board, row), label(board.names[model], which), *_cells(result))
                )
    heads = (
        "Condition", "Network", "Parameters", "Updates", "Slices seen", "Training", "ms / slice",
        "Best epoch", "Batch norm", "Device",
    )  # fmt: skip
    return Grid(
        name="cost",
        title="Cost",
        headings=heads,
        rows=tuple(rows),
        lead="One row for each trained cell. Slices seen: crops are counted by their area.",
        texts=(0, 1, 8, 9),
        notes=_outcome(board),
    )


def _outcome(board: Scoreboard) -> tuple[str, ...]:
    """Return a note on what the networks were expected to take and have taken; none where nothing was forecast."""
    comparisons = forecasts.compare(board.results(), board.forecasts)
    total = forecasts.in_sum(comparisons)
    if total is None:
        return ()
    each = "; ".join(
        f"{name} {words.duration(one.forecast_s)}, took {words.duration(one.took_s)} ({one.ratio:.2f})"
        for name, one in [*((board.names[c.model], c) for c in comparisons), ("in sum", total)]
    )
    return (f"Forecast of the training, checks and scoring of finished cells, outcome and ratio: {each}.",)


def _cells(result: Result) -> tuple[Entry, ...]:
    record, spec = result.record, result.planned.spec
    if spec.submitted and record is not None:
        time, device = record.timings.get("ms_per_slice"), str(record.environment.get("device", format.DASH))
        took = state(format.DASH) if time is None else value(f"{time:.3g}")
        return (state(attempts.NOT_TRAINED), *(state(""),) * 3, took, *(state(""),) * 2, label(device))
    if record is None or not record.attempts:
        return (state(describe(result)), *(state(""),) * 7)
    last, training = record.attempts[-1], spec.training
    area = batch_area(training.batch, training.patch, spec.dataset.size) if training is not None else 0.0
    times = record.timings
    total, trainable = record.parameters.get("total"), record.parameters.get("trainable")
    best = f"{record.best_epoch} of {last.epochs}" if record.best_epoch is not None else describe(result)
    parameters = value(f"{total:,}") if total is not None else state(format.DASH)
    if total is not None and trainable is not None and trainable != total:
        parameters = Entry(parameters.parts, detail=f"{trainable:,} trainable")
    return (
        parameters,
        value(f"{last.updates:,}"),
        value(format.whole(last.updates * area)),
        _ordered(words.duration(times["train_s"]), times["train_s"])
        if "train_s" in times
        else state(format.DASH),
        value(f"{times['ms_per_slice']:.3g}") if "ms_per_slice" in times else state(format.DASH),
        value(best),
        value(str(spec.params.get("batch_norm", "default"))),
        value(str(record.environment.get("device", format.DASH))),
    )


def _ordered(text: str, number: float) -> Entry:
    return Entry((Part(text),), order=number)
