"""The real simulator passes every check, in every geometry and with every filter."""

from __future__ import annotations

import pytest

from bench.audit import suite
from bench.audit.simulator import Setup
from bench.ct.dose import Condition, Reference
from tests.audit.setups import BEAMS, beam

CONDITIONS = (
    Condition("sparse", views=20),
    Condition("low", photons=7e4),
    Condition("both", 60, 2e5),
)


@pytest.mark.parametrize("kind", BEAMS)
def test_simulator_passes_every_check(kind: str) -> None:
    found = list(suite.run(Setup(beam(kind), CONDITIONS)))
    assert [check for check in found if not check.passed] == []
    names = [check.name for check in found]
    assert len(set(names)) == len(names) >= 25
    assert {"spokes[sparse]", "noise.level[low]", "noise.level[both]"} <= set(names)


@pytest.mark.parametrize("kind", BEAMS)
@pytest.mark.parametrize("name", ["shepp-logan", "cosine", "hann"])
def test_every_filter_has_its_own_law(kind: str, name: str) -> None:
    setup = Setup(beam(kind, filter=name))
    assert [c for c in suite.run(setup, only=["second", "water", "disc", "noise"]) if not c.passed] == []


@pytest.mark.parametrize("kind", BEAMS)
def test_noise_of_the_full_dose_is_inherited(kind: str) -> None:
    low = Condition("low", photons=1e6, electronic=300.0)
    setup = Setup(beam(kind), [low], 1, Reference(photons=2e6))
    found = {check.name: check for check in suite.run(setup, only=["conditions"])}
    assert set(found) == {"noise.level[low]", "noise.level[reference]", "noise.inherited"}
    assert [check for check in found.values() if not check.passed] == []
