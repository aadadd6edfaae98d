"""Where the code of a network lies, and its import: one answer for the signature, the hash and the training.

A module is looked for in the folder of the experiments file, then, where its name begins with ``models``, among the
networks of this program. Those two are its own code. Any other name is left to Python's import path.

Own code is imported under a private name, so that a folder ``models`` of the user, the ``models`` of this program
and any third package of that name do not meet: the statements ``import models.x``, ``from models.x import y`` and
``from . import x`` of own files are bound to what ``find`` finds. Folders need no ``__init__.py``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import BenchError

NETWORKS = "models"  # the package of this program's networks
_PROGRAM = "bench"  # never taken for code of a network
_PREFIX = "bench_network_"


@dataclass(frozen=True)
class Folder:
    """A folder of own code. ``whole`` is false for this program's, where only ``models`` is a network's code."""

    path: Path
    whole: bool

    def file(self, name: str) -> Path | None:
        """Return the file of the module ``name`` (a package's ``__init__.py``), or None."""
        top = name.partition(".")[0]
        if not name or top == _PROGRAM or not (self.whole or top == NETWORKS):
            return None
        place = self.path.joinpath(*name.split("."))
        files = (place / "__init__.py", place.with_name(place.name + ".py"))
        return next((file for file in files if file.is_file()), None)

    @property
    def private(self) -> str:
        """The name under which modules of this folder are imported."""
        return _PREFIX + hashlib.sha256(f"{self.path} {self.whole}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Found:
    """A module and its file; ``folder`` is None on the import path, where the code is not a network's own."""

    name: str
    file: Path
    folder: Folder | None

    @property
    def package(self) -> str:
        """The package that its relative imports start from."""
        return self.name if self.file.name == "__init__.py" else self.name.rpartition(".")[0]


def program() -> Path:
    """Return the folder that holds ``bench`` and the ``models`` of this program."""
    return Path(__file__).resolve().parent.parent


def folders(base: Path | None) -> tuple[Folder, ...]:
    """Return where own code is looked for, in this order; ``base`` is the folder of the experiments file."""
    own = () if base is None else (Folder(base.resolve(), True),)
    return own if own and own[0].path == program() else (*own, Folder(program(), False))


def find(name: str, base: Path | None) -> Found | None:
    """Return the module ``name``: beside the experiments file, of this program, else on the import path."""
    own = _own(name, folders(base))
    if own is not None or name.partition(".")[0] == NETWORKS:
        return own
    file = _on_path(name)
    return None if file is None else Found(name, file, None)


def imported(tree: ast.Module, found: Found) -> Iterator[Found]:
    """Yield the own modules that the file of ``found`` may import, also inside functions.

    Of a module on the import path these are those of its own top-level package.
    """
    for node in ast.walk(tree):
        for name in _names(node, found.package):
            other = _seen_from(name, found)
            if other is not None:
                yield other


def parents(found: Found) -> Iterator[Found]:
    """Yield the package around a module: its ``__init__.py`` in the same folder, where there is one."""
    name = found.name.rpartition(".")[0]
    file = _on_path(name) if found.folder is None else found.folder.file(name)
    if file is not None:
        yield Found(name, file, found.folder)


def pair(build: str) -> tuple[str, str]:
    """Return module and function of ``module:function``; ``BenchError`` where the text is no such pair."""
    module, _, function = build.partition(":")
    if not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise BenchError(f"must be module:function, not {build!r}")
    return module, function


def parse(file: Path) -> ast.Module:
    """Return the syntax tree of a file; ``BenchError`` with its line where it is no Python."""
    try:
        return ast.parse(file.read_bytes())
    except SyntaxError as error:
        raise BenchError(f"not Python: {error.msg}", file=file, line=error.lineno) from None
    except (OSError, ValueError) as error:
        raise BenchError(f"cannot be read ({error})", file=file) from None


def load(name: str, base: Path | None) -> ModuleType:
    """Import and return the module ``name``; own code under its private name.

    Raises:
        BenchError: there is no such module.
    """
    found = find(name, base)
    if found is None:
        raise BenchError(f"no module {name}")
    if found.folder is None:
        return importlib.import_module(name)
    return importlib.import_module(_private(found.folder, name))


# --- looking ---


def _own(name: str, places: Sequence[Folder]) -> Found | None:
    for folder in places:
        file = folder.file(name)
        if file is not None:
            return Found(name, file, folder)
    return None


def _seen_from(name: str, found: Found) -> Found | None:
    """Return the own module that ``name`` means in the file of ``found``."""
    if found.folder is not None:
        return _own(name, folders(found.folder.path if found.folder.whole else None))
    if name.partition(".")[0] != found.name.partition(".")[0]:
        return None
    file = _on_path(name)
    return None if file is None else Found(name, file, None)


def _on_path(name: str) -> Path | None:
    """Return the source file that ``import name`` would read, without importing anything."""
    top, *rest = name.split(".")
    if not top:
        return None
    try:
        spec = importlib.util.find_spec(top)  # asks the finders of editable installations too
    except (ImportError, ValueError):
        return None
    whole = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        whole = f"{whole}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(whole, list(spec.submodule_search_locations))
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _names(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the full names that an import statement may mean as modules."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = _origin(node, package)
        yield origin
        yield from (_join(origin, alias.name) for alias in node.names)


def _origin(node: ast.ImportFrom, package: str) -> str:
    """Return the full name of the module that a ``from`` statement takes from."""
    if not node.level:
        return node.module or ""
    parents = package.split(".") if package else []
    return _join(*parents[: len(parents) - node.level + 1], node.module or "")


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)


# --- importing ---


def _private(folder: Folder, name: str) -> str:
    """Return the private name of an own module, and let Python find its folder."""
    _FINDER.folders[folder.private] = folder
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
    return _join(folder.private, name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules by their private names."""

    def __init__(self) -> None:
        self.folders: dict[str, Folder] = {}

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        top, _, name = fullname.partition(".")
        folder = self.folders.get(top)
        if folder is None:
            return None
        file = folder.file(name)
        if file is not None:
            inside = [str(file.parent)] if file.name == "__init__.py" else None
            loader = _Loader(fullname, Found(name, file, folder))
            return importlib.util.spec_from_file_location(
                fullname, file, loader=loader, submodule_search_locations=inside
            )
        place = folder.path.joinpath(*name.split(".")) if name else folder.path
        if not place.is_dir():
            return None
        spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(place)]
        return spec


_FINDER = _Finder()


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles own code with its import statements bound; nothing is kept on disk, so nothing stale is read."""

    def __init__(self, fullname: str, found: Found) -> None:
        super().__init__(fullname, str(found.file))
        self.found = found

    def get_code(self, fullname: str) -> Any:
        tree = ast.parse(self.get_data(self.path), filename=self.path)
        bound = ast.fix_missing_locations(_Binding(self.found).visit(tree))
        return compile(bound, self.path, "exec", dont_inherit=True)


class _Binding(ast.NodeTransformer):
    """Writes the private names of own modules into the import statements of one file."""

    def __init__(self, found: Found) -> None:
        self.found = found

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for alias in node.names:
            private = self._prefix(alias.name)
            if private is None:
                names = [alias]
            elif alias.asname:
                names = [ast.alias(_join(private, alias.name), alias.asname)]
            else:  # ``import a.b`` binds ``a``
                top = alias.name.partition(".")[0]
                names = [ast.alias(_join(private, alias.name), None), ast.alias(_join(private, top), top)]
            made += [ast.copy_location(ast.Import([name]), node) for name in names]
        return made

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        origin, made = _origin(node, self.found.package), []
        for alias in node.names:
            private = self._prefix(_join(origin, alias.name)) or self._prefix(origin)
            changed = (
                ast.ImportFrom(node.module, [alias], node.level)
                if private is None
                else ast.ImportFrom(_join(private, origin), [alias], 0)
            )
            made.append(ast.copy_location(changed, node))
        return made

    def _prefix(self, name: str) -> str | None:
        other = _seen_from(name, self.found)
        return None if other is None or other.folder is None else _private(other.folder, "")
