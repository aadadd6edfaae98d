"""The own code of a network under private names: one for each folder and for what was read of it."""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
from types import CodeType
from typing import Any

from bench.network_code.hashing import Sources
from bench.network_code.importing.loader import Loader, put_first, spec_of
from bench.network_code.locate import NETWORKS, Folder, ModuleFile, ReadFinder, around, join, origin_of


class _Code:
    """What was read of one network's own code, and the private names that stand for it, one for each folder."""

    def __init__(self, sources: Sources) -> None:
        self.files = {
            (source.folder, source.name): (source, text)
            for source, text in sources.items()
            if source.folder is not None
        }
        whole = hashlib.sha256()
        for source, text in self.files.values():
            whole.update(f"{source.file} {source.name} {len(text)} ".encode() + text)
        self._digest = whole.hexdigest()
        self.tops = {self.private(folder, ""): folder for folder, _ in self.files}

    def private(self, folder: Folder, name: str) -> str:
        """Return the private name of a module of ``folder``."""
        text = f"{folder.path} {folder.whole} {self._digest}"
        return join("bench_network_" + hashlib.sha256(text.encode()).hexdigest()[:12], name)

    def seen_from(self, name: str, folder: Folder) -> Folder | None:
        """Return the folder of the own module that ``name`` means in a file of ``folder``, or None."""
        return next((place for place in around(folder) if (place, name) in self.files), None)


class OwnFinder(ReadFinder):
    """Finds own modules by their private names, of every network that was taken, also in late imports."""

    def __init__(self) -> None:
        self._codes: dict[str, _Code] = {}

    def take(self, sources: Sources) -> _Code:
        """Answer for ``sources`` too; unchanged code has its earlier names, so nothing of it is executed again."""
        put_first(self)
        code = _Code(sources)
        for top in code.tops:
            code = self._codes.setdefault(top, code)
        return code

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module as it was read; raises ``ModuleNotFoundError`` for one that was not."""
        top, _, name = fullname.partition(".")
        code = self._codes.get(top)
        if code is None:
            return None
        folder = code.tops[top]
        if (folder, name) in code.files:
            source, content = code.files[folder, name]
            return spec_of(_BindingLoader(fullname, source, content, code))
        if name and not any(place == folder and one.startswith(f"{name}.") for place, one in code.files):
            # Python's own finders would read the file, if there is one, and nobody has hashed it.
            message = f"no module {name} in the code that a cell's id names: only import statements are read"
            raise ModuleNotFoundError(message, name=fullname)
        spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [
            str(folder.path.joinpath(*name.split(".")) if name else folder.path)
        ]
        return spec


class _BindingLoader(Loader):
    """Binds the import statements too."""

    def __init__(self, fullname: str, source: ModuleFile, content: bytes, code: _Code) -> None:
        super().__init__(fullname, source.file, content)
        self._binding = _Binding(source, code)

    def get_code(self, fullname: str) -> CodeType | None:
        tree = self._binding.visit(ast.parse(self.content, filename=self.path))
        code: CodeType = compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)
        return code


class _Binding(ast.NodeTransformer):
    """Writes the private names of own modules into the import statements of one file."""

    def __init__(self, source: ModuleFile, code: _Code) -> None:
        self.source, self.code = source, code

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        for alias in node.names:
            private = self._prefix(alias.name)
            if private is None and _is_network(alias.name):
                statements.append(_missing(alias.name, node))
                continue
            if private is None:
                names = [alias]
            elif alias.asname:
                names = [ast.alias(join(private, alias.name), alias.asname)]
            else:  # ``import a.b`` binds ``a``
                top = alias.name.partition(".")[0]
                names = [ast.alias(join(private, alias.name), None), ast.alias(join(private, top), top)]
            statements += [ast.copy_location(ast.Import([name]), node) for name in names]
        return statements

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        origin = origin_of(node, self.source.package)
        statements: list[ast.stmt] = []
        for alias in node.names:
            private = self._prefix(join(origin, alias.name)) or self._prefix(origin)
            if private is None and _is_network(origin):
                statements.append(_missing(origin, node))
                continue
            changed = (
                ast.ImportFrom(node.module, [alias], node.level)
                if private is None
                else ast.ImportFrom(join(private, origin), [alias], 0)
            )
            statements.append(ast.copy_location(changed, node))
        return statements

    def _prefix(self, name: str) -> str | None:
        assert self.source.folder is not None
        folder = self.code.seen_from(name, self.source.folder)
        return None if folder is None else self.code.private(folder, "")


def _is_network(name: str) -> bool:
    return name.partition(".")[0] == NETWORKS


def _missing(name: str, node: ast.stmt) -> ast.stmt:
    """Return the statement that takes the place of an import of nothing: it must not find somebody else's module."""
    return ast.copy_location(ast.parse(f"raise ModuleNotFoundError({f'no module {name}'!r})").body[0], node)
