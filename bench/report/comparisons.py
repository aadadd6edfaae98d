"""All networks of a row against each other: who is told apart, who is the same within a margin, who ties.

A pair is tested twice over the patients: by a paired t test for a difference, and by two one-sided t tests for none
beyond a margin. Holm's correction counts all pairs of all rows of the table, once for each of the two, so that
the chance of any false word of a pair in a table is at most 0.05 for either. A claimed winner (``claims``) is told
from all others too; it has 0.05 of its own, so for both together the chance stays below 0.10. Arrays are
(..., rows, networks, networks), so that a simulation calls what the report calls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import seeds
from bench.metrics import PSNR, SSIM
from bench.report import statistics
from bench.report.power import smallest_difference
from bench.report.statistics import SIGNIFICANT, Floats

Outcome = Literal["better", "same", "open"]
Truths = NDArray[np.bool_]

#: Differences of no importance, in the unit of the metric. 0.05 dB are about what another seed does to a network, and
#: 1.2 % of the squared error; 1.2 % of ``1 - SSIM`` are .001 at an SSIM of .9. Constants: a margin that is chosen when
#: the scores are known can make any two networks the same.
MARGINS = {PSNR: 0.05, SSIM: 0.001}
DRAWS = 9_999  # resamples of the patients


@dataclass(frozen=True)
class Comparison:
    """The best network of a row against another one, ``model``, over the patients; these weights.

    ``difference`` is the mean by which the best is better, in the unit of the metric, ``sd`` its deviation over the
    patients, ``smallest`` what so many patients could have shown; ``p`` that they are alike, ``p_same`` that they
    differ by more than the margin, both after Holm. None where there is no such number.
    """

    model: str
    outcome: Outcome
    difference: float | None = None
    sd: float | None = None
    p: float | None = None
    p_same: float | None = None
    smallest: float | None = None

    @property
    def within(self) -> bool:
        """Whether they differ by less than the margin, also where the best is better."""
        return self.p_same is not None and self.p_same <= SIGNIFICANT


class Standing(NamedTuple):
    """What the networks of one row are to each other: fields of a ``Claim``, which tells what they mean."""

    against: tuple[Comparison, ...] = ()
    letters: Mapping[str, str] = MappingProxyType({})
    first: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Placed:
    """The networks of one row, best first, and their ``scores`` (networks, patients), higher is better.

    ``scores`` are None where there is nothing to compare. ``tested``: there are patients enough for a word;
    ``claimed``: the best is claimed to be better than every other network.
    """

    networks: tuple[str, ...]
    scores: Floats | None
    tested: bool
    claimed: bool


def standings(rows: Sequence[Placed], planned: Sequence[str], metric: str) -> list[Standing]:
    """Return what the networks of each row of a table are to each other; all pairs of ``planned`` ones are counted."""
    shape = (len(rows), len(planned), len(planned))
    raw, raw_same = np.full(shape, np.nan), np.full(shape, np.nan)
    where = [[planned.index(network) for network in row.networks] for row in rows]
    for at, (row, places) in enumerate(zip(rows, where, strict=True)):
        if row.scores is not None and row.tested:
            block = np.ix_([at], places, places)
            raw[block] = statistics.t_test(gaps(row.scores))
            raw_same[block] = statistics.equivalence_test(gaps(row.scores), MARGINS[metric])
    p, same = corrected(raw), corrected(raw_same)
    best = np.array([places[0] if places else 0 for places in where], np.intp)
    claimed = np.array([row.claimed for row in rows], np.bool_)
    told = apart(p, best, claimed)
    level = SIGNIFICANT / max(1, len(rows) * math.comb(len(planned), 2))
    standing = []
    for at, (row, places) in enumerate(zip(rows, where, strict=True)):
        ranked = np.ix_([at], places, places)
        standing.append(_standing(row, p[ranked][0], same[ranked][0], told[ranked][0], level))
    return standing


def _standing(row: Placed, p: Floats, same: Floats, told: Truths, level: float) -> Standing:
    """Return what the networks of one row are to each other; the matrices are in their order."""
    if row.scores is None:
        return Standing(tuple(Comparison(network, "open") for network in row.networks[1:]))
    against, patients = [], row.scores.shape[-1]
    for at, network in enumerate(row.networks[1:], start=1):
        differences = row.scores[0] - row.scores[at]
        sd = statistics.deviation(differences)
        against.append(
            Comparison(
                network,
                outcome(bool(told[0, at]), float(differences.mean()), same[0, at]),
                float(differences.mean()),
                sd,
                _or_none(p[0, at]),
                _or_none(same[0, at]),
                smallest_difference(patients, sd, level) if sd is not None and row.tested else None,
            )
        )
    if not row.tested:
        return Standing(tuple(against))
    first = firsts(row.scores)
    return Standing(
        tuple(against),
        dict(zip(row.networks, letters(told), strict=True)),
        dict(zip(row.networks, map(float, first), strict=True)),
    )


def _or_none(p: float) -> float | None:
    return None if np.isnan(p) else float(p)


def gaps(scores: Floats) -> Floats:
    """Return (..., networks, networks, sample): the first network minus the second, of (..., networks, sample)."""
    return np.asarray(scores[..., :, None, :] - scores[..., None, :, :])


def corrected(p: Floats) -> Floats:
    """Return the p of all pairs after Holm's correction for all pairs of all rows; NaN where there is no test."""
    first, second = np.triu_indices(p.shape[-1], 1)
    raw = p[..., first, second]
    adjusted = statistics.holm(raw.reshape(*raw.shape[:-2], -1)).reshape(raw.shape)
    matrix = np.full_like(p, np.nan)
    matrix[..., first, second] = matrix[..., second, first] = adjusted
    return matrix


def apart(p: Floats, best: NDArray[np.intp], claimed: Truths) -> Truths:
    """Return which pairs are told apart, by their corrected ``p``, or since the best, (..., rows), is ``claimed``.

    A claimed winner is better than every other network: its largest p is enough, corrected for the rows alone.
    """
    winner = (np.arange(p.shape[-1]) == best[..., None]) & claimed[..., None]
    others = winner[..., :, None] != winner[..., None, :]
    return np.asarray((p <= SIGNIFICANT) | others)


def outcome(apart: bool, difference: float, p_same: float) -> Outcome:
    """Return what is said of the best network against another one that it leads by ``difference``.

    A difference can be significant and within the margin at once: then it is said to be better.
    """
    if apart and difference > 0:
        return "better"
    return "same" if p_same <= SIGNIFICANT else "open"


def letters(apart: Truths) -> list[str]:
    """Return the letters of each network of one row: those that share one are not told apart.

    The compact letter display by insertion and absorption (Piepho 2004, Journal of Computational and Graphical
    Statistics 13, 456-466). Networks come best first, and so do letters.
    """
    count = len(apart)
    groups = [frozenset(range(count))]
    for first, second in zip(*np.nonzero(np.triu(apart, 1)), strict=True):
        split = []
        for group in groups:
            both = {first, second} <= group
            split += [group - {first}, group - {second}] if both else [group]
        groups = [one for one in dict.fromkeys(split) if not any(one < other for other in split)]
    groups.sort(key=sorted)
    return [
        "".join(_letter(at) for at, group in enumerate(groups) if place in group) for place in range(count)
    ]


def _letter(at: int) -> str:
    return chr(ord("a") + at) if at < 26 else f"({at + 1})"


def firsts(scores: Floats) -> Floats:
    """Return the share of resamples of the patients in which each network is first, of scores (networks, patients).

    Higher scores are better; networks that are first together share. How stable the first place is, with these
    patients; no probability that a network is the best.
    """
    means = (
        _resamples(scores.shape[-1]) @ (scores - scores.mean(axis=0)).T
    )  # what patients share changes no order
    first = means >= means.max(axis=1, keepdims=True) - 1e-12 * np.abs(scores).max()
    return np.asarray((first / first.sum(axis=1, keepdims=True)).mean(axis=0))


@lru_cache
def _resamples(patients: int) -> Floats:
    """Return how often each patient is drawn in each resample, as shares: the same resamples for every row."""
    drawn = seeds.generator("resamples").multinomial(patients, np.full(patients, 1 / patients), DRAWS)
    return np.asarray(drawn / patients)
