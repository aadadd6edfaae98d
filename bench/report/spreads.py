"""Table 3: spread over patients, and whether the best network of a row may be called the winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench import statistics
from bench.report import gather, identity, numbers
from bench.report.gather import PSNR, SSIM, Line
from bench.report.grids import Definitions, definition, names, row_label_short
from bench.report.groups import Group
from bench.report.values import Entry, Grid, Part, label, state, value
from bench.spec import Plan

_OVER_FOLDS = (
    " Patients of different folds are scored by networks trained on different, overlapping patients; how much "
    "another training set would change a network is not in the interval."
)  # Bengio, Grandvalet 2004, J. Machine Learning Research 5, 1089-1105: no unbiased estimator of that exists


def spread(plan: Plan, lines: Sequence[Line], known: Definitions, patients_known: bool) -> Grid:
    """Return mean, deviation and interval over patients of each cell."""
    shown, rows = names(plan), []
    for line in lines:
        for group in line.groups.values():
            rows.append(
                (
                    row_label_short(plan, line),
                    label(shown[group.model], identity.mark(line, group)),
                    *_spread_cells(group, known, patients_known),
                )
            )
    lead = (
        "Mean of patient means ± standard deviation over patients, and in brackets the 95 % bootstrap "
        "interval over patients."
    )
    lead += _OVER_FOLDS if len(plan.folds) > 1 else ""
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
            cells.append(
                Entry((Part(texts[0]),), detail="one patient, no spread" if count == 1 else "no spread")
            )
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
    lead = (
        "Differences patient by patient between the best network and the next, with their 95 % bootstrap "
        "interval."
    )
    return Grid("lead", "Best minus second", heads, tuple(rows), lead, (), (), (0, 1, 2, 4))


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
        return f"no claim: {found.patients} patients are too few (p at least {floor})"
    if not found.decided:
        return f"no claim: p = {numbers.fixed(found.p, 3)} over {found.patients} patients"
    return f"{best} leads over these {found.patients} patients (p = {numbers.fixed(found.p, 3)})"
