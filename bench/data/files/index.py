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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import atomic
from bench.errors import BenchError

INDEX_VERSION = 5  # raise it when a scan finds something else in the same bytes

Scan = Callable[[Path], dict[str, Any]]


@dataclass
class FileIndex:
    """Scans and SHA-256 of files; ``place`` is the JSON file, None keeps nothing on disk."""

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

    def look_up(self, kind: str, path: Path, scan: Scan, *, hashed: bool = True) -> dict[str, Any]:
        """Return ``scan(path)`` with the key ``sha256`` added, from memory where the file has not changed.

        Without ``hashed`` that key is left out: another entry of the file has it.

        Raises:
            BenchError: the file cannot be read, or what ``scan`` raises.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise BenchError(f"cannot be read ({error.strerror})", file=path) from None
        key, stamp = f"{kind}:{path.resolve()}", _stamp(status)
        known = self.entries.get(key)
        if known is not None and known.get("stamp") == stamp and isinstance(known.get("scan"), dict):
            return dict(known["scan"])
        found = scan(path)
        if hashed and not found.get("skip"):
            found["sha256"] = sha256(path)
        self.entries[key] = {"stamp": stamp, "scan": found}
        self.changed = True
        return dict(found)

    def save(self) -> None:
        """Write the index if anything was added to it."""
        if self.place is not None and self.changed:
            atomic.write_json(self.place, {"version": INDEX_VERSION, "entries": self.entries})
        self.changed = False


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
