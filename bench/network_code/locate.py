"""Where the code of a network lies: one answer for its signature, its hash and its import.

A module is looked for in the folder of the experiments file, then, where its name begins with ``models``, among the
networks of this program. Those two are its own code. Any other name is left to Python's import path.

Folders need no ``__init__.py``. Nothing is imported here.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

NETWORKS = "models"  # the package of this program's networks
PROGRAM = "bench"  # never taken for code of a network, which may import it


@dataclass(frozen=True)
class Folder:
    """A folder of own code. ``whole`` is false for this program's, where only ``models`` is a network's code."""

    path: Path
    whole: bool

    def file(self, name: str) -> Path | None:
        """Return the file of the module ``name`` (a package's ``__init__.py``), or None."""
        top = name.partition(".")[0]
        if not name or top == PROGRAM or not (self.whole or top == NETWORKS):
            return None
        place = self.path.joinpath(*name.split("."))
        files = (place / "__init__.py", place.with_name(place.name + ".py"))
        return next((file for file in files if file.is_file()), None)


@dataclass(frozen=True)
class ModuleFile:
    """A module and its file; ``folder`` is None on the import path, where the code is not a network's own."""

    name: str
    file: Path
    folder: Folder | None

    @property
    def package(self) -> str:
        """The package that its relative imports start from."""
        return self.name if self.file.name == "__init__.py" else self.name.rpartition(".")[0]


class ReadFinder(importlib.abc.MetaPathFinder):
    """A finder of modules that were read before (see ``importing``): no answer to where code lies now."""


def program() -> Path:
    """Return the folder that holds ``bench`` and the ``models`` of this program."""
    return Path(__file__).resolve().parents[2]


def folders(base: Path | None) -> tuple[Folder, ...]:
    """Return where own code is looked for, in this order; ``base`` is the folder of the experiments file."""
    beside = () if base is None else (Folder(base.resolve(), True),)
    return beside if beside and beside[0].path == program() else (*beside, Folder(program(), False))


def around(folder: Folder) -> tuple[Folder, ...]:
    """Return where a name in a file of ``folder`` is looked for, in this order."""
    return folders(folder.path if folder.whole else None)


def find(name: str, base: Path | None) -> ModuleFile | None:
    """Return the module ``name``: beside the experiments file, of this program, else on the import path."""
    source = _own(name, folders(base))
    if source is not None or name.partition(".")[0] == NETWORKS:
        return source
    file = _on_path(name)
    return None if file is None else ModuleFile(name, file, None)


def imported(tree: ast.Module, source: ModuleFile) -> Iterator[ModuleFile]:
    """Yield the own modules that the file of ``source`` may import, also inside functions.

    Of a module on the import path these are those of its own top-level package.
    """
    for node in ast.walk(tree):
        for name in _names(node, source.package):
            other = seen_from(name, source)
            if other is not None:
                yield other


def parents(source: ModuleFile) -> Iterator[ModuleFile]:
    """Yield the packages around a module: each ``__init__.py``, where there is one, is executed before it."""
    parts = source.name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        file = _on_path(name) if source.folder is None else source.folder.file(name)
        if file is not None:
            yield ModuleFile(name, file, source.folder)


def pair(build: str) -> tuple[str, str]:
    """Return module and function of ``module:function``; ``BenchError`` where the text is no such pair."""
    module, _, function = build.partition(":")
    if not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise BenchError(f"must be module:function, not {build!r}")
    return module, function


def read(file: Path) -> bytes:
    """Return what stands in a file; ``BenchError`` where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise BenchError(f"cannot be read ({error})", file=file) from None


def parse(file: Path, content: bytes) -> ast.Module:
    """Return the syntax tree of what ``read`` gave; ``BenchError`` with file and line where it is no Python."""
    try:
        return ast.parse(content)
    except SyntaxError as error:
        raise BenchError(f"not Python: {error.msg}", file=file, line=error.lineno) from None
    except ValueError as error:
        raise BenchError(f"cannot be read ({error})", file=file) from None


# --- looking ---


def _own(name: str, places: Sequence[Folder]) -> ModuleFile | None:
    for folder in places:
        file = folder.file(name)
        if file is not None:
            return ModuleFile(name, file, folder)
    return None


def seen_from(name: str, source: ModuleFile) -> ModuleFile | None:
    """Return the own module that ``name`` means in the file of ``source``."""
    if source.folder is not None:
        return _own(name, around(source.folder))
    if name.partition(".")[0] != source.name.partition(".")[0]:
        return None
    file = _on_path(name)
    return None if file is None else ModuleFile(name, file, None)


def _on_path(name: str) -> Path | None:
    """Return the source file that ``import name`` would read, without importing anything."""
    top, *rest = name.split(".")
    if not top:
        return None
    spec, whole = _spec_on_path(top), top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        whole = f"{whole}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(whole, list(spec.submodule_search_locations))
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _spec_on_path(top: str) -> importlib.machinery.ModuleSpec | None:
    """Return what Python's finders say now, those of editable installations too, whatever was imported before."""
    for finder in sys.meta_path:
        ask = getattr(finder, "find_spec", None)
        if ask is None or isinstance(finder, ReadFinder):
            continue
        try:
            spec: importlib.machinery.ModuleSpec | None = ask(top, None)
        except (ImportError, ValueError):
            return None
        if spec is not None:
            return spec
    return None


def _names(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the full names that an import statement may mean as modules."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = origin_of(node, package)
        yield origin
        yield from (join(origin, alias.name) for alias in node.names)


def origin_of(node: ast.ImportFrom, package: str) -> str:
    """Return the full name of the module that a ``from`` statement takes from."""
    if not node.level:
        return node.module or ""
    parents = package.split(".") if package else []
    return join(*parents[: len(parents) - node.level + 1], node.module or "")


def join(*parts: str) -> str:
    """Return a dotted name, empty parts left out."""
    return ".".join(part for part in parts if part)
