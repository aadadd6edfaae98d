"""Tables 1 and 2: scores with their winners, gain over the input, error in HU."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench import metrics
from bench.config.schema import FULL_SIZE, INPUT
from bench.ct import views
from bench.ct.units import deviation_factor
from bench.metrics import PSNR, RMSE, SSIM
from bench.plan.cells import Plan
from bench.records.store import Result
from bench.report import format as numbers
from bench.report import identity
from bench.report import rows as gather
from bench.report.cells import Group
from bench.report.rows import Line
from bench.report.sections import unscored
from bench.report.values import Entry, Grid, label, state, value

Definitions = Mapping[str, Mapping[str, Any]]
INPUT_LABEL = "Input (untreated)"


@dataclass
class Footnotes:
    """Numbered notes of one grid; equal texts share a number."""

    texts: list[str]

    def mark(self, text: str) -> tuple[int, ...]:
        """Return the number of ``text`` as marks; no text, no mark."""
        if not text:
            return ()
        if text not in self.texts:
            self.texts.append(text)
        return (self.texts.index(text) + 1,)


def names(plan: Plan) -> dict[str, str]:
    """Return the printed name of the input and of each network."""
    return {INPUT: INPUT_LABEL, **{model: text or model for model, text in plan.models.items()}}


def definition(known: Definitions, metric: str) -> Mapping[str, Any]:
    """Return the definition of a metric; where no record has one, or only a part, as this program has it."""
    return metrics.definition(metric, known.get(metric))


def row_label(plan: Plan, line: Line) -> Entry:
    """Return the name of a condition with its photons and what this size made of their noise."""
    text = plan.conditions[line.condition] or line.condition
    cells = [result for group in line.groups.values() for result in group.results]
    if not cells:
        return label(text)
    dataset = cells[0].planned.spec.dataset
    if dataset.photons is None:
        return label(text)
    lowered = {r.record.effective_photons for r in cells if r.record} - {None}  # of physics version 1
    size = f"{dataset.size} × {dataset.size}"  # noqa: RUF001
    if lowered:
        return label(text, f"{numbers.whole(min(filter(None, lowered)))} photons per ray at {size}")
    detail = f"{numbers.whole(dataset.photons)} photons per ray"
    if dataset.electronic_noise:
        detail += f", electronic noise {dataset.electronic_noise:.3g}"
    if dataset.size != FULL_SIZE:
        detail += f", deviation × {deviation_factor(dataset.size):.3g} at {size}"  # noqa: RUF001
    return label(text, detail)


def _with_views(plan: Plan, line: Line, entry: Entry) -> Entry:
    """Return the name of a sparse condition with its directions, and its views unless the name says them."""
    found = views.of_plan(plan)
    count = found.sparse.get(line.condition) if found is not None else None
    if found is None or count is None:
        return entry
    said = re.search(rf"\b{count} views\b", entry.parts[0].text)
    texts = ("" if said else f"{count} views", views.directions(found.scan, count), entry.detail)
    return replace(entry, detail=", ".join(filter(None, texts)))


def row_label_short(plan: Plan, line: Line) -> Entry:
    """Return the name of a condition alone."""
    return label(plan.conditions[line.condition] or line.condition)


def fold_label(result: Result) -> str:
    """Return ``fold 3 of 5``; nothing without folds."""
    data = result.planned.spec.dataset.data
    return "" if data.fold is None else f"fold {data.fold} of {data.folds}"


def scores(plan: Plan, lines: Sequence[Line], known: Definitions) -> Grid:
    """Return the table as its users know it: PSNR / SSIM of the input and of each network."""
    made = _scored(
        "scores",
        "Scores",
        plan,
        lines,
        known,
        (PSNR, SSIM),
        f"PSNR in dB / SSIM, means over the test slices{_folds(plan)}. "
        "Bold: the best network of the row, for each metric; bold alone is no claim.",
    )
    found = views.of_plan(plan)
    return made if found is None else replace(made, notes=found.remarks)


def rmse(plan: Plan, lines: Sequence[Line], known: Definitions) -> Grid:
    """Return the root mean squared error of each cell in HU."""
    lead = f"Root mean squared error in HU, mean over the test slices{_folds(plan)}; lower is better."
    return _scored("rmse", "Error in HU", plan, lines, known, (RMSE,), lead)


def _folds(plan: Plan) -> str:
    return f" of the {len(plan.folds)} folds" if len(plan.folds) > 1 else ""


def _scored(
    name: str,
    title: str,
    plan: Plan,
    lines: Sequence[Line],
    known: Definitions,
    metrics: tuple[str, ...],
    lead: str,
) -> Grid:
    foot = Footnotes([])
    rows = [_scores_row(plan, line, known, metrics, foot, detail=name == "scores") for line in lines]
    return Grid(name, title, ("Condition", *names(plan).values()), tuple(rows), lead, (), tuple(foot.texts))


def _scores_row(
    plan: Plan,
    line: Line,
    known: Definitions,
    metrics: tuple[str, ...],
    foot: Footnotes,
    *,
    detail: bool = False,
) -> tuple[Entry, ...]:
    """Return the condition and the mean scores of the input and of each network, the best of them marked."""
    best = {metric: gather.winners(line, metric, definition(known, metric)) for metric in metrics}

    def draw(group: Group, marks: tuple[int, ...]) -> Entry:
        means = [(metric, group.mean(metric)) for metric in metrics]
        texts = [
            numbers.score(mean, metric, definition(known, metric))
            if mean is not None
            else group.without(metric)
            for metric, mean in means
        ]
        marks += foot.mark(unscored.cell_note(group, metrics, known))
        return value(*texts, best=tuple(group.model in best[metric] for metric in metrics), marks=marks)

    first, *cells = _row(plan, line, foot, draw, detail=detail)
    left_out = foot.mark(unscored.row_note(line, metrics, known))
    return (replace(first, marks=left_out), *cells)


def further(plan: Plan, lines: Sequence[Line], known: Definitions) -> Grid | None:
    """Return the scores of all metrics without a table of their own, metric by metric; None where there are none."""
    foot, rows = Footnotes([]), []
    for metric in (metric for metric in known if metric not in (PSNR, SSIM, RMSE)):
        meaning = definition(known, metric)
        name = label(numbers.metric_name(metric, meaning), f"{meaning['direction']} is better")
        for line in lines:
            first, *cells = _scores_row(plan, line, known, (metric,), foot)
            rows.append((name, first, *cells))
    if not rows:
        return None
    heads = ("Metric", "Condition", *names(plan).values())
    lead = f"Means over the test slices{_folds(plan)} of the metrics that have no table of their own."
    return Grid("further", "Further scores", heads, tuple(rows), lead, (), tuple(foot.texts), (0, 1))


def _row(
    plan: Plan,
    line: Line,
    foot: Footnotes,
    draw: Callable[[Group, tuple[int, ...]], Entry],
    *,
    inputs: bool = True,
    detail: bool = False,
) -> tuple[Entry, ...]:
    """Return label and cells of one row; states and footnotes are the same in every table."""
    entries = [_with_views(plan, line, row_label(plan, line)) if detail else row_label_short(plan, line)]
    for model, group in line.groups.items():
        if model == INPUT and not inputs:
            continue
        marks = foot.mark(_mismatch(plan, line)) if model in line.flagged else ()
        if not group.finished:
            entries.append(state(group.state))
            continue
        if not group.complete:
            marks += foot.mark(_partial(group))
        entry = draw(group, marks)
        entries.append(replace(entry, detail=identity.mark(line, group) or entry.detail))
    return tuple(entries)


def _mismatch(plan: Plan, line: Line) -> str:
    """Return why a row has no winner."""
    if line.comparable:
        return ""
    shown = names(plan)
    who = ", ".join(shown[model] for model in line.groups if model in line.flagged)
    return f"not comparable within its row: {who} differs in {', '.join(line.reasons)}; the row has no winner"


def _partial(group: Group) -> str:
    seeds = f"mean of {len(group.finished)} of {numbers.count(len(group.runs), 'seed')}"
    return f"{seeds} ({group.state}); takes no part in choosing the winner"


def gain(plan: Plan, lines: Sequence[Line], known: Definitions) -> Grid:
    """Return what each network adds to the untreated input."""
    foot = Footnotes([])
    rows = []
    for line in lines:

        def draw(group: Group, marks: tuple[int, ...], line: Line = line) -> Entry:
            if not line.comparable:
                return state("not comparable", foot.mark(_mismatch(plan, line)))
            found = {metric: gather.gain(line, group, metric) for metric in (PSNR, SSIM)}
            texts = [
                numbers.score(more, metric, definition(known, metric), signed=True)
                if more is not None
                else _no_gain(line, group, metric)
                for metric, more in found.items()
            ]
            known_ones = [more for more in found.values() if more is not None]
            return value(*texts, marks=marks) if known_ones else state(texts[0])

        rows.append(_row(plan, line, foot, draw, inputs=False))
    heads = ("Condition", *list(names(plan).values())[1:])
    lead = "PSNR in dB / SSIM of each network minus those of the untreated input."
    return Grid("gain", "Gain over the input", heads, tuple(rows), lead, (), tuple(foot.texts))


def _no_gain(line: Line, group: Group, metric: str) -> str:
    return (
        group.without(metric) if group.mean(metric) is None else f"input {line.groups[INPUT].without(metric)}"
    )
