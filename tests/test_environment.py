"""What a record says of machine, libraries and commit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import environment

ROOT = Path(__file__).resolve().parent.parent


def test_environment_names_versions_without_importing() -> None:
    code = (
        "import sys, json; from bench import environment as e; found = e.describe();"
        "print(json.dumps([found, [n for n in ('keras', 'numba', 'numpy') if n in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found, imported = json.loads(done.stdout)
    assert imported == []
    import numpy as np

    assert found["numpy"] == np.__version__
    assert found["python"] == sys.version.split()[0]
    assert found["cores"] >= 1
    assert found["cpu"]


def test_environment_names_the_instruction_sets_of_what_is_loaded() -> None:
    code = (
        "import json, numba, numpy; from bench import environment as e; from numpy._core import _multiarray_umath as m;"
        "print(json.dumps([e.instructions(), m.__cpu_dispatch__, m.__cpu_features__]))"
    )
    env = {**os.environ, "NUMBA_CPU_NAME": "x86-64", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    found, dispatched, features = json.loads(done.stdout)
    named = set(found["numpy"].split())
    assert {name for name in dispatched if features[name]} == named & set(dispatched)
    assert found["numba"] == "x86-64"
    assert found["onednn"] == "AVX2"


def test_the_commit_is_that_of_the_checkout_and_says_when_files_differ(tmp_path: Path) -> None:
    assert environment.commit(tmp_path) == {}

    def git(*arguments: str) -> str:
        command = [
            "git",
            "-C",
            str(tmp_path),
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.org",
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    assert environment.commit(tmp_path) == {}  # no commit yet
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "x")
    commit = git("rev-parse", "HEAD")
    assert environment.commit(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "a").write_text("2")
    assert environment.commit(tmp_path) == {"commit": commit, "dirty": True}


def test_the_version_of_a_library_is_that_which_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade on disk during a run does not change what has trained."""
    import numpy

    monkeypatch.setattr(numpy, "__version__", "0.0.loaded")
    assert environment.describe()["numpy"] == "0.0.loaded"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu sse2 avx2 fma\n", False),  # a processor without, as Zen 3 says it
        ("flags\t\t: fpu avx2 avx512f avx512_bf16\n", True),
        ("Features\t: fp asimd sve bf16 i8mm\n", True),  # an Arm Neoverse V1
        ("Features\t: fp asimd\n", False),
        ("model name\t: unknown\n", None),
    ],
)
def test_bfloat16_is_read_from_what_linux_says_of_the_processor(
    text: str, expected: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *args, **kwargs: text)
    assert environment.has_bfloat16() is expected
