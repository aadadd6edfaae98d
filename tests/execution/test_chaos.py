"""A run killed at seeded points and started again ends as one that nothing has disturbed."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.execution.chaos import CELLS, KILLS, PHASES, Chaos, Point, rounds

POINTS = int(os.environ.get("CHAOS_POINTS", "50"))  # of the long test; more seconds, more points
SEED = int(os.environ.get("CHAOS_SEED", "1"))
# Five phases, five kills; the one of a worker comes last, as its cell is then tried once more.
FIVE = (
    Point("building pairs", "SIGKILL of the group", 0.3),
    Point("importing", "SIGINT twice", 0.5),
    Point("first epoch", "SIGTERM of the command", 0.9),
    Point("within an epoch", "SIGKILL of the command", 0.5, at_once=True),
    Point("scoring", "SIGKILL of a worker", 0.2, damage="byte"),
)


def undisturbed(folder: Path, cells: tuple[str, ...]) -> Chaos:
    """Return a run that nothing has disturbed."""
    chaos = Chaos(folder, cells=cells)
    chaos.finish()
    return chaos


@pytest.mark.integration
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
def test_a_run_killed_at_five_points_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    expected = undisturbed(tmp_path / "undisturbed", CELLS[:2])
    chaos, rng = Chaos(tmp_path / "chaos", cells=CELLS[:2], expected=expected), random.Random(SEED)
    hit = list(rounds(chaos, FIVE, rng, each=len(FIVE)))
    print(*chaos.log, sep="\n")
    assert len(hit) == len(FIVE), chaos.log


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
def test_a_run_killed_at_random_points_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    """At least ``POINTS`` points are hit, every phase and every kill among them; ``pytest -s`` shows them."""
    rng, hit = random.Random(SEED), 0
    expected = undisturbed(tmp_path / "undisturbed", CELLS)
    chaos = Chaos(tmp_path / "chaos", workers=2, expected=expected)
    while hit < POINTS:
        points = [Point.drawn(rng) for _ in range(6)]
        points.sort(key=lambda point: list(PHASES).index(point.phase))  # a run goes on, so most are reached
        for point in rounds(chaos, points, rng, each=6):
            hit += 1
            print(hit, point, chaos.log[-1].rpartition(" -> ")[2], flush=True)
        chaos.again(rng)
    print(*sorted(chaos.hit.items()), sep="\n")
    if POINTS >= 50:
        assert {f"phase: {name}" for name in PHASES} | {f"kill: {name}" for name in KILLS} <= set(chaos.hit)
