"""Table 4: the best network of each row beside the next, and which of the two claims may be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.plan.cells import Plan
from bench.report import format as numbers
from bench.report import statistics
from bench.report.claims import Claim, Claims, Verdict
from bench.report.rows import Line
from bench.report.sections.scores import Definitions, definition, names, row_label_short
from bench.report.sections.spread import RESAMPLED, intervals
from bench.report.values import Entry, Grid, Part, label, state

_LEAD = (
    "Difference patient by patient between the best network and the next, with Student's 95 % interval of this "
    f"one difference. {RESAMPLED} These weights: the best network, as it was trained here, is better on patients "
    "like these than every other network that has finished (paired t test over at least four patients, the largest "
    "p of the comparisons, Holm over the rows of this table for each metric). This method: it would lead if trained "
    "anew (at least three folds: t test over their means; else at least three seeds: seeds and patients are both "
    "a sample). Claimed at p of at most 0.05, all under the assumption that differences are roughly normal."
)


def grid(plan: Plan, lines: Sequence[Line], known: Definitions, made: Claims) -> Grid:
    """Return best minus second of each row and metric, and which of the two claims may be made."""
    rows = []
    for line in lines:
        for metric, found in made.items():
            name = numbers.metric_label(metric, definition(known, metric))
            entries = _lead(plan, line, metric, definition(known, metric), found[line.condition])
            rows.append((row_label_short(plan, line), label(name), *entries))
    heads = ("Condition", "Metric", "Networks", "Difference", "Sample", "These weights", "This method")
    return Grid("lead", "Best minus second", heads, tuple(rows), _LEAD, (), (), (0, 1, 2, 4, 5, 6))


def _lead(plan: Plan, line: Line, metric: str, meaning: Mapping[str, Any], claim: Claim) -> tuple[Entry, ...]:
    shown, ranked = names(plan), claim.ranked
    best = shown[ranked[0]] if ranked else ""
    said = (_said(claim.weights, best), _said(claim.method, best))
    if len(ranked) < 2:
        return state(numbers.DASH if line.comparable else "not comparable"), state(""), state(""), *said
    who = label(f"{best} - {shown[ranked[1]]}")
    if not claim.patients:
        return who, state(numbers.DASH), label(claim.trainings), *said
    first, second = (line.groups[model].patients(metric) for model in ranked[:2])
    found = statistics.paired(first, second, line.condition, metric)
    text = numbers.score(found.mean, metric, meaning, signed=True)
    difference = Entry((Part(text),), detail=intervals(found, metric, meaning, signed=True))
    return who, difference, label(f"{numbers.count(claim.patients, 'patient')}, {claim.trainings}"), *said


def _said(verdict: Verdict, best: str) -> Entry:
    if verdict.p is None:
        return label(f"no claim: {verdict.reason}")
    return label(f"{best if verdict.made else 'no claim'}, {p_text(verdict.p)}")


def p_text(p: float) -> str:
    """Return ``p = 0.031``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {numbers.fixed(p, 3)}"


def summary(made: Claims, known: Definitions) -> str:
    """Return in how many rows each claim is made: ``of 6 rows these weights better in 2 (PSNR), 1 (SSIM); ...``."""
    texts = []
    for word, method in (("these weights", False), ("this method", True)):
        counts = []
        for metric, found in made.items():
            verdicts = [claim.method if method else claim.weights for claim in found.values()]
            name = numbers.metric_label(metric, definition(known, metric))
            counts.append(f"{sum(verdict.made for verdict in verdicts)} ({name})")
        texts.append(f"{word} better in {', '.join(counts)}")
    rows = max((len(found) for found in made.values()), default=0)
    return f"of {numbers.count(rows, 'row')} " + "; ".join(texts)
