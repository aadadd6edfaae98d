"""The most alike slice of every other patient, for each audited slice: in place, and in any pose.

Likeness in place is the correlation of details; in any pose that of descriptors which no shift, turn or flip changes:
those slices are then registered (``bench.leaks.align``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.leaks.descriptors import FULL, SOFT, Descriptors

BLOCK = 256  # rows of a matrix product
EXAMPLES = 60  # slices at least that show how alike different patients are here
VIEW_PAIRS = ((FULL, FULL), (FULL, SOFT), (SOFT, FULL))  # a windowed copy is like the window of its original
NONE = np.float32(-2.0)  # below every correlation: not compared

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Nearest:
    """For each row and each group of columns the most alike column, and how alike; -2 where none is apart."""

    score: npt.NDArray[np.float32]
    column: npt.NDArray[np.int64]
    views: npt.NDArray[np.int8]  # place in the three pairs of views


@dataclass(frozen=True)
class Comparison:
    """The nearest slices of R slices, in place and in any pose.

    ``rows`` (R,): first the ``audited`` slices, in which leaks are looked for; the rest are examples of how alike
    different patients are. ``placed`` and ``posed`` hold the nearest of other parts, ``others`` (in place, in any pose)
    those of any other group: what is usual.
    """

    rows: Labels
    audited: int
    placed: Nearest
    posed: Nearest
    others: tuple[Nearest, Nearest]


def apart(parts: npt.NDArray[np.int8], rows: Labels, columns: Labels) -> npt.NDArray[np.bool_]:
    """Return which pairs lie in two parts of a fold, (R, C).

    ``parts`` (N, F) is the part of each slice in each fold, -1 where the fold does not use it.
    """
    first, second = parts[rows][:, None, :], parts[columns][None, :, :]
    differ: npt.NDArray[np.bool_] = ((first != second) & (first >= 0) & (second >= 0)).any(axis=2)
    return differ


def audited(parts: npt.NDArray[np.int8]) -> Labels:
    """Return the slices that are held against all others: those not always in the largest part.

    Of two slices in different parts at least one is among them.
    """
    counts = [int((parts == part).sum()) for part in range(int(parts.max()) + 1)]
    return np.flatnonzero(((parts != int(np.argmax(counts))) & (parts >= 0)).any(axis=1))


def compare(descriptors: Descriptors, parts: npt.NDArray[np.int8], groups: Labels) -> Comparison:
    """Return the nearest slice of each other group (patient), for each audited slice and for some examples.

    Group -1 is nobody's: its slices are compared with each other too.
    """
    first = audited(parts)
    rest = np.setdiff1d(np.flatnonzero((parts >= 0).any(axis=1)), first)
    rows = np.concatenate([first, rest[:: max(1, len(rest) // EXAMPLES)]])
    order = np.argsort(groups, kind="stable")
    order = order[(parts[order] >= 0).any(axis=1)]
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order][0] - 1))
    centre = descriptors.invariant[:, FULL].mean(axis=0)
    nearest: list[list[Nearest]] = [[], [], [], []]
    for begin in range(0, len(rows), BLOCK):
        block = rows[begin : begin + BLOCK]
        other = groups[block][:, None] != groups[order][None, :]
        mixed = apart(parts, block, order) & (other | (groups[block] < 0)[:, None])
        likeness = (_details(descriptors, block, order), _invariants(descriptors, centre, block, order))
        for place, (scores, allowed) in enumerate((s, a) for a in (mixed, other) for s in likeness):
            nearest[place].append(_nearest(scores, allowed, order, starts))
    placed, posed, *others = (_join(blocks) for blocks in nearest)
    return Comparison(rows, len(first), placed, posed, (others[0], others[1]))


def _details(descriptors: Descriptors, rows: Labels, columns: Labels) -> list[npt.NDArray[np.float32]]:
    out = [np.empty((len(rows), len(columns)), np.float32) for _ in VIEW_PAIRS]
    of_rows = {view: descriptors.details(rows, view) for view in (FULL, SOFT)}
    for begin in range(0, len(columns), BLOCK):
        part = slice(begin, begin + BLOCK)
        given = {view: descriptors.details(columns[part], view).T for view in (FULL, SOFT)}
        for target, (first, second) in zip(out, VIEW_PAIRS, strict=True):
            target[:, part] = of_rows[first] @ given[second]
    return out


def _invariants(
    descriptors: Descriptors, centre: npt.NDArray[np.float32], rows: Labels, columns: Labels
) -> list[npt.NDArray[np.float32]]:
    def centred(which: Labels, view: int) -> npt.NDArray[np.float32]:
        values = descriptors.invariant[which, view] - centre  # what all slices share tells nobody apart
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        return np.asarray(values / np.maximum(norms, 1e-12), np.float32)

    return [centred(rows, first) @ centred(columns, second).T for first, second in VIEW_PAIRS]


def _nearest(
    scores: Sequence[npt.NDArray[np.float32]], allowed: npt.NDArray[np.bool_], order: Labels, starts: Labels
) -> Nearest:
    stacked = np.stack(scores)
    views = stacked.argmax(axis=0)
    best = np.where(allowed, stacked.max(axis=0), NONE)
    ends = [*starts[1:], best.shape[1]]
    place = np.stack([a + best[:, a:b].argmax(axis=1) for a, b in zip(starts, ends, strict=True)], axis=1)
    lines = np.arange(len(best))[:, None]
    return Nearest(best[lines, place], order[place], views[lines, place].astype(np.int8))


def _join(parts: Sequence[Nearest]) -> Nearest:
    return Nearest(
        *(np.concatenate([getattr(p, key) for p in parts]) for key in ("score", "column", "views"))
    )
