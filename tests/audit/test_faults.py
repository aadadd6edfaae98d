"""Planted faults: each must turn the check that is meant for it red, in every geometry that can have it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from bench.audit import suite
from bench.audit.check import Check
from bench.audit.simulator import Setup, Simulator
from bench.ct.conditions import Condition, Reference
from bench.ct.noise import Quanta
from tests.audit import faults, plain
from tests.audit.faults import counted, imaged, keyed, measured, projected
from tests.audit.setups import BEAMS, beam

FLAT, HALF, FAN = ("parallel360", "parallel180"), ("parallel180",), ("fan360",)
ALL = tuple(BEAMS)
CONDITIONS = (Condition("sparse", views=20), Condition("low", noise=Quanta(photons=7e4)))


@dataclass(frozen=True)
class Fault:
    """A wrong simulator, the check that must be red, and the geometries in which it must be."""

    simulator: Simulator
    red: str
    beams: tuple[str, ...] = ALL


FAULTS = {
    "images 1 % too high": Fault(imaged(lambda v: v * np.float32(1.01)), "water.mean"),
    "scale pi / V twice": Fault(imaged(lambda v: 2 * v), "water.mean"),
    "line integrals 1 % too high": Fault(projected(lambda v: v * np.float32(1.01)), "sinogram.mass"),
    "the same, by the second simulator": Fault(
        projected(lambda v: v * np.float32(1.01)), "second.projection"
    ),
    "crosstalk between bins": Fault(projected(faults.blurred), "sinogram.chord"),
    "bins 2 % wider than taken for": Fault(measured(faults.stretched), "disc.radius"),
    "an offset on all line integrals": Fault(measured(lambda v: v + np.float32(0.1)), "water.air"),
    "half a pixel aside": Fault(imaged(faults.shifted), "disc.centroid"),
    "mirrored": Fault(imaged(lambda v: v[:, :, ::-1]), "disc.centroid"),
    "views in reverse": Fault(measured(lambda v: v[:, ::-1]), "disc.centroid"),
    "view lost in projection": Fault(projected(faults.without_view), "sinogram.mass"),
    "view lost in reconstruction": Fault(measured(faults.without_view), "object.turn"),
    "detector half a bin off": Fault(projected(faults.shifted), "sinogram.centre"),
    "half a bin off in reconstruction": Fault(measured(faults.shifted), "disc.edge"),
    "180 degrees taken as 360": Fault(faults.half_as_wide_a_scan(), "disc.centroid", HALF),
    "no quarter offset in projection": Fault(
        faults.other_fan(faults.NoOffset, projects=True), "sinogram.centre", FAN
    ),
    "no quarter offset in reconstruction": Fault(
        faults.other_fan(faults.NoOffset, projects=False), "disc.edge", FAN
    ),
    "source too near in projection": Fault(
        faults.other_fan(faults.NearSource, projects=True), "sinogram.mass", FAN
    ),
    "source too near in reconstruction": Fault(
        faults.other_fan(faults.NearSource, projects=False), "water.mean", FAN
    ),
    "negative values clipped": Fault(imaged(lambda v: np.maximum(v, 0)), "object.superposition"),
    "beam hardening": Fault(projected(lambda v: v - np.float32(0.01) * v**2), "water.cupping"),
    "not linear": Fault(projected(lambda v: v - np.float32(0.01) * v**2), "object.superposition"),
    "pedestal": Fault(imaged(lambda v: v + np.float32(1e-4)), "object.zero"),
    "ramp sampled in frequency": Fault(
        replace(Simulator(), reconstruct=plain.filtered_back_projection(plain.sampled_ramp)),
        "water.mean",
        FLAT,
    ),
    "no zero padding": Fault(
        replace(Simulator(), reconstruct=plain.filtered_back_projection(lambda bins: plain.ramp(bins, 1))),
        "water.air",
        FLAT,
    ),
    "nearest bin": Fault(
        replace(Simulator(), reconstruct=plain.filtered_back_projection(nearest=True)), "noise.level", FLAT
    ),
    "another filter": Fault(faults.filtered("hann"), "disc.edge"),
    "another filter, by the second simulator": Fault(faults.filtered("hann"), "second.reconstruction", FLAT),
    "another filter's noise": Fault(faults.filtered("hann"), "noise.spectrum"),
    "variance of the counts constant": Fault(counted(faults.constant), "counts.dispersion"),
    "noise the same through air and water": Fault(counted(faults.constant), "noise.level"),
    "Gaussian counts": Fault(counted(faults.gaussian), "counts.shape"),
    "dose squared": Fault(
        counted(lambda p, photons, *rest: faults.poisson(p, photons**2 / 1e5, *rest)), "noise.slope"
    ),
    "half the photons": Fault(
        counted(lambda p, photons, *rest: faults.poisson(p + np.log(2), photons, *rest)), "counts.mean"
    ),
    "logarithm of zero": Fault(counted(faults.unguarded), "counts.dark"),
    "electronic noise left out": Fault(
        counted(lambda p, photons, random, electronic: faults.poisson(p, photons, random, 0.0)),
        "counts.electronic",
    ),
    "one draw for all views": Fault(counted(faults.same_for_all_rays), "noise.level"),
    "deviation not scaled with the size": Fault(faults.deviation_not_scaled(), "noise.level[low]"),
    "half of the views": Fault(faults.half_of_the_views(), "spokes[sparse]"),
    "same noise for every seed": Fault(keyed(lambda place, key: (0, *key[1:])), "draws.independent"),
    "same noise for every patient": Fault(keyed(lambda place, key: (key[0], key[-1])), "draws.independent"),
    "same noise for every slice": Fault(keyed(lambda place, key: key[:-1]), "draws.independent"),
    "same noise for every condition": Fault(faults.same_noise_for_conditions(), "draws.independent"),
    "seeds by position": Fault(keyed(lambda place, key: (place, *key)), "draws.regenerated"),
    "bits by company": Fault(faults.bits_by_company(), "draws.regenerated"),
}
CASES = [(name, kind) for name, fault in FAULTS.items() for kind in fault.beams]


def check_of(red: str, setup: Setup, simulator: Simulator) -> Check:
    """The check of a name; what its group would measure after it is left out."""
    group = "conditions" if "[" in red or red == "noise.inherited" else red.partition(".")[0]
    return next(check for check in suite.run(setup, simulator, [group]) if check.name == red)


@pytest.mark.integration
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_planted_fault_turns_its_check_red(name: str, kind: str) -> None:
    fault = FAULTS[name]
    asked = [condition for condition in CONDITIONS if f"[{condition.name}]" in fault.red]
    found = check_of(fault.red, Setup(beam(kind), asked), fault.simulator)
    assert not found.passed, found


def test_plain_reconstruction_passes_so_that_only_its_faults_are_red() -> None:
    sound = replace(Simulator(), reconstruct=plain.filtered_back_projection())
    setup = Setup(beam("parallel360"), CONDITIONS)
    for check in suite.run(setup, sound, ["second", "water", "disc", "object", "noise"]):
        assert check.passed, check


@pytest.mark.parametrize(
    ("simulator", "red"),
    [
        (faults.forgets_the_reference(), "noise.level[reference]"),
        (faults.noise_drawn_anew(), "noise.inherited"),
        (faults.doses_in_series(), "noise.level[low]"),
    ],
)
def test_planted_fault_of_the_full_dose_turns_its_check_red(simulator: Simulator, red: str) -> None:
    setup = Setup(
        beam("parallel360"), [Condition("low", noise=Quanta(photons=1e6))], 1, Reference(photons=2e6)
    )
    found = check_of(red, setup, simulator)
    assert not found.passed, found
