"""What is audited: the four functions of ``bench.ct``, or faulty ones in their place, and the scan of a profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bench.ct import dose, projector
from bench.ct.conditions import Condition, Reference
from bench.ct.geometry import Geometry
from bench.ct.kernels import Array
from bench.ct.views import Views
from bench.plan.acquisition import Acquisition

SIZES = (64, 128)
"""The audited size is the profile's, but no smaller and no larger than these: at 64 pixels an edge still leaves an
inside, and above 128 nothing but the number of pixels changes (deviations are scaled with the size, photons and views
stay), while the time grows with its square."""


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
    conditions: Sequence[Condition] = ()
    noise_seed: int = 1
    reference: Reference = field(default_factory=Reference)

    @classmethod
    def of(cls, acquisition: Acquisition) -> Setup:
        """Return what the audit of an acquisition looks at, at a size that takes seconds.

        Raises ``BenchError`` where a condition does not fit the scan or the reference.
        """
        small = replace(acquisition, size=min(max(acquisition.size, SIZES[0]), SIZES[1]))
        return cls(small.scan(), tuple(small.doses().values()), small.noise_seed, small.reference())

    @property
    def views(self) -> Views:
        """The views of the scan and of each sparse condition, with their directions."""
        sparse = {
            condition.name: condition.views for condition in self.conditions if condition.views is not None
        }
        return Views(self.geometry, sparse)
