"""The import of a network under a private name.

A folder ``models`` of the user, the ``models`` of this program and any third package of that name must not meet. So
own code (see ``modules``) is imported under a name that stands for its folder, and its statements ``import models.x``,
``from models.x import y`` and ``from . import x`` are bound to the modules that ``modules.find`` finds, which are those
that a cell's hash covers. Code on the import path is imported as always.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import BenchError
from bench.modules import Folder, Found, find, join, origin_of, seen_from


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


def _top(folder: Folder) -> str:
    """Return the private name that stands for a folder."""
    return "bench_network_" + hashlib.sha256(f"{folder.path} {folder.whole}".encode()).hexdigest()[:12]


def _private(folder: Folder, name: str) -> str:
    """Return the private name of an own module, and let Python find its folder."""
    _FINDER.folders[_top(folder)] = folder
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(
            0, _FINDER
        )  # Python's own would find the files too, and leave their imports unbound
    return join(_top(folder), name)


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
                names = [ast.alias(join(private, alias.name), alias.asname)]
            else:  # ``import a.b`` binds ``a``
                top = alias.name.partition(".")[0]
                names = [ast.alias(join(private, alias.name), None), ast.alias(join(private, top), top)]
            made += [ast.copy_location(ast.Import([name]), node) for name in names]
        return made

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        origin = origin_of(node, self.found.package)
        made: list[ast.stmt] = []
        for alias in node.names:
            private = self._prefix(join(origin, alias.name)) or self._prefix(origin)
            changed = (
                ast.ImportFrom(node.module, [alias], node.level)
                if private is None
                else ast.ImportFrom(join(private, origin), [alias], 0)
            )
            made.append(ast.copy_location(changed, node))
        return made

    def _prefix(self, name: str) -> str | None:
        other = seen_from(name, self.found)
        return None if other is None or other.folder is None else _private(other.folder, "")
