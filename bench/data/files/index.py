"""What was found in each file, remembered between runs so that a folder is hashed only once.

An entry is valid while the file's path, size, inode and both of its times (of content, of change) are the
same: the first time can be set back, the other cannot. The whole index can be deleted at any time; a broken
one is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench import atomic
from bench.data.files.file_format import FileFormat
from bench.data.files.scan import FileScan
from bench.data.files.values import Values, measured
from bench.errors import BenchError

INDEX_VERSION = 6  # raise it when a scan finds something else in the same bytes

T = TypeVar("T")
_SCAN = TypeAdapter(FileScan)
_VALUES = TypeAdapter(tuple[Values, ...])


@dataclass
class FileIndex:
    """Scans and SHA-256 of files; ``place`` is the JSON file, None keeps nothing on disk.

    As a context manager it is written at the end, also of a scan that a faulty file has stopped.
    """

    place: Path | None
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: bool = False

    @classmethod
    def open(cls, place: Path | None) -> FileIndex:
        """Return the index at ``place``, empty where there is none or it cannot be used."""
        if place is None:
            return cls(None)
        try:
            value = json.loads(place.read_text(encoding="utf-8"))
            entries = value["entries"] if value["version"] == INDEX_VERSION else {}
            usable = isinstance(entries, dict) and all(isinstance(entry, dict) for entry in entries.values())
        except (OSError, ValueError, KeyError, TypeError):
            return cls(place)
        return cls(place, entries if usable else {})

    def __enter__(self) -> FileIndex:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self.save()

    def scan(self, format: FileFormat, path: Path) -> FileScan:
        """Return the scan of a file with its SHA-256, from memory where the file has not changed.

        Raises:
            BenchError: the file cannot be read, or what the format's scan raises.
        """

        def hashed(path: Path) -> FileScan:
            scan = format.scan(path)
            return scan if scan.no_image is not None else replace(scan, sha256=sha256(path))

        return self._remembered(format.name, path, _SCAN, hashed)

    def values(self, format: FileFormat, unit: str, path: Path, scan: FileScan) -> tuple[Values, ...]:
        """Return the values of every slice of a file in ``unit``; its pixels are read once and they are remembered.

        Raises:
            BenchError: the file cannot be read.
        """
        if scan.values is not None:
            return scan.values
        name = f"values-{unit}-{format.name}"
        return self._remembered(name, path, _VALUES, lambda path: measured(format.slices(path), unit))

    def save(self) -> None:
        """Write the index if anything was added to it."""
        if self.place is not None and self.changed:
            atomic.write_json(self.place, {"version": INDEX_VERSION, "entries": self.entries})
        self.changed = False

    def _remembered(self, name: str, path: Path, form: TypeAdapter[T], read: Callable[[Path], T]) -> T:
        try:
            status = path.stat()
        except OSError as error:
            raise BenchError(f"cannot be read ({error.strerror})", file=path) from None
        key, stamp = f"{name}:{path.resolve()}", _stamp(status)
        entry = self.entries.get(key, {})
        if entry.get("stamp") == stamp:
            with suppress(ValidationError):  # an entry that somebody has changed is read anew
                return form.validate_python(entry.get("found"))
        value = read(path)
        self.entries[key] = {"stamp": stamp, "found": form.dump_python(value, exclude_defaults=True)}
        self.changed = True
        return value


def _stamp(status: os.stat_result) -> list[int]:
    """Return by which numbers a file that was replaced is told from the one before, whoever set its times."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal; ``BenchError`` where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"cannot be read ({error.strerror})", file=path) from None
