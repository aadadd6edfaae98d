"""The machine and the libraries that a number comes from, for records and manifests; never part of an id."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

PROGRAM = "ldct-denoising-benchmark"
LIBRARIES = ("numpy", "numba", "keras", "tensorflow", "jax", "pydicom")
BACKENDS = ("keras", "tensorflow", "jax")
#: What of a description moves no bit of a number; where it runs without a network, nor do backend and threads.
IDLE = ("python", "platform", "cores", "commit", "dirty", "pydicom")
GIT_SECONDS = 10


def describe() -> dict[str, Any]:
    """Return versions, machine, instruction sets and commit for a record, never hashed; imports no library."""
    return {
        "python": platform.python_version(),
        **{name: known for name in LIBRARIES if (known := version(name))},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": cores(),
        **({"instructions": simd} if (simd := instructions()) else {}),
        **_own_commit(),
    }


def deciding(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a description decides the last bits of a number: processor, C library, threads, versions."""
    backend = described.get("backend")
    idle = {*IDLE, *BACKENDS, "threads"} if backend is None else {*IDLE, *BACKENDS} - {"keras", backend}
    kept = {key: value for key, value in described.items() if key not in (*idle, "instructions")}
    sets = {f"instructions.{name}": value for name, value in described.get("instructions", {}).items()}
    return {**kept, **sets, "C library": str(described.get("platform", "")).partition("-with-")[2]}


def version(name: str) -> str | None:
    """Return the version of a library: that which is loaded, else that which is installed."""
    loaded = getattr(sys.modules.get(name), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def program() -> str:
    """Return the version of this program; empty where it runs without having been installed."""
    return version(PROGRAM) or ""


def _cpuinfo() -> list[str] | None:
    """Return the lines that Linux says of the processor; None on another system."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None


def _cpu() -> str:
    lines = _cpuinfo()
    if lines is None:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def has_bfloat16() -> bool | None:
    """Return whether the processor has instructions for bfloat16; None where the system does not say."""
    flags = next(
        (line.split() for line in _cpuinfo() or () if line.lower().startswith(("flags", "features"))), None
    )
    return None if flags is None else any("bf16" in flag for flag in flags)


def instructions() -> dict[str, str]:
    """Return the vector instructions that numerical libraries use, by library; only of those that are loaded.

    ``numpy``: the features of its own list that this processor has and that are not switched off; ``numba``: the
    processor it compiles for; ``onednn``: the highest set it may use, where that is limited, or ``off``.
    """
    by_library = {}
    core = sys.modules.get("numpy._core._multiarray_umath")
    if core is not None:
        names = [*core.__cpu_baseline__, *core.__cpu_dispatch__]
        by_library["numpy"] = " ".join(name for name in names if core.__cpu_features__.get(name))
    if (numba := sys.modules.get("numba")) is not None:
        by_library["numba"] = numba.config.CPU_NAME or sys.modules["llvmlite.binding"].get_host_cpu_name()
    if limit := os.environ.get("ONEDNN_MAX_CPU_ISA"):
        by_library["onednn"] = limit
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        by_library["onednn"] = "off"
    return by_library


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _own_commit() -> dict[str, Any]:
    """Return this program's commit at the first call, when a worker starts: that of the code that it loads."""
    return commit(Path(__file__).resolve().parent.parent)


def commit(root: Path) -> dict[str, Any]:
    """Return the commit of this project's checkout and whether files differ from it; empty without one."""
    if not (root / ".git").exists():
        return {}
    try:
        head = _git(root, "rev-parse", "HEAD").strip()
        return {
            "commit": head,
            "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip()),
        }
    except (OSError, subprocess.SubprocessError):
        return {}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS)
    return done.stdout
