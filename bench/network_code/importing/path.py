"""The code of a network on Python's import path: its names stay, and it is executed from what was read."""

from __future__ import annotations

import importlib.machinery
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.environment import LIBRARIES
from bench.network_code.hashing import Sources
from bench.network_code.importing.loader import Loader, put_first, spec_of
from bench.network_code.locate import PROGRAM, ReadFinder

_SHARED = {PROGRAM, *LIBRARIES}  # what this program itself runs on is never loaded twice


class PathFinder(ReadFinder):
    """Answers for the modules of the network on the import path that was taken last, also in late imports."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[Path, bytes]] = {}

    def take(self, sources: Sources) -> None:
        """Answer for ``sources`` from now on, and forget modules that were executed from other bytes."""
        put_first(self)
        self._taken = {
            source.name: (source.file, content)
            for source, content in sources.items()
            if source.name.partition(".")[0] not in _SHARED
        }
        loaded = {name: sys.modules[name] for name in self._taken if name in sys.modules}
        if all(_executed(module) == self._taken[name] for name, module in loaded.items()):
            return
        for name in self._taken:
            sys.modules.pop(name, None)
            parent, _, last = name.rpartition(".")
            if last in vars(sys.modules.get(parent, object)):
                delattr(sys.modules[parent], last)

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module as it was read; None leaves it to Python."""
        one = self._taken.get(fullname)
        return None if one is None else spec_of(Loader(fullname, *one))


def _executed(module: ModuleType) -> tuple[Path, bytes] | None:
    """Return the file and the bytes that a module was executed from, where it was done here."""
    loader = getattr(module.__spec__, "loader", None)
    return (Path(loader.path), loader.content) if isinstance(loader, Loader) else None
