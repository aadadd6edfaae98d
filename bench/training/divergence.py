"""When a training is given up: a pure function of the history of its checks.

The published table's authors lost days to a run that fell from 41 to 32 dB at its third epoch and trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.config.schema import Guard

Check = Mapping[str, float]


@dataclass(frozen=True)
class Divergence:
    """Why a training was given up, in one line, and at which epoch (from 1)."""

    epoch: int
    message: str


def diverged(history: Sequence[Check], guard: Guard) -> Divergence | None:
    """Return when and why the training has diverged, or None while it is sound.

    Args:
        history: one mapping per finished epoch with ``epoch``, ``loss``, ``psnr`` and ``psnr_input`` (dB, validation).
        guard: after ``above`` checks above the untreated input, one check more than ``margin_db`` below it ends
            the training. A loss or PSNR that is not finite always ends it (an infinite PSNR is a perfect image).
    """
    if not history:
        return None
    last = history[-1]
    epoch = int(last["epoch"])
    if not math.isfinite(last["loss"]):
        return Divergence(epoch, f"loss is {last['loss']} at epoch {epoch}")
    if math.isnan(last["psnr"]) or last["psnr"] == -math.inf:
        return Divergence(epoch, f"validation PSNR is {last['psnr']} at epoch {epoch}")
    above = sum(check["psnr"] > check["psnr_input"] for check in history[:-1])
    if above >= guard.above and last["psnr"] < last["psnr_input"] - guard.margin_db:
        return Divergence(
            epoch,
            f"validation PSNR fell to {last['psnr']:.2f} dB at epoch {epoch}, below the untreated input "
            f"({last['psnr_input']:.2f} dB), after {above} checks above it",
        )
    return None
