"""The options of ``pytest --pyargs bench.contract``, added only where that is what is to be tested.

pytest finds this module by the entry point in pyproject.toml; to a run of other tests it adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

TESTS = "bench.contract"


def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: Sequence[str]
) -> None:
    """Add ``--build``, ``--params`` and ``--side`` to a run that names ``bench.contract``."""
    if not any(argument.split("::")[0] == TESTS for argument in args):
        return
    group = parser.getgroup(TESTS, "the contract of a network")
    group.addoption(
        "--build", dest="contract_build", metavar="MODULE:FUNCTION", help="What builds the network."
    )
    group.addoption(
        "--params", dest="contract_params", default="{}", metavar="JSON", help="What it is called with."
    )
    group.addoption("--side", dest="contract_side", type=int, default=64, help="Of the images, in pixels.")
