"""Table 4 and the provenance: what each cell cost, where and with what it was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.metrics import PSNR
from bench.plan.cells import Plan, Training, batch_area
from bench.records.store import Result
from bench.report import cells as groups
from bench.report import format as numbers
from bench.report import identity
from bench.report import rows as gather
from bench.report.rows import Line
from bench.report.sections import scores
from bench.report.values import Entry, Grid, label, state, value


def cost(plan: Plan, lines: Sequence[Line]) -> Grid:
    """Return what each trained cell took."""
    shown, rows = scores.names(plan), []
    for line in lines:
        for model in plan.models:
            for result in line.groups[model].results:
                seed = f"seed {result.planned.spec.seed}" if len(plan.seeds) > 1 else ""
                same = identity.MARK if identity.of_result(line, result) else ""
                which = ", ".join(text for text in (seed, scores.fold_label(result), same) if text)
                first = scores.row_label_short(plan, line)
                rows.append((first, label(shown[model], which), *_cost_cells(result)))
    heads = (
        "Condition", "Network", "Parameters", "Updates", "Slices seen", "Training", "ms / slice",
        "Best epoch", "Batch norm", "Device",
    )  # fmt: skip
    lead = "One row for each trained cell. Slices seen: crops are counted by their area."
    return Grid("cost", "Cost", heads, tuple(rows), lead, (), (), (0, 1, 8, 9))


def _cost_cells(result: Result) -> tuple[Entry, ...]:
    record, spec = result.record, result.planned.spec
    if record is None or not record.attempts:
        return (state(groups.describe(result)), *(state(""),) * 7)
    last, training = record.attempts[-1], spec.training
    times = record.timings
    total, trainable = record.parameters.get("total"), record.parameters.get("trainable")
    best = (
        f"{record.best_epoch} of {last.epochs}" if record.best_epoch is not None else groups.describe(result)
    )
    parameters = value(f"{total:,}") if total is not None else state(numbers.DASH)
    if total is not None and trainable is not None and trainable != total:
        parameters = Entry(parameters.parts, detail=f"{trainable:,} trainable")
    return (
        parameters,
        value(f"{last.updates:,}"),
        value(numbers.whole(slices_seen(last.updates, training, spec.dataset.size))),
        value(numbers.duration(times["train_s"])) if "train_s" in times else state(numbers.DASH),
        value(f"{times['ms_per_slice']:.3g}") if "ms_per_slice" in times else state(numbers.DASH),
        value(best),
        value(str(spec.params.get("batch_norm", "default"))),
        value(str(record.environment.get("device", numbers.DASH))),
    )


def slices_seen(updates: int, training: Training | None, size: int) -> float:
    """Return how many slices so many updates have seen, crops counted by their area."""
    if training is None:
        return 0.0
    return updates * batch_area(training.batch, training.patch, size)


def provenance(plan: Plan, lines: Sequence[Line], others: Iterable[str]) -> tuple[Grid, ...]:
    """Return environment, recipes, slices, cells with their status, and records of earlier settings."""
    results = [result for line in lines for group in line.groups.values() for result in group.results]
    slices = [_slices(plan)] if plan.cells else []
    made = [_environment(results), _recipes(plan), *slices, _cells(results)]
    earlier = sorted(others)
    if earlier:
        rows = tuple((label(name),) for name in earlier)
        lead = "On disk, but not part of this plan: made with other settings, in none of the tables above."
        made.append(Grid("earlier", "Records of earlier settings", ("Cell",), rows, lead))
    return tuple(made)


def _environment(results: Sequence[Result]) -> Grid:
    seen: dict[str, dict[str, int]] = {}
    for result in results:
        if result.record is None:
            continue
        files = {name: file.words for name, file in result.record.configuration.items()}
        for key, text in _flat({**result.record.environment, **files}):
            seen.setdefault(key, {}).setdefault(text, 0)
            seen[key][text] += 1
    rows = []
    for key, texts in seen.items():
        several = [f"{text} ({numbers.count(count, 'cell')})" for text, count in sorted(texts.items())]
        rows.append((label(key), label(next(iter(texts)) if len(texts) == 1 else "; ".join(several))))
    return Grid("environment", "Made with", ("What", "Value"), tuple(rows), "", (), (), (0, 1))


def _flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for key in sorted(values):
        name, value_ = f"{above}{key}", values[key]
        if isinstance(value_, Mapping):
            yield from _flat(value_, f"{name} ")
        else:
            yield name, str(value_)


def _recipes(plan: Plan) -> Grid:
    """Return the training settings of each network and which of them its source does not state."""
    shown, rows = scores.names(plan), []
    for model in plan.models:
        alike: dict[tuple[str, str, tuple[str, ...]], list[Training]] = {}
        for cell in plan.cells:
            if cell.spec.model == model and (training := cell.spec.training) is not None:
                key = (_settings(training, ""), cell.recipe_source, cell.chosen)
                alike.setdefault(key, []).append(training)
        for (_, source, chosen), trainings in alike.items():
            counts = [training.updates_per_epoch for training in trainings]
            span = " to ".join(str(count) for count in dict.fromkeys((min(counts), max(counts))))
            rows.append((label(shown[model]), label(_settings(trainings[0], span)),
                         label(source or numbers.DASH), label(", ".join(chosen) or "none")))  # fmt: skip
    heads = ("Network", "Settings", "Source", "Unknown, chosen")
    return Grid("recipes", "Recipes", heads, tuple(rows), "", (), (), (0, 1, 2, 3))


def _settings(training: Training, updates: str) -> str:
    """Return the settings in words; folds of unlike size differ in their ``updates`` only."""
    rate = training.learning_rate
    parts = [
        f"recipe {training.recipe}",
        training.optimizer,
        f"learning rate {rate:g}" if isinstance(rate, float) else _rate(rate.model_dump(by_alias=True)),
        f"batch {training.batch}",
        f"crops of {training.patch}" if training.patch else "whole slices",
        f"{training.epochs} × {updates} updates",  # noqa: RUF001
        f"loss {training.loss}",
        training.augmentation.replace("_", " and "),
        training.precision,
    ]
    return ", ".join(parts)


def _rate(values: Mapping[str, Any]) -> str:
    return "learning rate " + " ".join(f"{key.replace('_', ' ')} {value_}" for key, value_ in values.items())


def _slices(plan: Plan) -> Grid:
    """Return how many slices each part has, fold by fold, and the hashes that stand for their names."""
    rows = []
    for data in plan.folds:
        parts = [
            label(f"{count}", numbers.count(data.patients[part], "patient") if data.patients_known else "")
            for part, count in data.slices.items()
        ]
        rows.append((label("all" if data.fold is None else f"{data.fold} of {data.folds}"), *parts,
                     label(data.selection)))  # fmt: skip
    data = plan.folds[0]
    lead = (
        f"Split {data.split} of source {data.source}, written out in split.csv beside the records. "
        f"SHA-256 of that file: {data.split_sha256 or 'not recorded'}. Content of the source: {data.fingerprint}."
    )
    heads = ("Fold", *(part.capitalize() for part in data.slices), "Names")
    return Grid("slices", "Slices", heads, tuple(rows), lead, (), (), (0, 4))


def _cells(results: Sequence[Result]) -> Grid:
    rows = tuple((label(r.planned.id), _ended(r)) for r in results)
    return Grid("cells", "Cells", ("Cell", "Status"), rows, "", (), (), (0, 1))


def _ended(result: Result) -> Entry:
    record = result.record
    if record is None:
        return state("not run yet")
    message = record.attempts[-1].message if record.attempts else ""
    tries = f", attempt {len(record.attempts)}" if len(record.attempts) > 1 else ""
    again = f", scored again {record.rescored[-1].at[:10]}" if record.rescored else ""
    return label(groups.describe(result) + tries + again, message)


def worse_than_input(plan: Plan, lines: Sequence[Line], known: scores.Definitions) -> tuple[str, ...]:
    """Return a sentence for each finished network that does not beat the untreated input in PSNR."""
    shown, found = scores.names(plan), []
    for line in lines:
        for model in plan.models:
            group = line.groups[model]
            gain = gather.gain(line, group, PSNR)
            if gain is None or gain > 0:
                continue
            ended = [result.record for run in group.finished for result in run.results]
            updates = [record.attempts[-1].updates for record in ended if record and record.attempts]
            if len(plan.folds) > 1:
                updates = sorted({min(updates), max(updates)}) if updates else []
            meaning = scores.definition(known, PSNR)
            gap, unit = numbers.score(gain, PSNR, meaning, signed=True), meaning["unit"]
            after = f" after {' and '.join(f'{count:,}' for count in updates)} updates" if updates else ""
            found.append(
                f"{shown[model]} does not beat the untreated input on "
                f"{plan.conditions[line.condition] or line.condition}: {gap} {unit}{after}."
            )
    return tuple(found)
