"""A module executed from bytes that were read before."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import CodeType

from bench.network_code.locate import ReadFinder


class Loader(importlib.machinery.SourceFileLoader):
    """Executes what was read; no compiled copy is read or written."""

    def __init__(self, fullname: str, file: Path, content: bytes) -> None:
        super().__init__(fullname, str(file))
        self.content = content

    def get_data(self, path: str) -> bytes:
        """Return what was read of the module's own file, and other files as they are."""
        return self.content if path == self.path else super().get_data(path)

    def get_code(self, fullname: str) -> CodeType | None:
        """Return what was read, compiled."""
        code: CodeType = self.source_to_code(self.content, self.path)
        return code


def spec_of(loader: Loader) -> importlib.machinery.ModuleSpec | None:
    """Return what Python needs to know of a module before it is executed."""
    file = Path(loader.path)
    inside = [str(file.parent)] if file.name == "__init__.py" else None
    return importlib.util.spec_from_file_location(
        loader.name, file, loader=loader, submodule_search_locations=inside
    )


def put_first(finder: ReadFinder) -> None:
    """Let Python ask ``finder`` before its own, which would find some of the files too."""
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)
