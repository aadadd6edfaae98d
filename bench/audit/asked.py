"""What is audited for a profile: its scan, its conditions and their seed, at a size that takes seconds."""

from __future__ import annotations

from bench.audit.simulator import Setup
from bench.config import schema
from bench.config.load import Config
from bench.ct.geometry import of_spec
from bench.data.pairs.build import dose_conditions, dose_reference

SIZES = (64, 128)
"""The audited size is the profile's, but no smaller and no larger than these: at 64 pixels an edge still leaves an
inside, and above 128 nothing but the number of pixels changes (deviations are scaled with the size, photons and views
stay), while the time grows with its square."""


def simulated(settings: Config, profile: schema.Profile) -> bool:
    """Return whether the degraded slices of a profile are simulated, not read from disk."""
    return not isinstance(settings.datasets.sources[profile.source], schema.PairsSource)


def setup(settings: Config, profile: schema.Profile) -> Setup:
    """Return what the audit of a profile looks at; its source is not opened.

    Raises ``BenchError`` where a condition does not fit the scan or the reference.
    """
    size = min(max(profile.size, SIZES[0]), SIZES[1])
    scan = of_spec(settings.datasets.geometry, size)
    names = settings.experiments.experiments[profile.experiment].conditions
    asked = {name: settings.datasets.conditions[name] for name in names}
    reference = dose_reference(settings.datasets.geometry)
    conditions = tuple(dose_conditions(asked, scan, reference).values())
    return Setup(scan, conditions, profile.noise_seed, reference)
