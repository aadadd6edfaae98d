"""The contract as tests: ``pytest --pyargs bench.contract --build mynet:build``, one test for each check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bench.contract import CHECKS

if TYPE_CHECKING:
    from bench.contract.subject import Subject

WITHOUT = "name the network: pytest --pyargs bench.contract --build module:function"


@pytest.fixture(scope="session")
def network(request: pytest.FixtureRequest) -> Subject:
    """The network that ``--build`` names, looked for in the folder that pytest was started in."""
    build = request.config.getoption("contract_build", None)
    if build is None:
        pytest.skip(WITHOUT)
    params: Any
    try:
        params = json.loads(request.config.getoption("contract_params"))
    except ValueError as error:
        pytest.fail(f"--params is no JSON: {error}", pytrace=False)
    if not isinstance(params, dict):
        pytest.fail("--params must be a JSON object: --params '{\"filters\": 8}'", pytrace=False)
    from bench.contract.subject import (
        Subject,
    )  # late: a backend takes seconds to import, and none is needed to skip

    side, base = request.config.getoption("contract_side"), request.config.invocation_params.dir
    return Subject(build, params, base, side)


@pytest.mark.parametrize("name", CHECKS)
def test_network(name: str, network: Subject) -> None:
    """One check of the contract; what it saw is its words."""
    from bench.contract.checks import check

    verdict = check(name, network)
    if not verdict.passed:
        pytest.fail(f"{network.build}: {verdict.words}", pytrace=False)
