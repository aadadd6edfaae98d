"""``bench doctor``: a planted fault of each kind has its line of advice, and only some forbid a smoke run."""

from __future__ import annotations

import json
import re
import tomllib
from collections import namedtuple
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import cli, devices, gpus
from bench.execution import diagnosis
from bench.execution.diagnosis import Finding
from tests import tiny

SEEN = {"backend": "tensorflow", "device": "CPU", "threads": 1, "gpu": False}
Usage = namedtuple("Usage", "free")
GPU = gpus.Gpu(0, "GPU-1", "A card", 100, 80_000)


@pytest.fixture(autouse=True)
def sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without faults; the backend is not started."""
    for name in [*diagnosis.OTHERS, *(name for name in diagnosis.os.environ if name.startswith("BENCH_"))]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))
    monkeypatch.setattr(devices, "free_memory", lambda: 8 * devices.GIB)
    monkeypatch.setattr(diagnosis, "PROBE", f"print({json.dumps(SEEN)!r})")
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda place: Usage(10 * devices.GIB))


def of(topic: str, folder: Path, limit_s: float = 60) -> Finding:
    """Return the last finding on a topic."""
    return [
        one for one in diagnosis.diagnose(folder / "cache", folder / "runs", limit_s) if one.topic == topic
    ][-1]


def test_a_sound_machine_has_no_advice(tmp_path: Path) -> None:
    findings = list(diagnosis.diagnose(tmp_path / "cache", tmp_path / "runs"))
    assert [one for one in findings if one.advice or one.fatal] == []
    assert {one.topic for one in findings} >= {
        "python",
        "backend",
        "gpus",
        "machine",
        "disk of cache",
        "extras",
    }


def test_a_backend_that_does_not_start_is_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "PROBE", "raise ImportError('no library')")
    found = of("backend", tmp_path)
    assert (found.words, found.advice, found.fatal) == (
        "tensorflow does not start: ImportError: no library", "pip install tensorflow", True,
    )  # fmt: skip
    monkeypatch.setenv("KERAS_BACKEND", "torchy")
    assert of("backend", tmp_path).advice == "KERAS_BACKEND may be tensorflow or jax"


def test_a_backend_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "PROBE", "import time; time.sleep(600)")
    found = of("backend", tmp_path, limit_s=0.2)
    assert found.fatal and found.words == "tensorflow did not answer within 0.2 s"


def test_a_gpu_that_the_backend_does_not_see_has_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "_read", lambda: ([GPU], []))
    found = of("gpus", tmp_path)
    assert found.words == "GPU 0 A card (79900 of 80000 MiB free)"
    assert "ldct-denoising-benchmark[gpu]" in found.advice and not found.fatal
    monkeypatch.setattr(diagnosis, "PROBE", f"print({json.dumps({**SEEN, 'gpu': True})!r})")
    assert of("gpus", tmp_path).advice == ""
    monkeypatch.setattr(gpus, "_read", lambda: ([], ["the driver is there but tells no GPU"]))
    assert of("gpus", tmp_path).advice == "the driver is there but tells no GPU"


@pytest.mark.parametrize(("gib", "fatal"), [(0.5, True), (2, False)])
def test_little_memory_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gib: float, fatal: bool
) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda: int(gib * devices.GIB))
    found = of("machine", tmp_path)
    assert found.advice and found.fatal is fatal


@pytest.mark.parametrize(("free", "fatal"), [(1 << 27, True), (1 << 30, False)])
def test_little_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, fatal: bool) -> None:
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda place: Usage(free))
    found = of("disk of cache", tmp_path)
    assert "--cache" in found.advice and found.fatal is fatal


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    found = of("disk of runs", tmp_path)
    assert found.fatal and found.words == f"{tmp_path / 'runs'} cannot be written"


def test_variables_that_count_are_shown_and_a_misspelt_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_WORKER", "2")
    found = of("variable", tmp_path)
    assert (found.words, found.advice) == (
        "BENCH_WORKER=2", "the program reads no such variable: did you mean BENCH_WORKERS?",
    )  # fmt: skip
    monkeypatch.delenv("BENCH_WORKER")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "away"))
    assert of("variable", tmp_path).advice.startswith("no such folder")


def test_all_variables_that_the_program_reads_are_known() -> None:
    read = {
        name
        for file in (tiny.ROOT / "bench").rglob("*.py")
        for name in re.findall(r"""["'](BENCH_[A-Z_]+)["']""", file.read_text(encoding="utf-8"))
    }
    assert read == set(diagnosis.VARIABLES)


def test_the_command_ends_with_1_where_no_run_is_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.cli, ["doctor", "--json"])
    assert done.exit_code == 0 and json.loads(done.output)["possible"] is True
    (tmp_path / "datasets.yaml").write_text(
        "schema: 1\nextends: packaged\nsources: {a: {kind: phantom, title: FILL IN}}\n"
    )
    done = CliRunner().invoke(cli.cli, ["doctor"])
    assert done.exit_code == 1
    assert "  fault: datasets.yaml:3: sources.a.title: is still to be filled in" in done.output


def test_extras_are_those_of_the_package_and_no_line_is_wider_than_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((tiny.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert diagnosis.EXTRAS.keys() == project["optional-dependencies"].keys()
    for extra, (library, _) in diagnosis.EXTRAS.items():
        named = " ".join(project["optional-dependencies"][extra])
        assert re.search(rf"\b{library}\b", named) or extra == "gpu", extra
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.cli, ["doctor"])
    assert "extras: " in done.output and tiny.widest(done.output) <= 80
