"""How the slices of a profile are scanned: everything that shapes its pairs besides the slices themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench import seeds
from bench.config import schema
from bench.config.load import Config
from bench.ct import PHYSICS_VERSION
from bench.ct.conditions import Condition, Reference
from bench.ct.geometry import FanBeam, Geometry, ParallelBeam
from bench.ct.views import Views
from bench.errors import BenchError
from bench.plan.cells import Plan


@dataclass(frozen=True)
class Acquisition:
    """Slices of ``size`` x ``size`` pixels, scanned by ``geometry`` and degraded to each of ``conditions``.

    The only place where the keys of ``datasets.yaml`` become the values that ``bench.ct`` computes with.
    """

    size: int
    geometry: schema.Geometry
    conditions: Mapping[str, schema.Condition]
    noise_seed: int

    @classmethod
    def of_profile(cls, config: Config, profile: schema.Profile) -> Acquisition:
        """Return the acquisition of a profile."""
        data, experiment = config.datasets, config.experiments.experiments[profile.experiment]
        conditions = {name: data.conditions[name] for name in experiment.conditions}
        return cls(profile.size, data.geometry, conditions, profile.noise_seed)

    def only(self, names: Iterable[str]) -> Acquisition:
        """Return the acquisition of some of its conditions."""
        return dataclasses.replace(self, conditions={name: self.conditions[name] for name in names})

    def second_draw(self) -> Acquisition:
        """Return the same scans with other noise, drawn independently: the targets of Noise2Noise."""
        seed = seeds.derive("second draw", self.noise_seed) % 2**31
        return dataclasses.replace(self, noise_seed=seed)

    def identity(self) -> dict[str, Any]:
        """Return what shapes every array alike, whatever its condition, fit for JSON: names of folders hash it."""
        return {
            "physics": PHYSICS_VERSION,
            "size": self.size,
            "geometry": self.geometry.model_dump(mode="json"),
            "noise_seed": self.noise_seed,
        }

    def condition_identity(self, name: str) -> dict[str, Any]:
        """Return what shapes the degraded array of one condition besides, fit for JSON: names of files hash it."""
        return {"name": name} | self.conditions[name].model_dump(mode="json", exclude={"label"})

    def scan(self) -> Geometry:
        """Return the scan at this size."""
        return scan_of(self.geometry, self.size)

    def reference(self) -> Reference:
        """Return what degraded slices are held against."""
        return Reference(self.geometry.reference == "fbp", self.geometry.reference_photons)

    def doses(self) -> dict[str, Condition]:
        """Return the simulated conditions by name; ``BenchError`` where one does not fit the scan or the reference."""
        scan, reference = self.scan(), self.reference()
        try:
            doses = {
                name: Condition(name, value.views, value.noise_model)
                for name, value in self.conditions.items()
                if not value.measured
            }
            for dose in doses.values():
                dose.stride(scan)
                reference.check(dose)
        except ValueError as error:
            raise BenchError(str(error), remedy="correct it in datasets.yaml") from None
        return doses


def scan_of(geometry: schema.Geometry, size: int) -> Geometry:
    """Return the scan that ``datasets.yaml`` describes, at ``size`` x ``size`` pixels."""
    if geometry.preset == "fan360":
        return FanBeam(size, geometry.views, geometry.filter)
    arc = {"parallel360": 360.0, "parallel180": 180.0}[geometry.preset]
    return ParallelBeam(size, geometry.views, arc, geometry.filter)


def views_of(plan: Plan) -> Views | None:
    """Return the views of a plan's conditions; None where nothing is planned or the slices are not simulated."""
    datasets = [cell.spec.dataset for cell in plan.cells]
    if not datasets or datasets[0].data.kind == "pairs":
        return None
    sparse = {one.condition: one.dose.views for one in datasets if one.dose.views is not None}
    return Views(scan_of(datasets[0].geometry, datasets[0].size), sparse)
