"""Where a number comes from: the code of a network and the environment it ran in.

A network's file is read as text and never imported, so nothing here needs Keras.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib.machinery
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import BenchError

LIBRARIES = ("numpy", "numba", "keras", "tensorflow", "jax", "pydicom")
GIT_SECONDS = 10


class BuildInfo(NamedTuple):
    """What ``module:function`` of a network says about itself, read from its source."""

    parameters: tuple[str, ...]
    multiple: int  # height and width must be multiples of it
    file: Path
    required: tuple[str, ...]  # parameters without a default
    open: bool  # takes any keyword


def build_info(build: str, base: Path) -> BuildInfo:
    """Return the parameters of ``module:function`` and the module's ``MULTIPLE`` (1 where it states none).

    ``base`` is the folder of the experiments file; modules are looked for there first, then on the import
    path. Raises ``BenchError`` where the text is no such pair, or the file or the function is not there.
    """
    module, function = _pair(build)
    file = module_file(module, base)
    if file is None:
        raise BenchError(
            f"no module {module}",
            remedy=f"looked beside the file and on the import path{_near(module, base)}",
        )
    tree = _parse(file, _read(file))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if function not in functions:
        public = [name for name in functions if not name.startswith("_")]
        raise BenchError(
            f"no function {function} in module {module}", remedy=f"it has: {', '.join(public) or 'none'}"
        )
    arguments = functions[function].args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = [arg.arg for arg in positional[: len(positional) - len(arguments.defaults)]]
    required += [
        arg.arg for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if not value
    ]
    names = tuple(arg.arg for arg in (*arguments.args, *arguments.kwonlyargs))
    return BuildInfo(names, _multiple(tree), file, tuple(required), arguments.kwarg is not None)


class Source(NamedTuple):
    """A module's file and what stood in it when it was read."""

    file: Path
    content: bytes


def code_hash(build: str, base: Path) -> str:
    """Return the SHA-256 (hexadecimal) of a network's code: its syntax without comments, docstrings, layout.

    The modules that it imports from its own package, or from beside the experiments file, are part of it. The
    hash is the same under every Python version that parses the files alike.
    """
    return hash_of(code_sources(build, base))


def code_sources(build: str, base: Path) -> dict[str, Source]:
    """Return a network's module and the modules of its own that it imports, by name; each file is read once."""
    module, _ = _pair(build)
    sources: dict[str, Source] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = module_file(name, base)
        if name in sources or file is None:
            continue
        sources[name] = Source(file, _read(file))
        tree = _parse(*sources[name])
        is_package = file.name == "__init__.py"
        waiting += [other for other in _imports(tree, name, is_package) if _is_own(other, module, base)]
        waiting += [name.rpartition(".")[0]] if "." in name else []
    if module not in sources:
        raise BenchError(f"no module {module}")
    return sources


def hash_of(sources: Mapping[str, Source]) -> str:
    """Return the SHA-256 of the syntax of all modules together."""
    text = "\n".join(f"{name} {_dump(_parse(*sources[name]))}" for name in sorted(sources))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def module_hashes(sources: Mapping[str, Source]) -> dict[str, str]:
    """Return the SHA-256 of the syntax of each module."""
    return {name: hash_of({name: source}) for name, source in sources.items()}


def module_file(module: str, base: Path) -> Path | None:
    """Return the file that ``import module`` would read with ``base`` first on the path."""
    top, *rest = module.split(".")
    spec = importlib.machinery.PathFinder.find_spec(top, [str(base), *sys.path])
    if spec is None:
        try:
            spec = importlib.util.find_spec(top)  # finders of editable installations
        except (ImportError, ValueError):
            return None
    name = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def environment() -> dict[str, Any]:
    """Return versions, machine and commit for a record, never hashed. No library is imported for it."""
    return {
        "python": platform.python_version(),
        **{name: version for name in LIBRARIES if (version := _version(name))},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": cores(),
        **_own_commit(),
    }


# --- reading source ---


def _pair(build: str) -> tuple[str, str]:
    module, _, function = build.partition(":")
    if not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise BenchError(f"must be module:function, not {build!r}")
    return module, function


def _near(module: str, base: Path) -> str:
    """Return a hint at a module of a similar name in the same package."""
    parent, _, name = module.rpartition(".")
    package = module_file(parent, base) if parent else None
    folder = package.parent if package else base
    names = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")]
    close = difflib.get_close_matches(name, sorted(names), n=1)
    return f"; did you mean {parent + '.' if parent else ''}{close[0]}?" if close else ""


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BenchError(f"cannot be read ({error})", file=file) from None


def _parse(file: Path, content: bytes) -> ast.Module:
    try:
        return ast.parse(content)
    except SyntaxError as error:
        raise BenchError(f"not Python: {error.msg}", file=file, line=error.lineno) from None
    except ValueError as error:
        raise BenchError(f"cannot be read ({error})", file=file) from None


def _multiple(tree: ast.Module) -> int:
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        named = any(isinstance(target, ast.Name) and target.id == "MULTIPLE" for target in targets)
        value = getattr(node, "value", None)
        if named and isinstance(value, ast.Constant) and type(value.value) is int and value.value > 0:
            return value.value
    return 1


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


def _imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    """Yield the full names of all modules that a tree may import, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if is_package else module.split(".")[:-1]
            parents: Sequence[str] = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _is_own(name: str, module: str, base: Path) -> bool:
    top = name.split(".")[0]
    beside = importlib.machinery.PathFinder.find_spec(top, [str(base)]) if top else None
    return top == module.split(".")[0] or (beside is not None and beside.origin is not None)


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
