"""The real simulator passes every check, in every geometry and with every filter."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.audit import suite
from bench.audit.simulator import Setup
from bench.ct.conditions import Condition, Reference
from bench.ct.noise import Quanta
from tests.audit.setups import BEAMS, beam
from tests.audit.test_faults import FAULTS

CONDITIONS = (
    Condition("sparse", views=20),
    Condition("low", noise=Quanta(photons=7e4)),
    Condition("both", 60, Quanta(photons=2e5)),
)


@pytest.mark.parametrize("kind", BEAMS)
def test_simulator_passes_every_check(kind: str) -> None:
    found = list(suite.run(Setup(beam(kind), CONDITIONS)))
    assert [check for check in found if not check.passed] == []
    names = [check.name for check in found]
    assert len(set(names)) == len(names) >= 25
    assert {"spokes[sparse]", "noise.level[low]", "noise.level[both]"} <= set(names)
    red = [fault.red for fault in FAULTS.values() if kind in fault.beams]
    never_red = {name.partition("[")[:2] for name in names} - {name.partition("[")[:2] for name in red}
    assert not never_red, "no planted fault turns these red"


@pytest.mark.parametrize("kind", BEAMS)
@pytest.mark.parametrize("name", ["shepp-logan", "cosine", "hann"])
def test_every_filter_has_its_own_law(kind: str, name: str) -> None:
    setup = Setup(beam(kind, filter=name))
    assert [c for c in suite.run(setup, only=["second", "water", "disc", "noise"]) if not c.passed] == []


@pytest.mark.parametrize("kind", BEAMS)
def test_noise_of_the_full_dose_is_inherited(kind: str) -> None:
    low = Condition("low", noise=Quanta(photons=1e6, electronic=300.0))
    setup = Setup(beam(kind), [low], 1, Reference(photons=2e6))
    found = {check.name: check for check in suite.run(setup, only=["conditions"])}
    assert set(found) == {"noise.level[low]", "noise.level[reference]", "noise.inherited"}
    assert [check for check in found.values() if not check.passed] == []


@pytest.mark.parametrize(("photons", "told"), [(10, False), (40, True)])  # 0.9 and 3.6 arrive
def test_noise_of_a_condition_is_told_where_photons_arrive(photons: float, told: bool) -> None:
    found = list(
        suite.run(
            Setup(beam("parallel360"), [Condition("low", noise=Quanta(photons=photons))]), only=["conditions"]
        )
    )
    assert [check.name for check in found] == ["noise.level[low]"] * told
    assert all(check.passed for check in found)


MARGINS = {  # what the simulator reaches, far inside what the audit allows: a loss of accuracy is seen at once
    "sinogram.chord": 0.006,
    "sinogram.mass": 1e-4,
    "sinogram.centre": 2e-3,
    "water.mean": 0.3,
    "water.cupping": 0.5,
    "water.air": 0.5,
    "disc.centroid": 0.01,
    "disc.radius": 0.02,
    "object.turn": 1e-5,
    "object.superposition": 2e-5,
}


@pytest.mark.parametrize("kind", BEAMS)
def test_accuracy_is_far_inside_the_bounds(kind: str) -> None:
    found = suite.run(Setup(beam(kind)), only=["sinogram", "water", "disc", "object"])
    measured = {check.name: abs(check.measured) for check in found}
    worse = {name: measured[name] for name, margin in MARGINS.items() if measured[name] > margin}
    assert not worse


def test_every_check_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")
    setup = Setup(beam("parallel360"), CONDITIONS, 1, Reference(photons=2e6))
    for check in suite.run(setup):
        assert f"`{check.name.partition('[')[0]}" in text, check.name
