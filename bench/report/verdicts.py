"""What the verdicts of a table come to: one sentence for its head, and the marks of its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bench import words
from bench.metrics import PSNR
from bench.report.board import Scoreboard
from bench.report.claims import Claim
from bench.report.comparisons import MARGINS
from bench.report.rows import Row
from bench.report.values import Part


def sentence(board: Scoreboard) -> str:
    """Return who leads in how many rows by PSNR, where that is more than chance, and where it cannot be told.

    ``DnCNN leads in 5 of 6 rows by PSNR and is significantly better than every other network in 2; UNet leads in 1;
    in 4 rows the lead may be chance, with 4 patients.``
    """
    decided = [claim for claim in board.claims[PSNR].values() if len(claim.ranked) > 1]
    if not decided:
        return "No two networks have finished on one condition yet."
    return "; ".join((*_leaders(board, decided), *_not_told(board, decided))) + "."


def _leaders(board: Scoreboard, decided: list[Claim]) -> Iterator[str]:
    leads = Counter(claim.ranked[0] for claim in decided)
    ahead = Counter(claim.ranked[0] for claim in decided if claim.weights.claimed)
    for at, (model, count) in enumerate(leads.most_common()):
        where = f" of {words.count(len(board.rows), 'row')} by {board.label(PSNR)}" if at == 0 else ""
        better = f" and is significantly better than every other network in {ahead[model]}"
        yield f"{board.names[model]} leads in {count}{where}{better if ahead[model] else ''}"


def _not_told(board: Scoreboard, decided: list[Claim]) -> Iterator[str]:
    """Yield in how many of the other rows those that the best does not beat are the same, and in how many not."""
    rest = [claim for claim in decided if not claim.weights.claimed]
    same = [claim for claim in rest if {one.outcome for one in claim.against} <= {"better", "same"}]
    if same:
        margin = f"{MARGINS[PSNR]:g} {board.definition(PSNR)['unit']}"
        yield f"in {words.count(len(same), 'row')} the first are the same within {margin}"
    reasons = Counter(_reason(board, claim) for claim in rest if claim not in same)
    for reason, count in reasons.items():
        yield f"in {words.count(count, 'row')} the lead may be chance, {reason}"
    if missing := len(board.rows) - len(decided):
        yield f"{words.count(missing, 'row')} {'has' if missing == 1 else 'have'} no winner"


def _reason(board: Scoreboard, claim: Claim) -> str:
    if board.plan.leaky:
        return "with a leaky split"
    return f"with {words.count(claim.patients, 'patient') if board.patients_known else 'unknown patients'}"


def marked(board: Scoreboard, row: Row, model: str, metric: str, text: str) -> Part:
    """Return a printed score: is its network the best of the row, is that claimed, or is it not told from the best?"""
    claim = board.claims.get(metric, {}).get(row.condition)  # none: a metric without verdicts
    if model in board.winners(row, metric):
        claimed = claim is not None and claim.weights.claimed and model == claim.ranked[0]
        return Part(text, best=True, claimed=claimed)
    if claim is None or not claim.tested(model):  # a mark behind every number would say nothing
        return Part(text)
    outcome = claim.outcome(model)
    return Part(text, tied=outcome if outcome in ("same", "open") else "")
