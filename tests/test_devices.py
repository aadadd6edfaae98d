"""What a worker is given of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import devices


def test_a_worker_on_a_cpu_sees_the_gpus_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    found = devices.environment_variables(3, None)
    assert (found["TF_NUM_INTRAOP_THREADS"], found["OMP_NUM_THREADS"]) == ("3", "3")
    assert found["KERAS_BACKEND"] == "tensorflow"
    assert "CUDA_VISIBLE_DEVICES" not in found


def test_a_worker_on_a_gpu_sees_that_one_and_shares_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    found = devices.environment_variables(1, "GPU-5")
    assert (found["CUDA_VISIBLE_DEVICES"], found["CUDA_DEVICE_ORDER"]) == ("GPU-5", "PCI_BUS_ID")
    assert (found["TF_FORCE_GPU_ALLOW_GROWTH"], found["XLA_PYTHON_CLIENT_PREALLOCATE"]) == ("true", "false")
    assert found["KERAS_BACKEND"] == "jax"


def test_a_worker_without_a_gpu_on_purpose_sees_none() -> None:
    assert devices.environment_variables(1, "")["CUDA_VISIBLE_DEVICES"] == "-1"


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
    ("backend", "device", "held"),
    [
        ("jax", None, True),
        ("jax", "", True),
        ("jax", "GPU-0", False),
        ("tensorflow", None, False),
        (None, "", False),
    ],
)
def test_only_jax_on_a_cpu_is_held_to_cores(
    backend: str | None, device: str | None, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if backend:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    assert devices.must_be_held(device) is held


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
