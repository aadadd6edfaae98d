"""Registration of each audited slice with the most alike slices of the closest patients, and their correlation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.leaks.compare import EXAMPLES, NONE, VIEW_PAIRS, Comparison, Nearest
from bench.leaks.descriptors import Descriptors
from bench.leaks.registration import Pose, agreement, guesses, refine, turned

CLOSEST = 5  # patients of other parts that a slice is laid over
SAMPLED = 8  # patients of any part, alike or not, that say what score is usual
WORTH = 0.4  # coarse correlation from which a pose is made fine


@dataclass(frozen=True)
class Posed:
    """For each row and each group the best score (R, G), -2 where it was not tried, and the best poses.

    ``score`` is of the closest slices in other parts, after refinement. ``usual`` is, before it, of a sample of
    patients in any part: for every row with a pose of at least the score that matters, and for some others.
    """

    score: npt.NDArray[np.float32]
    usual: npt.NDArray[np.float32]
    poses: list[dict[int, Pose]]


def lay(descriptors: Descriptors, comparison: Comparison, matters: float, *, threads: int = 1) -> Posed:
    """Return how well the closest groups fit each audited row, and a sample of groups where a score ``matters``.

    Every row is laid by itself: the number of ``threads`` changes nothing but the time.
    """
    score = np.full(comparison.posed.score.shape, NONE)
    usual = score.copy()
    everywhere = comparison.others[1]

    def closest(at: int) -> dict[int, tuple[float, Pose]]:
        groups = _ranked(comparison.posed, at)[:CLOSEST]
        return _try(descriptors, int(comparison.rows[at]), comparison.posed, at, groups, fine=True)

    def sample(at: int) -> dict[int, tuple[float, Pose]]:
        ranked = _ranked(everywhere, at)
        places = {(2 * k + 1) * len(ranked) // (2 * SAMPLED) for k in range(SAMPLED)} if ranked else set()
        return _try(
            descriptors, int(comparison.rows[at]), everywhere, at, [ranked[k] for k in sorted(places)]
        )

    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="lay") as pool:
        laid = list(pool.map(closest, range(comparison.audited)))
        for at, tried in enumerate(laid):
            score[at, list(tried)] = [max(rough, pose.score) for rough, pose in tried.values()]
        met = {
            at for at, tried in enumerate(laid) if any(pose.score >= matters for _, pose in tried.values())
        }
        examples = set(range(0, len(comparison.rows), -(-len(comparison.rows) // EXAMPLES))) if met else set()
        sampled = sorted(met | examples)
        for at, tried in zip(sampled, pool.map(sample, sampled), strict=True):
            usual[at, list(tried)] = [rough for rough, _ in tried.values()]
    return Posed(score, usual, [{group: pose for group, (_, pose) in tried.items()} for tried in laid])


def _ranked(nearest: Nearest, at: int) -> list[int]:
    groups = np.argsort(-nearest.score[at], kind="stable")
    return [int(group) for group in groups if nearest.score[at, group] > NONE]


def _try(
    descriptors: Descriptors, row: int, nearest: Nearest, at: int, groups: list[int], *, fine: bool = False
) -> dict[int, tuple[float, Pose]]:
    """Return the coarse score and, where it is worth it, the fine pose of the nearest slice of each group."""
    out: dict[int, tuple[float, Pose]] = {}
    fixed: dict[int, npt.NDArray[np.float32]] = {}
    for group in groups:
        view, other = VIEW_PAIRS[nearest.views[at, group]]
        column = int(nearest.column[at, group])
        if view not in fixed:
            fixed[view] = descriptors.coarse(row, view)
        hypotheses = guesses(descriptors.angular[row, view], descriptors.angular[column, other])
        if not hypotheses:  # one of the two is plain
            continue
        moved = turned([descriptors.coarse(column, other)] * len(hypotheses), hypotheses)
        scores, _ = agreement(fixed[view], moved)
        rough = float(scores.max())
        pose = Pose(float(NONE))
        if fine and rough >= WORTH:
            best = hypotheses[int(scores.argmax())]
            pose = refine(descriptors.picture(row, view), descriptors.picture(column, other), best)
        out[group] = (rough, pose)
    return out
