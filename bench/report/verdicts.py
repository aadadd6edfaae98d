"""The verdict of a run in one sentence."""

from __future__ import annotations

from bench import words
from bench.metrics import PSNR
from bench.report.board import Scoreboard


def sentence(board: Scoreboard) -> str:
    """Return in how many conditions the best network is claimed to be better; empty where no network has finished."""
    of_metric = board.claims.get(PSNR, {})
    ranked = [claim for claim in of_metric.values() if len(claim.ranked) > 1]
    if not ranked:
        return ""
    claimed = sum(claim.weights.claimed for claim in ranked)
    return (
        f"In {claimed} of {words.count(len(ranked), 'condition')} the best network is better than every other by "
        f"{board.label(PSNR)}."
    )
