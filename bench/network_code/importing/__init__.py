"""The code of a network as it was planned: executed from the very bytes whose hash is checked, under private names.

An ordinary import reads a file at another time than its hash was taken, and may take a compiled copy that only has
the file's size and time. Here ``hashing.code_sources`` reads each file once; what it has read is what is hashed
and what is executed, now and in late imports.

A folder ``models`` of the user, the ``models`` of this program and any third package of that name must not meet. So
own code (see ``locate``) is imported under a name that stands for its folder and for what was read, and its
statements ``import models.x``, ``from models.x import y`` and ``from . import x`` are bound to the modules that were
read. Code on the import path keeps its names there and is executed anew when a file of it has changed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import BenchError, InputChanged
from bench.network_code import hashing
from bench.network_code.hashing import Sources
from bench.network_code.importing.own import OwnFinder
from bench.network_code.importing.path import PathFinder
from bench.network_code.locate import pair

_OWN, _PATH = OwnFinder(), PathFinder()


class CodeChanged(InputChanged):
    """The code of a network is no longer what its cell's id names."""


@dataclass(frozen=True)
class Planned:
    """The code that a cell's id names: ``sha256`` of all of it (empty: any will do), and of its ``files`` one by one.

    ``base`` is the folder of the experiments file, where modules are looked for first (see ``locate.find``).
    """

    base: str = ""
    sha256: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


ANY = Planned()


def function(build: str, planned: Planned = ANY) -> Any:
    """Return ``module:function`` of the planned code; raises what ``load`` raises."""
    return getattr(load(build, planned), pair(build)[1])


def load(build: str, planned: Planned = ANY) -> ModuleType:
    """Return the module of ``module:function``, executed anew where any file of it has changed.

    Raises:
        CodeChanged: the code on disk is not the planned one.
        BenchError: a file is not there or is not Python.
        AttributeError, ImportError: and whatever else the module itself raises.
    """
    sources = _read(build, planned)
    if planned.sha256 and hashing.hash_of(sources) != planned.sha256:
        raise _changed(build, sources, planned.files)
    first = next(iter(sources))
    if first.folder is None:
        _PATH.take(sources)
        return importlib.import_module(first.name)
    return importlib.import_module(_OWN.take(sources).private(first.folder, first.name))


def _read(build: str, planned: Planned) -> Sources:
    try:
        return hashing.code_sources(build, Path(planned.base) if planned.base else None)
    except BenchError as error:
        if not planned.sha256:
            raise
        message = f"the code of {build} has changed since the plan was made ({error})"
        raise CodeChanged(message, remedy="run again") from None


def _changed(build: str, sources: Sources, before: Mapping[str, str]) -> CodeChanged:
    now = hashing.file_hashes(sources)
    files = [file for file in now if file in before and now[file] != before[file]]
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    what = f"{files[0]}{more} has changed" if files else f"the code of {build} has changed"
    return CodeChanged(f"{what} since the plan was made", remedy="run again")
