"""The real simulator passes every check, in every geometry and with every filter."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from bench.audit import peer, suite
from bench.audit.check import Check
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


@functools.cache
def checks(kind: str) -> tuple[Check, ...]:
    """Every check of a beam, measured once for all tests that read them."""
    return tuple(suite.run(Setup(beam(kind), CONDITIONS)))


@functools.cache
def checks_of_a_noisy_reference(kind: str) -> tuple[Check, ...]:
    """The checks that only a noisy full dose has, and those of the condition that inherits its noise."""
    low = Condition("low", noise=Quanta(photons=1e6, electronic=300.0))
    return tuple(suite.run(Setup(beam(kind), [low], 1, Reference(photons=2e6)), only=["conditions"]))


@pytest.mark.integration
@pytest.mark.parametrize("kind", BEAMS)
def test_simulator_passes_every_check(kind: str) -> None:
    found = checks(kind)
    assert [check for check in found if not check.passed] == []
    names = [check.name for check in found]
    assert len(set(names)) == len(names) >= 25
    assert {"spokes[sparse]", "noise.level[low]", "noise.level[both]"} <= set(names)
    red = [fault.red for fault in FAULTS.values() if kind in fault.beams]
    never_red = {name.partition("[")[:2] for name in names} - {name.partition("[")[:2] for name in red}
    assert not never_red, "no planted fault turns these red"


@pytest.mark.parametrize("kind", BEAMS)
@pytest.mark.parametrize("name", ["shepp-logan", "cosine", "hann"])
def test_every_filter_has_its_own_law(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise on parallel and on fan-shaped rays: half a turn has the bins, hence the filter, of a whole one."""
    monkeypatch.setattr(peer, "projection", lambda *_: 0.0)  # before any filter: measured above
    groups = ["second", "water", "disc", *(["noise"] if kind != "parallel180" else [])]
    found = list(suite.run(Setup(beam(kind, filter=name)), only=groups))
    assert [check for check in found if not check.passed] == []
    assert ("second.reconstruction" in {check.name for check in found}) == (kind != "fan360")


@pytest.mark.parametrize("kind", BEAMS)
def test_noise_of_the_full_dose_is_inherited(kind: str) -> None:
    found = {check.name: check for check in checks_of_a_noisy_reference(kind)}
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
    measured = {check.name: abs(check.measured) for check in checks(kind)}
    worse = {name: measured[name] for name, margin in MARGINS.items() if measured[name] > margin}
    assert not worse


def test_every_check_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")
    for check in (*checks("parallel360"), *checks_of_a_noisy_reference("parallel360")):
        assert f"`{check.name.partition('[')[0]}" in text, check.name
