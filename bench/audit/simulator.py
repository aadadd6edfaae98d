"""What is audited: the four functions of ``bench.ct``, or faulty ones in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.ct import dose, projector
from bench.ct.kernels import Array


@dataclass(frozen=True)
class Simulator:
    """Functions with the signatures and units of those in ``bench.ct``, which are the defaults.

    A check calls these and nothing else of the simulator, so that a planted fault is
    ``dataclasses.replace(Simulator(), project=...)``. ``degrade`` is what builds the pairs: it has its own path to
    projection, noise and reconstruction, and the checks of conditions, keys and order go through it.
    """

    project: Callable[..., Array] = projector.project
    reconstruct: Callable[..., Array] = projector.reconstruct
    add_noise: Callable[..., Array] = dose.add_noise
    degrade: Callable[..., dict[str, Array]] = dose.degrade
