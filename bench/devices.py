"""What a worker may use of this machine, and what its backend sees of it. Backends are imported late, or not at all."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench import gpus
from bench.environment import cores

MIB, GIB = 1 << 20, 1 << 30  # bytes
GLIBC_UNLIMITED = (2, 35)  # earlier versions ignore a threshold for mmap above 32 MiB


def environment_variables(threads: int, device: str | None) -> dict[str, str]:
    """Return what a worker's environment needs before a backend is imported.

    Memory is taken as needed and not all at once, so that another job on the GPU is not starved.

    Args:
        threads: Of the processor.
        device: The GPU by the name that CUDA knows it by (``Gpu.device``); "": none, None: those that it sees anyway.
    """
    variables = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        # oneDNN: TensorFlow leaves it off on processors without AVX-512, where it trains 1.3 to 1.5 times as fast
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_BACKEND": backend(),
    }
    if device is None:
        return variables
    return {**variables, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": device or "-1"}


def backend() -> str:
    """Return the Keras backend that a worker imports."""
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def environment_at_start() -> dict[str, str]:
    """Return what a worker's environment needs before its process starts: how long the C library keeps memory.

    glibc gives the memory of tensors back to the system at every update and takes it anew; a worker that keeps it
    trains a small UNet in 23 instead of 40 CPU-seconds, to the same bits. What the user has set stays; another C
    library, or another system, gets nothing.
    """
    library, version = platform.libc_ver()
    if library != "glibc" or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return {}
    new = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) >= GLIBC_UNLIMITED
    tunables = {
        "MALLOC_MMAP_THRESHOLD_": GIB if new else 32 * MIB,
        "MALLOC_TRIM_THRESHOLD_": 4 * GIB,
        "MALLOC_TOP_PAD_": 64 * MIB,
    }
    return {name: str(size) for name, size in tunables.items() if name not in os.environ}


def must_be_held(device: str | None) -> bool:
    """Return whether a worker has to be held to some cores: JAX on a CPU has no other switch for its threads."""
    return not device and backend() == "jax" and hasattr(os, "sched_setaffinity")


def allowed_cores() -> list[int]:
    """Return the processor cores that this process may use, by number."""
    return sorted(os.sched_getaffinity(0))


def hold_to(cores: Collection[int]) -> None:
    """Keep this process on ``cores``; without any, leave it where it is."""
    if cores:
        os.sched_setaffinity(0, cores)


def peak_memory() -> int:
    """Return the most bytes of the machine's memory that this process has taken at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def free_memory() -> int:
    """Return the bytes of memory that processes can still have, as Linux tells; elsewhere, no limit."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024
    except (OSError, ValueError, StopIteration):
        return sys.maxsize


def has_accelerator() -> bool:
    """Return whether the Keras backend of this process sees a GPU."""
    import keras

    try:
        return bool(keras.distribution.list_devices("gpu"))
    except (RuntimeError, ValueError):  # JAX raises where it has no GPU platform
        return False


def describe() -> dict[str, Any]:
    """Return backend and device for a record; without a backend in this process, nothing."""
    if "keras" not in sys.modules:
        return {}
    import keras

    names = [gpu.name for gpu in gpus.visible()] if has_accelerator() else []
    return {
        "backend": keras.backend.backend(),
        "device": names[0] if names else "CPU",
        "threads": threads(),
    }


def threads() -> int:
    """Return how many threads of the processor this process's backend works with."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS", cores()))


def free_where_networks_lie() -> int:
    """Return the bytes that are free on the GPU of this process, without one those of the machine."""
    present = gpus.visible() if has_accelerator() else []
    return max(gpu.free for gpu in present) * MIB if present else free_memory()
