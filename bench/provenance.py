"""Where a number comes from: the code of a network and the environment it ran in.

A network's file is read as text and never imported, so nothing here needs Keras.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import modules
from bench.errors import BenchError

LIBRARIES = ("numpy", "numba", "keras", "tensorflow", "jax", "pydicom")
GIT_SECONDS = 10
NO_CODE = "Module()"  # an empty __init__.py, which a folder of networks may have or not

Sources = dict[
    modules.Found, bytes
]  # what stood in each file of a network when it was read, its own module first


def code_hash(build: str, base: Path | None) -> str:
    """Return the SHA-256 (hexadecimal) of a network's code: its syntax without comments, docstrings, layout.

    The modules that it imports from beside the experiments file or from this program, and for a network on the
    import path those of its own package, are part of it. Neither the folder nor an empty file is. The hash is the
    same under every Python version that parses the files alike.
    """
    return hash_of(code_sources(build, base))


def code_sources(build: str, base: Path | None) -> Sources:
    """Return a network's module, first, and all own modules that it may import; each file is read once.

    Raises:
        BenchError: there is no such module, or a file cannot be read or is not Python.
    """
    module, _ = modules.pair(build)
    first = modules.find(module, base)
    if first is None:
        raise BenchError(f"no module {module}")
    sources: Sources = {}
    waiting = [first]
    while waiting:
        found = waiting.pop()
        if found not in sources:
            sources[found] = modules.read(found.file)
            tree = modules.parse(found.file, sources[found])
            waiting += [*modules.imported(tree, found), *modules.parents(found)]
    return sources


def hash_of(sources: Sources) -> str:
    """Return the SHA-256 of the syntax of all modules together."""
    home = next(iter(sources)).folder
    lines = [
        (found.name, found.folder != home, _dump(modules.parse(found.file, content)))
        for found, content in sources.items()
    ]
    text = "\n".join(f"{name} {text}" for name, _, text in sorted(lines) if text != NO_CODE)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def file_hashes(sources: Sources) -> dict[str, str]:
    """Return the SHA-256 of the syntax of each file, by its path: two folders may have modules of equal names."""
    return {str(found.file): hash_of({found: content}) for found, content in sources.items()}


def environment() -> dict[str, Any]:
    """Return versions, machine, instruction sets and commit for a record, never hashed; imports no library."""
    return {
        "python": platform.python_version(),
        **{name: version for name in LIBRARIES if (version := _version(name))},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": cores(),
        **({"instructions": found} if (found := instructions()) else {}),
        **_own_commit(),
    }


# --- reading source ---


def _dump(node: Any) -> str:
    """Return a syntax tree as text, without positions, bare strings (docstrings) and empty fields.

    ``ast.dump`` is not used because its text differs between Python versions.
    """
    if isinstance(node, list):
        return "[" + ",".join(_dump(item) for item in node if not _is_docstring(item)) + "]"
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__}:{node!r}"
    fields = [
        (name, value) for name, value in ast.iter_fields(node) if value not in (None, []) or name == "value"
    ]
    inner = ",".join(
        f"{name}={_dump(value)}" for name, value in fields if name not in ("type_comment", "kind")
    )
    return f"{type(node).__name__}({inner})"


def _is_docstring(node: Any) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


# --- the machine ---


def _version(name: str) -> str | None:
    """Return the version of a library: that which is loaded, else that which is installed."""
    loaded = getattr(sys.modules.get(name), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def instructions() -> dict[str, str]:
    """Return the vector instructions that numerical libraries use, by library; only of those that are loaded.

    ``numpy``: the features of its own list that this processor has and that are not switched off; ``numba``: the
    processor it compiles for; ``onednn``: the highest set it may use, where that is limited.
    """
    found = {}
    core = sys.modules.get("numpy._core._multiarray_umath")
    if core is not None:
        names = [*core.__cpu_baseline__, *core.__cpu_dispatch__]
        found["numpy"] = " ".join(name for name in names if core.__cpu_features__.get(name))
    if (numba := sys.modules.get("numba")) is not None:
        found["numba"] = numba.config.CPU_NAME or sys.modules["llvmlite.binding"].get_host_cpu_name()
    if limit := os.environ.get("ONEDNN_MAX_CPU_ISA"):
        found["onednn"] = limit
    return found


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _own_commit() -> dict[str, Any]:
    """Return this program's commit at the first call, when a worker starts: that of the code that it loads."""
    return _commit(Path(__file__).resolve().parent.parent)


def _commit(root: Path) -> dict[str, Any]:
    """Return the commit of this project's checkout and whether files differ from it; empty without one."""
    if not (root / ".git").exists():
        return {}
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        return {
            "commit": commit,
            "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip()),
        }
    except (OSError, subprocess.SubprocessError):
        return {}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS)
    return done.stdout
