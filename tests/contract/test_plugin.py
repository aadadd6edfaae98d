"""``pytest --pyargs bench.contract`` as a person runs it, in a folder of their own, found by its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.contract import CHECKS
from tests import tiny
from tests.contract.networks import GOOD, HEAD


def installed(folder: Path) -> Path:
    """Return a folder for the import path with the entry points of pyproject.toml, as an installation has them."""
    project = tomllib.loads((tiny.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = [f"{name} = {value}" for name, value in project["project"]["entry-points"]["pytest11"].items()]
    info = folder / "as_installed-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: as-installed\nVersion: 1\n")
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]) + "\n")
    return folder


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    env = tiny.environment()
    env["PYTHONPATH"] = os.pathsep.join((str(installed(folder / "site")), env["PYTHONPATH"]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=240)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    (tmp_path / "mine.py").write_text(HEAD + GOOD)
    return tmp_path


@pytest.mark.integration
def test_a_good_network_is_a_test_for_each_check(folder: Path) -> None:
    contract = (
        "--pyargs",
        "bench.contract",
        "--build",
        "mine:build",
        "--params",
        '{"filters": 3}',
        "--side",
        "16",
    )
    code, text = run(folder, *contract)
    assert code == 0, text
    assert f"{len(CHECKS)} passed" in text


@pytest.mark.integration
def test_a_fault_is_one_line(folder: Path) -> None:
    (folder / "mine.py").write_text(HEAD + GOOD.replace('1, 3, padding="same"', "1, 3"))
    code, text = run(
        folder, "--pyargs", "bench.contract", "--build", "mine:build", "--side", "16", "-k", "shape"
    )
    assert code == 1
    assert "mine:build: 16 x 16 pixels: " in text and "1 failed" in text


def test_without_a_network_it_is_skipped_and_says_why(folder: Path) -> None:
    code, text = run(folder, "--pyargs", "bench.contract", "-rs")
    assert code == 0, text
    assert f"{len(CHECKS)} skipped" in text and "--build module:function" in text


def test_other_tests_have_no_such_option_and_load_nothing_of_it(folder: Path) -> None:
    (folder / "test_other.py").write_text(
        "import sys\n\ndef test_other(request):\n"
        "    assert request.config.getoption('contract_build', None) is None\n    assert 'keras' not in sys.modules\n"
    )
    (folder / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--build')\n")
    code, text = run(folder, "test_other.py", "--build", "x")
    assert code == 0, text
