"""The files below a folder, links followed, and a count by kind of whatever is left out."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.data.files.masks import MASK, named_as_mask
from bench.errors import BenchError

Identity = tuple[int, int]  # device and inode: one folder or file, whatever leads to it
FETCH_LOCK = ".fetch-lock"  # held and left by ``bench data fetch``; not counted
SHOWN = 12  # kinds that a text names
_ENDING = re.compile(r"(\.(nii|tar))?\.[a-z][a-z0-9_]{0,9}$")
_SEVERAL = {  # what more than one of a kind is called, where no -s is put behind it
    MASK: "masks",
    "hidden file": "hidden files",
    "hidden folder": "hidden folders",
    "dangling link": "dangling links",
    "link to a folder above": "links to a folder above",
    "link to a folder already read": "links to folders already read",
    "file without an ending": "files without an ending",
    "special file": "special files",
    "file in neither train nor test": "files in neither train nor test",
    "file in a folder of no dose": "files in folders of no dose",
    "file in a folder that the source does not name": "files in folders that the source does not name",
}


@dataclass
class Listing:
    """The files of a folder, relative to it and sorted, and how many others there are of each kind."""

    files: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def list_files(
    folder: Path, suffixes: Iterable[str] | None, *, apart: Iterable[Path | None] = (), masks: bool = False
) -> Listing:
    """Return the files below ``folder`` whose names end in one of ``suffixes`` (None: in anything).

    Links to folders are followed; a folder to which several ways lead is read once, and a link that leads back
    to a folder above is not followed. Hidden files and other endings are counted, not returned; so is, without
    ``masks``, what is named as a mask. ``apart`` are files and folders that are read otherwise: not counted.

    Raises:
        BenchError: a folder cannot be read, or a name is not UTF-8, so that no table could hold it.
    """
    ends = None if suffixes is None else tuple(suffixes)
    listing = Listing()
    elsewhere = {one for path in apart if path and (one := _identity(path))}
    if _identity(folder) in elsewhere:
        return listing
    for relative, kind in _Walk(folder, elsewhere):
        if kind is not None:
            listing.skipped[kind] += 1
        elif ends is not None and not relative.lower().endswith(ends):
            listing.skipped[kind_of_name(relative)] += 1
        elif ends is not None and not masks and named_as_mask(relative):
            listing.skipped[MASK] += 1
        else:
            listing.files.append(_utf8(relative, folder))
    listing.files.sort()
    return listing


def kind_of_name(relative: str) -> str:
    """Return by its ending what kind of file this is, e.g. ``.txt``; numbers and UIDs are no endings."""
    ending = _ENDING.search(PurePosixPath(relative).name.lower())
    return ending[0] if ending else "file without an ending"


def told(skipped: Mapping[str, int]) -> str:
    """Return a count by kind as text, the most frequent first: ``3 .txt, 1 dangling link``."""
    ordered = sorted(skipped.items(), key=lambda one: (-one[1], one[0]))
    texts = [f"{n} {kind if n == 1 else _SEVERAL.get(kind, kind)}" for kind, n in ordered[:SHOWN]]
    rest = ordered[SHOWN:]
    more = [f"{sum(n for _, n in rest)} files of {len(rest)} other kinds"] if rest else []
    return ", ".join([*texts, *more])


class _Walk:
    """The way through a folder: each real folder once, then what links lead to."""

    def __init__(self, folder: Path, apart: set[Identity]) -> None:
        self._root, self._apart = folder.resolve(), apart
        self._seen = {_identity(folder)}
        self._rooms = [(folder, "")]  # to be read, each with what stands before its names
        self._links: list[tuple[str, Path]] = []  # to folders; real folders come first

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        """Yield the relative path of each file, with the kind of what is left out, else None."""
        while self._rooms or self._links:
            if not self._rooms:
                relative, path = self._links.pop(0)
                above = self._root.is_relative_to(path.resolve())
                reason = "link to a folder above" if above else self._enter(relative, path)
                if reason:
                    yield relative, reason
                continue
            room, prefix = self._rooms.pop()
            for entry in _entries(room):
                yield from self._entry(entry, prefix + entry.name)
            self._links.sort()

    def _entry(self, entry: os.DirEntry[str], relative: str) -> Iterator[tuple[str, str | None]]:
        path = Path(entry.path)
        identity = _identity(path)
        if identity is None and not entry.is_symlink():
            raise BenchError("cannot be read", file=path)
        if identity in self._apart or entry.name.startswith(FETCH_LOCK):
            return
        if entry.name.startswith("."):
            yield relative, "hidden folder" if entry.is_dir() else "hidden file"
        elif identity is None:
            yield relative, "dangling link"
        elif entry.is_dir() and entry.is_symlink():
            self._links.append((relative, path))
        elif entry.is_dir():
            reason = self._enter(relative, path)
            if reason:
                yield relative, reason
        else:
            yield relative, None if entry.is_file() else "special file"

    def _enter(self, relative: str, path: Path) -> str | None:
        """Note a folder to be read, or return why it is not."""
        identity = _identity(path)
        if identity in self._seen:
            return "link to a folder already read"
        self._seen.add(identity)
        self._rooms.append((path, f"{relative}/"))
        return None


def _entries(room: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(room) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise BenchError(f"cannot be read ({error.strerror})", file=room) from None


def _identity(path: Path) -> Identity | None:
    """Return what a path leads to; None where it leads nowhere."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _utf8(relative: str, folder: Path) -> str:
    printable = os.fsencode(relative).decode("utf-8", "backslashreplace")
    if printable != relative:
        raise BenchError("its name is not UTF-8", file=folder / printable, remedy="rename it")
    return relative
