"""What is audited: the four functions of ``bench.ct``, or faulty ones in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.ct import dose, projector
from bench.ct.geometry import Geometry
from bench.ct.kernels import Array
from bench.ct.views import Views


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


@dataclass(frozen=True)
class Setup:
    """The configuration it is audited for: a scan, the conditions made with it, the seed of their noise."""

    geometry: Geometry
    conditions: Sequence[dose.Condition] = ()
    noise_seed: int = 1
    reference: dose.Reference = field(default_factory=dose.Reference)

    @property
    def views(self) -> Views:
        """The views of the scan and of each sparse condition, with their directions."""
        sparse = {
            condition.name: condition.views for condition in self.conditions if condition.views is not None
        }
        return Views(self.geometry, sparse)
