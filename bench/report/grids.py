"""Tables 1 to 3: scores with winners, gain over the input, RMSE, spread over patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import statistics
from bench.report import gather, numbers
from bench.report.gather import PSNR, RMSE, SSIM, Group, Line
from bench.report.values import Entry, Grid, Part, label, state, value
from bench.spec import FULL_SIZE, INPUT, Plan

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
    """Return the definition of a metric, or what holds for all of its kind where no record has one."""
    fallback = {"unit": {PSNR: "dB", RMSE: "HU"}.get(metric, ""), "direction": "lower" if metric == RMSE else "higher"}
    return known.get(metric, fallback)


def row_label(plan: Plan, line: Line) -> Entry:
    """Return the name of a condition with the photons that this size really had."""
    text = plan.conditions[line.condition] or line.condition
    cells = [result for group in line.groups.values() for result in group.results]
    if not cells or cells[0].planned.spec.dataset.photons is None:
        return label(text)
    dataset = cells[0].planned.spec.dataset
    stated = {r.record.effective_photons for r in cells if r.record and r.record.effective_photons is not None}
    photons = min(stated) if stated else dataset.photons * (dataset.size / FULL_SIZE) ** 2
    at = "" if dataset.size == FULL_SIZE else f" at {dataset.size} × {dataset.size}"  # noqa: RUF001
    return label(text, f"{numbers.whole(photons)} photons per ray{at}")


def scores(plan: Plan, lines: Sequence[Line], known: Definitions) -> Grid:
    """Return the table as its users know it: PSNR / SSIM of the input and of each network."""
    return _scored(
        "scores",
        "Scores",
        plan,
        lines,
        known,
        (PSNR, SSIM),
        "PSNR in dB / SSIM, means over the test slices. Bold: the best network of the row, for each metric.",
    )


def rmse(plan: Plan, lines: Sequence[Line], known: Definitions) -> Grid:
    """Return the root mean squared error of each cell in HU."""
    lead = "Root mean squared error in HU, mean over the test slices; lower is better."
    return _scored("rmse", "Error in HU", plan, lines, known, (RMSE,), lead)


def _scored(
    name: str, title: str, plan: Plan, lines: Sequence[Line], known: Definitions, metrics: tuple[str, ...], lead: str
) -> Grid:
    foot = Footnotes([])
    rows = []
    for line in lines:
        best = {metric: gather.winners(line, metric, definition(known, metric)) for metric in metrics}

        def draw(group: Group, marks: tuple[int, ...], best: Mapping[str, frozenset[str]] = best) -> Entry:
            found = [(metric, group.mean(metric)) for metric in metrics]
            texts = [numbers.score(m, k, definition(known, k)) if m is not None else "not scored" for k, m in found]
            return value(*texts, best=tuple(group.model in best[metric] for metric in metrics), marks=marks)

        rows.append(_row(plan, line, foot, draw, detail=name == "scores"))
    return Grid(name, title, ("Condition", *names(plan).values()), tuple(rows), lead, (), tuple(foot.texts))


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
    entries = [row_label(plan, line) if detail else row_label_short(plan, line)]
    for model, group in line.groups.items():
        if model == INPUT and not inputs:
            continue
        marks = foot.mark(_mismatch(plan, line)) if model in line.flagged else ()
        if not group.finished:
            entries.append(state(group.state))
            continue
        if not group.complete:
            marks += foot.mark(_partial(group))
        entries.append(draw(group, marks))
    return tuple(entries)


def _mismatch(plan: Plan, line: Line) -> str:
    """Return why a row has no winner."""
    if line.comparable:
        return ""
    shown = names(plan)
    who = ", ".join(shown[model] for model in line.groups if model in line.flagged)
    return f"not comparable within its row: {who} differs in {', '.join(line.reasons)}; the row has no winner"


def _partial(group: Group) -> str:
    seeds = f"mean of {len(group.finished)} of {numbers.count(len(group.results), 'seed')}"
    return f"{seeds} ({group.state}); takes no part in choosing the winner"


def gain(plan: Plan, lines: Sequence[Line], known: Definitions) -> Grid:
    """Return what each network adds to the untreated input."""
    foot = Footnotes([])
    rows = []
    for line in lines:
        base = line.groups[INPUT]

        def draw(group: Group, marks: tuple[int, ...], line: Line = line, base: Group = base) -> Entry:
            if not line.comparable:
                return state("not comparable", foot.mark(_mismatch(plan, line)))
            pairs = [(metric, group.mean(metric), base.mean(metric)) for metric in (PSNR, SSIM)]
            texts = [
                numbers.score(mine - its, metric, definition(known, metric), signed=True)
                for metric, mine, its in pairs
                if mine is not None and its is not None
            ]
            return value(*texts, marks=marks) if len(texts) == 2 else state("input not scored")

        rows.append(_row(plan, line, foot, draw, inputs=False))
    heads = ("Condition", *list(names(plan).values())[1:])
    lead = "PSNR in dB / SSIM of each network minus those of the untreated input."
    return Grid("gain", "Gain over the input", heads, tuple(rows), lead, (), tuple(foot.texts))


def spread(plan: Plan, lines: Sequence[Line], known: Definitions, patients_known: bool) -> Grid:
    """Return mean, deviation and interval over patients of each cell."""
    shown, rows = names(plan), []
    for line in lines:
        for group in line.groups.values():
            rows.append((row_label_short(plan, line), label(shown[group.model]), *_spread_cells(group, known, patients_known)))
    lead = (
        "Mean of patient means ± standard deviation over patients, and in brackets the 95 % bootstrap interval "
        "over patients."
    )
    heads = ("Condition", "Network", "PSNR (dB)", "SSIM", "Patients")
    return Grid("spread", "Spread over patients", heads, tuple(rows), lead, (), (), (0, 1))


def _spread_cells(group: Group, known: Definitions, patients_known: bool) -> tuple[Entry, ...]:
    if not group.finished:
        return state(group.state), state(""), state("")
    if not patients_known:
        return state("patients unknown, no spread"), state(""), state("unknown")
    cells, count = [], 0
    for metric in (PSNR, SSIM):
        means = group.patients(metric)
        if not means:
            cells.append(state("not scored"))
            continue
        count = len(means)
        found = statistics.spread(means, group.condition, metric)
        texts = [numbers.score(n, metric, definition(known, metric)) for n in (found.mean, found.sd or 0.0)]
        if found.sd is None or found.low is None or found.high is None:
            cells.append(Entry((Part(texts[0]),), detail="one patient, no spread" if count == 1 else "no spread"))
            continue
        low, high = (numbers.score(n, metric, definition(known, metric)) for n in (found.low, found.high))
        cells.append(Entry((Part(f"{texts[0]} ± {texts[1]}"),), detail=f"[{low}, {high}]"))
    return (*cells, value(str(count)))


def lead_over_second(plan: Plan, lines: Sequence[Line], known: Definitions, patients_known: bool) -> Grid:
    """Return best minus second of each row and metric, and whether a winner may be claimed."""
    rows = []
    for line in lines:
        for metric in (PSNR, SSIM):
            name = numbers.metric_label(metric, definition(known, metric))
            entries = _lead(plan, line, metric, definition(known, metric), patients_known)
            rows.append((row_label_short(plan, line), label(name), *entries))
    heads = ("Condition", "Metric", "Networks", "Difference", "What may be claimed")
    lead = "Differences patient by patient between the best network and the next, with their 95 % bootstrap interval."
    return Grid("lead", "Best minus second", heads, tuple(rows), lead, (), (), (0, 1, 2, 4))


def row_label_short(plan: Plan, line: Line) -> Entry:
    """Return the name of a condition alone."""
    return label(plan.conditions[line.condition] or line.condition)


def _lead(
    plan: Plan, line: Line, metric: str, meaning: Mapping[str, Any], patients_known: bool
) -> tuple[Entry, Entry, Entry]:
    shown, ranked = names(plan), gather.ranking(line, metric, meaning)
    if not line.comparable:
        return state("not comparable"), state(""), label("no claim: the cells of this row are not comparable")
    if len(ranked) < 2:
        return state(numbers.DASH), state(""), label("no claim: fewer than two networks have finished")
    best, second = (line.groups[model] for model in ranked[:2])
    who = label(f"{shown[best.model]} - {shown[second.model]}")
    if not patients_known:
        return who, state(numbers.DASH), label("no claim: the patients are unknown")
    found = statistics.paired(best.patients(metric), second.patients(metric), line.condition, metric)
    text = numbers.score(found.mean, metric, meaning, signed=True)
    if found.low is None or found.high is None:
        return who, value(text), label(_claim(found, shown[best.model]))
    low, high = (numbers.score(n, metric, meaning, signed=True) for n in (found.low, found.high))
    return who, Entry((Part(text),), detail=f"[{low}, {high}]"), label(_claim(found, shown[best.model]))


def _claim(found: statistics.Difference, best: str) -> str:
    if found.patients < 2:
        return "no claim: one patient, no spread"
    if found.low is None or found.high is None or found.p is None:
        return "no claim: a difference is not finite"
    if found.low <= 0 <= found.high:
        return f"no claim: the interval over {found.patients} patients holds zero"
    if statistics.smallest_p(found.patients) > statistics.SIGNIFICANT:
        floor = numbers.fixed(statistics.smallest_p(found.patients), 3)
        return f"no claim: with {found.patients} patients no sign-flip test gets below p = {floor}"
    if not found.decided:
        return f"no claim: p = {numbers.fixed(found.p, 3)} over {found.patients} patients"
    return f"{best} leads over these {found.patients} patients (p = {numbers.fixed(found.p, 3)})"
