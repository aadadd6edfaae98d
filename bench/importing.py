"""The code of a network as it was planned: executed from the very bytes whose hash is checked.

An ordinary import reads a file at another time than its hash was taken, and may take a compiled copy that only
has the file's size and time. Here the files are read once; what is hashed is what is executed, now and later.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from bench import provenance
from bench.errors import BenchError
from bench.provenance import Source

HOME = Path(__file__).resolve().parents[1]
_PROGRAM = "bench"  # a network may import it, but it is never loaded twice


class CodeChanged(BenchError):
    """The code of a network is no longer what its cell's id names."""


@dataclass(frozen=True)
class Planned:
    """The code that a cell's id names: ``sha256`` of all of it (empty: any will do) and of each of its ``modules``.

    Modules are looked for in the folder ``base`` first; without one, beside this program.
    """

    base: str = ""
    sha256: str = ""
    modules: Mapping[str, str] = field(default_factory=dict)


ANY = Planned()


def function(build: str, planned: Planned = ANY) -> Any:
    """Return ``module:function``, its module executed anew where any file of it has changed.

    Raises:
        CodeChanged: the code on disk is not the planned one.
        BenchError: a file is not there or is not Python.
        AttributeError, ImportError: and whatever else the module itself raises.
    """
    sources = provenance.code_sources(build, Path(planned.base) if planned.base else HOME)
    if planned.sha256 and provenance.hash_of(sources) != planned.sha256:
        raise _changed(build, sources, planned.modules)
    module, _, name = build.partition(":")
    _FINDER.take(sources)
    return getattr(importlib.import_module(module), name)


def _changed(build: str, sources: Mapping[str, Source], before: Mapping[str, str]) -> CodeChanged:
    now = provenance.module_hashes(sources)
    files = [str(sources[name].file) for name in now if name in before and now[name] != before[name]]
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    what = f"{files[0]}{more} has changed" if files else f"the code of {build} has changed"
    return CodeChanged(f"{what} since the plan was made", remedy="run again")


class _Loader(importlib.machinery.SourceFileLoader):
    """Executes the bytes that were hashed; no compiled copy is read or written."""

    def __init__(self, name: str, source: Source, executed: dict[str, Source]) -> None:
        super().__init__(name, str(source.file))
        self._source, self._executed = source, executed

    def get_code(self, fullname: str) -> CodeType | None:
        self._executed[fullname] = self._source
        code: CodeType = self.source_to_code(self._source.content, self.path)
        return code


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for the modules of the network that was taken last, also when they are imported late."""

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}
        self._executed: dict[str, Source] = {}

    def take(self, sources: Mapping[str, Source]) -> None:
        """Answer for ``sources`` from now on, and forget modules that were executed from other bytes."""
        self._sources = {name: s for name, s in sources.items() if name.partition(".")[0] != _PROGRAM}
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        kept = all(self._executed.get(name) == s for name, s in self._sources.items() if name in sys.modules)
        for name in () if kept else self._sources:
            sys.modules.pop(name, None)
            parent, _, last = name.rpartition(".")
            if last in vars(sys.modules.get(parent, object)):
                delattr(sys.modules[parent], last)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        source = self._sources.get(fullname)
        if source is None:
            return None
        inside = [str(source.file.parent)] if source.file.name == "__init__.py" else None
        loader = _Loader(fullname, source, self._executed)
        return importlib.util.spec_from_file_location(
            fullname, source.file, loader=loader, submodule_search_locations=inside
        )


_FINDER = _Finder()
