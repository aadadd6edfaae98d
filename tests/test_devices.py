"""GPUs as a fake nvidia-smi tells them, and what a worker is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import devices
from bench.devices import Gpu

IDLE = "0, GPU-aaaa-1, NVIDIA H200, 4, 143771"
BUSY = "1, GPU-bbbb-2, NVIDIA H200, 90000, 143771"


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that puts an nvidia-smi on the path which prints these lines and exits with this status."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def install(*lines: str, status: int = 0) -> None:
        script = tmp_path / "nvidia-smi"
        text = "\n".join(lines)
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


def test_a_line_is_read() -> None:
    assert devices.parse(IDLE) == Gpu(0, "GPU-aaaa-1", "NVIDIA H200", 4, 143771)


def test_a_name_may_hold_commas() -> None:
    found = devices.parse("3, GPU-x, A, B, C, 1, 2")
    assert found == Gpu(3, "GPU-x", "A, B, C", 1, 2)


@pytest.mark.parametrize(
    "line", ["", "No devices were found", "NVIDIA-SMI has failed, because, of, the, driver"]
)
def test_other_lines_are_no_gpu(line: str) -> None:
    assert devices.parse(line) is None


@pytest.mark.parametrize("line", ["0, GPU-a, GB10, [N/A], [N/A]", "0, GPU-a, GB10, 10, [N/A]"])
def test_a_gpu_that_does_not_tell_its_memory_is_free(line: str) -> None:
    found = devices.parse(line)
    assert found is not None
    assert found.free


@pytest.mark.parametrize(("used", "free"), [(0, True), (200, True), (201, False), (1000, False)])
def test_four_fifths_of_the_memory_must_be_free(used: int, free: bool) -> None:
    assert Gpu(0, "GPU-a", "any", used, 1000).free is free


def test_a_busy_gpu_is_told_from_an_idle_one(smi: Callable[..., None]) -> None:
    smi(IDLE, BUSY)
    assert [(gpu.index, gpu.free) for gpu in devices.gpus()] == [(0, True), (1, False)]


@pytest.mark.parametrize(
    ("visible", "found"),
    [("1", [1]), ("0,1", [0, 1]), (" 1 , 0 ", [0, 1]), ("GPU-bbbb", [1]), ("", []), ("-1", []), ("7", [])],
)
def test_only_visible_gpus_are_ours(
    smi: Callable[..., None], monkeypatch: pytest.MonkeyPatch, visible: str, found: list[int]
) -> None:
    smi(IDLE, BUSY)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.index for gpu in devices.gpus()] == found


def test_a_machine_without_a_driver_has_no_gpus(
    smi: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(IDLE, status=9)
    assert devices.gpus() == []
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert devices.gpus() == []


def test_a_worker_on_a_cpu_sees_the_gpus_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    found = devices.environment_variables(3, None)
    assert (found["TF_NUM_INTRAOP_THREADS"], found["OMP_NUM_THREADS"]) == ("3", "3")
    assert found["KERAS_BACKEND"] == "tensorflow"
    assert "CUDA_VISIBLE_DEVICES" not in found


def test_a_worker_on_a_gpu_sees_that_one_and_shares_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    found = devices.environment_variables(1, 5)
    assert (found["CUDA_VISIBLE_DEVICES"], found["CUDA_DEVICE_ORDER"]) == ("5", "PCI_BUS_ID")
    assert (found["TF_FORCE_GPU_ALLOW_GROWTH"], found["XLA_PYTHON_CLIENT_PREALLOCATE"]) == ("true", "false")
    assert found["KERAS_BACKEND"] == "jax"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads are not pinned on this system")
def test_a_worker_keeps_to_its_cores_and_the_backend_is_not_imported() -> None:
    code = (
        "import os, sys; from bench import devices; last = devices.allowed_cores()[-1]; devices.hold_to([last])\n"
        "devices.hold_to([])\n"
        "print(os.sched_getaffinity(0) == {last}, devices.cores(), devices.describe(), 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "1", "{}", "False"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads are not pinned on this system")
@pytest.mark.parametrize(
    ("backend", "gpu", "held"),
    [("jax", None, True), ("jax", 0, False), ("tensorflow", None, False), (None, None, False)],
)
def test_only_jax_on_a_cpu_is_held_to_cores(
    backend: str | None, gpu: int | None, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if backend:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    assert devices.must_be_held(gpu) is held


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs /proc")
def test_free_memory_is_less_than_all_memory() -> None:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2 < devices.free_memory() < pages


MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")


@pytest.mark.parametrize(
    ("library", "given", "expected"),
    [
        (("glibc", "2.36"), {}, {MALLOC[0]: "1073741824", MALLOC[1]: "4294967296", MALLOC[2]: "67108864"}),
        (("glibc", "2.34"), {}, {MALLOC[0]: "33554432", MALLOC[1]: "4294967296", MALLOC[2]: "67108864"}),
        (("glibc", "2.36"), {MALLOC[0]: "1", MALLOC[2]: "2"}, {MALLOC[1]: "4294967296"}),
        (("glibc", "2.36"), {"GLIBC_TUNABLES": "glibc.malloc.top_pad=1"}, {}),
        (("", ""), {}, {}),
    ],
)
def test_memory_is_kept_where_the_c_library_is_glibc_and_the_user_has_not_spoken(
    monkeypatch: pytest.MonkeyPatch, library: tuple[str, str], given: dict[str, str], expected: dict[str, str]
) -> None:
    for name in (*MALLOC, "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(devices.platform, "libc_ver", lambda: library)
    assert devices.environment_at_start() == expected
