"""Every network of a row against the best one: how far behind, tie groups, and how often each is first."""

from __future__ import annotations

from bench.config.schema import INPUT
from bench.metrics import PSNR, SSIM
from bench.report import format, verdicts
from bench.report.board import Scoreboard
from bench.report.claims import Claim
from bench.report.comparisons import MARGINS, Comparison
from bench.report.rows import Row
from bench.report.values import Entry, Grid, Part, label, state


def grid(board: Scoreboard) -> Grid:
    """Return for each row, metric and network its gap to the best, the letters of its tie groups, its firsts."""
    networks = [model for model in board.names if model != INPUT]
    rows = tuple(
        (
            label(board.condition(row)),
            label(board.label(metric)),
            *(_cell(board, row, metric, of_metric[row.condition], model) for model in networks),
            _smallest(board, metric, of_metric[row.condition]),
        )
        for row in board.rows
        for metric, of_metric in board.claims.items()
    )
    unit = board.definition(PSNR)["unit"]
    return Grid(
        name="ties",
        title="Against the best",
        headings=("Condition", "Metric", *(board.names[model] for model in networks), "Could be seen"),
        rows=rows,
        lead=(
            "These weights: difference to the best network, patient by patient / tie groups / how often it is first "
            "when the patients are drawn again. The best is better than another network (paired t test), the same "
            f"within {MARGINS[PSNR]:g} {unit} or {board.text(MARGINS[SSIM], SSIM)} of SSIM (two one-sided t tests), "
            "or it cannot be told; Holm over all pairs of networks and all rows of this table, for each metric, and a "
            "winner that is claimed above is better than all others. "
            "Networks that share a letter are not told apart. First: of 9,999 resamples of these patients; how stable "
            "the order is, not how probable. Could be seen: the smallest difference that these patients would have "
            "shown in this table (power 0.8), the largest over the networks that cannot be told."
        ),
        texts=(0, 1),
    )


def _cell(board: Scoreboard, row: Row, metric: str, claim: Claim, model: str) -> Entry:
    if model not in claim.ranked or len(claim.ranked) < 2:
        return state("" if row.comparable else "not comparable")
    found = next((one for one in claim.against if one.model == model), None)
    parts = [verdicts.marked(board, row, model, metric, _gap(board, metric, found))]
    if claim.letters:
        parts += [Part(claim.letters[model]), Part(f"{claim.first[model]:.0%}")]
    small = found is not None and found.outcome == "better" and found.within
    return Entry(tuple(parts), detail="within the margin" if small else "")


def _gap(board: Scoreboard, metric: str, found: Comparison | None) -> str:
    if found is None:
        return "best"
    if found.difference is None:
        return format.DASH
    sign = -1.0 if board.definition(metric).get("direction", "higher") == "higher" else 1.0
    return board.text(sign * found.difference, metric, signed=True)


def _smallest(board: Scoreboard, metric: str, claim: Claim) -> Entry:
    """Return the smallest difference that the patients of a row could have shown, or why nothing could be."""
    if claim.ranked and not claim.letters:
        return state(claim.weights.reason)
    needed = [one.smallest for one in claim.against if one.outcome == "open" and one.smallest is not None]
    return Entry((Part(board.text(max(needed), metric) if needed else format.DASH),))
