"""What each command loads. A backend costs seconds, so only training may import one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import tiny

WATCH = """
import atexit, json, sys
atexit.register(lambda: sys.stderr.write("MODULES " + json.dumps(sorted(sys.modules)) + "\\n"))
from bench.cli import main
main()
"""
BACKENDS = {"keras", "tensorflow", "jax", "torch"}
SLOW = {"pandas", "matplotlib", "scipy", "skimage", "numba", "PIL", "jinja2", "pydicom", "rich"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both files, a finished run and a golden file of it."""
    place = tiny.write(tmp_path_factory.mktemp("imports"))
    with pytest.MonkeyPatch.context() as patch:
        tiny.finish(place, patch)
    return place


def loaded(folder: Path, *arguments: str) -> tuple[int, set[str]]:
    done = subprocess.run(
        [*tiny.command(WATCH), *arguments], cwd=folder, env=tiny.environment(), capture_output=True, text=True
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("MODULES "), done.stderr
    return done.returncode, set(json.loads(last.removeprefix("MODULES ")))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("run", "--help"), 0),
        (("plan", "--profile", "tiny"), 0),
        (("status", "--profile", "tiny"), 0),
        (("data", "check", "--no-leaks", "--profile", "tiny"), 0),
        (("verify", "--profile", "tiny", "--golden", "golden.json"), 0),
        (("run", "--all"), 2),
        (("run", "--all", "--profile", "away"), 2),
    ],
)
def test_command_loads_no_backend_and_nothing_slow(
    folder: Path, arguments: tuple[str, ...], code: int
) -> None:
    found, modules = loaded(folder, *arguments)
    assert found == code
    assert not modules & BACKENDS
    assert not modules & SLOW


@pytest.mark.integration
@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "--profile", "tiny"),
        ("run", "--all", "--profile", "tiny"),
        ("data", "audit", "--profile", "tiny"),
    ],
)
def test_tables_the_audit_and_a_run_with_nothing_to_do_load_no_backend(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    found, modules = loaded(folder, *arguments)
    assert found == 0
    assert not modules & BACKENDS


def test_data_build_loads_no_backend(folder: Path) -> None:
    found, modules = loaded(folder, "data", "build", "--profile", "tiny", "--threads", "1")
    assert found == 0
    assert not modules & BACKENDS
    assert "bench.data.pairs.build" in modules  # it did build: the watch sees what is loaded
