"""All checks of one configuration, in the order in which a slice is made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from bench.audit import conditions, counts, discs, noise, peer, random_keys, sinograms
from bench.audit.check import Check
from bench.audit.simulator import Setup, Simulator


def run(
    setup: Setup, simulator: Simulator | None = None, only: Collection[str] | None = None
) -> Iterator[Check]:
    """Yield every check of ``setup``, or those of the groups ``only``, each named by the first part of its names.

    The simulator is the real one unless another is given; raises ``KeyError`` for an unknown group.
    """
    simulator = simulator or Simulator()
    for name in GROUPS if only is None else only:
        yield from GROUPS[name](simulator, setup)


Group = Callable[[Simulator, Setup], Iterator[Check]]
GROUPS: dict[str, Group] = {
    "sinogram": sinograms.sinograms,
    "second": peer.second,
    "water": discs.water,
    "disc": discs.shape,
    "object": sinograms.symmetry,
    "counts": counts.counts,
    "noise": noise.noise,
    "conditions": conditions.conditions,
    "draws": random_keys.draws,
}
"""The checks by group, each yielding those of one file."""
