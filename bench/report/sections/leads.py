"""The best network of each row beside the next, and which of the two claims may be made."""

from __future__ import annotations

from statistics import median

from bench import words
from bench.metrics import PSNR
from bench.report import entries, false_claims, format, statistics
from bench.report.board import Scoreboard
from bench.report.claims import Claim, Verdict
from bench.report.entries import RESAMPLED
from bench.report.rows import Row
from bench.report.values import Entry, Grid, Part, label, state

_LEAD = (
    "Difference patient by patient between the best network and the next, with Student's 95 % interval of this "
    f"one difference. {RESAMPLED} These weights: the best network, as it was trained here, is better on patients "
    "like these than every other network that has finished (paired t test over at least four patients, the largest "
    "p of the comparisons, Holm over the rows of this table for each metric). This method: it would lead if trained "
    "anew (at least three folds: t test over their means; else at least three seeds: seeds and patients are both "
    "a sample). Claimed at p of at most 0.05, all under the assumption that differences are roughly normal."
)


def grid(board: Scoreboard) -> Grid:
    """Return best minus second of each row and metric, and which of the two claims may be made."""
    rows = tuple(
        (
            entries.condition(board, row),
            label(board.label(metric)),
            *_lead(board, row, metric, of_metric[row.condition]),
        )
        for row in board.rows
        for metric, of_metric in board.claims.items()
    )
    return Grid(
        name="lead",
        title="Best minus second",
        headings=("Condition", "Metric", "Networks", "Difference", "Sample", "These weights", "This method"),
        rows=rows,
        lead=_LEAD,
        notes=_alike(board),
        texts=(0, 1, 2, 4, 5, 6),
    )


def _alike(board: Scoreboard) -> tuple[str, ...]:
    """Return the correlation of networks over patients, which a published difference is judged by (``bench claim``)."""
    pairs = false_claims.measured(board, PSNR)
    if not pairs:
        return ()
    middle, low, high = (pick([pair.correlation for pair in pairs]) for pick in (median, min, max))
    return (
        f"Correlation of two networks over the patients, {board.label(PSNR)}: median {middle:.3f}, from {low:.3f} to "
        f"{high:.3f} over {words.count(len(pairs), 'pair')}. Papers do not state it; bench claim judges by it what "
        "they publish.",
    )


def _lead(board: Scoreboard, row: Row, metric: str, claim: Claim) -> tuple[Entry, ...]:
    ranked = claim.ranked
    best = board.names[ranked[0]] if ranked else ""
    verdicts = (_verdict(claim.weights, best), _verdict(claim.method, best))
    if len(ranked) < 2:
        return state(format.DASH if row.comparable else "not comparable"), state(""), state(""), *verdicts
    who = label(f"{best} - {board.names[ranked[1]]}")
    if not board.patients_known:
        return who, state(format.DASH), label(claim.trainings), *verdicts
    first, second = (row.groups[model].patients(metric) for model in ranked[:2])
    spread = statistics.paired(first, second, row.condition, metric)
    text = board.text(spread.mean, metric, signed=True)
    difference = Entry((Part(text),), detail=entries.intervals(board, spread, metric, signed=True))
    sample = f"{words.count(claim.patients, 'patient')}, {claim.trainings}"
    return who, difference, label(sample), *verdicts


def _verdict(verdict: Verdict, best: str) -> Entry:
    if verdict.p is None:
        return label(f"no claim: {verdict.reason}")
    return label(f"{best if verdict.claimed else 'no claim'}, {p_text(verdict.p)}")


def p_text(p: float) -> str:
    """Return ``p = 0.031``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {format.fixed(p, 3)}"
