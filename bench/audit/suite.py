"""All checks of one configuration, in the order in which a slice is made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from bench.audit import conditions, counts, discs, noise, peer, random_keys, sinograms, symmetry
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


def _draws(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    yield random_keys.independence(simulator, setup.geometry)
    yield random_keys.regeneration(simulator, setup.geometry)


Group = Callable[[Simulator, Setup], Iterator[Check]]
GROUPS: dict[str, Group] = {
    "sinogram": lambda simulator, setup: sinograms.sinograms(simulator, setup.geometry),
    "second": lambda simulator, setup: peer.second(simulator, setup.geometry),
    "water": lambda simulator, setup: discs.water(simulator, setup.geometry),
    "disc": lambda simulator, setup: discs.shape(simulator, setup.geometry),
    "object": lambda simulator, setup: symmetry.symmetry(simulator, setup.geometry),
    "counts": lambda simulator, setup: counts.counts(simulator),
    "noise": lambda simulator, setup: noise.noise(simulator, setup.geometry),
    "conditions": conditions.conditions,
    "draws": _draws,
}
"""The checks by group, each yielding those of one file."""
