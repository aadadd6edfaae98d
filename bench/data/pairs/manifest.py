"""The manifest of a folder of the pair cache: which arrays lie in it, byte for byte, and where they come from.

``FOLDER/manifest.json`` holds the SHA-256 of every array, the source with its files, geometry, seeds and
versions, and the (patient, slice) of every row, the same for all arrays. It is written after the arrays it
names; an array that it does not name, or whose bytes are others, is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench import atomic
from bench.config import schema
from bench.data.pairs import proofs
from bench.errors import BenchError

NAME = "manifest.json"

SliceName = tuple[str, str]  # patient, slice


class Entry(schema.Frozen):
    """One array: its content in words, its size as a file, the SHA-256 of its values."""

    content: dict[str, str]
    file_bytes: int
    sha256: str  # of the array's bytes, without the header of the file


class Manifest(schema.Frozen):
    """What the arrays of one folder have in common, and an entry for each by its file name.

    ``shape`` is (rows, n, n); ``identity`` what the folder's name stands for besides the slices; ``files``
    the SHA-256 of each file of the source.
    """

    schema_version: int = 1
    identity: dict[str, Any]
    source: dict[str, Any]
    versions: dict[str, Any]
    shape: tuple[int, int, int]
    patients: tuple[str, ...]
    slices: tuple[str, ...]
    pixel_cm: tuple[float | None, ...]  # None: the source does not say
    files: dict[str, str]
    lesions: tuple[
        dict[str, str | float], ...
    ] = ()  # what is known to lie in the slices, for task-based scores
    arrays: dict[str, Entry]

    @property
    def names(self) -> tuple[SliceName, ...]:
        """The (patient, slice) of each row."""
        return tuple(zip(self.patients, self.slices, strict=True))

    def whole_in(self, folder: Path) -> dict[str, Entry]:
        """Return the arrays that lie in ``folder`` with their size, by file name."""
        return {name: one for name, one in self.arrays.items() if _size(folder / name) == one.file_bytes}

    def changed(self, **fields: Any) -> Manifest:
        """Return a copy with other values of some fields."""
        return self.model_copy(update=fields)


def read(folder: Path) -> Manifest | None:
    """Return the manifest of ``folder``; None where there is none or it is damaged: nothing there counts.

    Raises:
        BenchError: it may not be read.
    """
    path = folder / NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None
    except OSError as error:
        raise BenchError(f"cannot be read ({error.strerror})", file=path) from None


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of ``folder`` in one step, arrays in the order of their names."""
    ordered = manifest.changed(arrays=dict(sorted(manifest.arrays.items())))
    atomic.write_json(folder / NAME, ordered.model_dump(mode="json"))


def whole(folder: Path) -> dict[str, Entry]:
    """Return the arrays of ``folder`` that the manifest names and that have their size, by file name."""
    manifest = read(folder)
    return {} if manifest is None else manifest.whole_in(folder)


def is_sound(array: Path, manifest: Manifest) -> bool:
    """Return whether the file holds the very bytes that its entry states; they are read unless a proof fits it."""
    entry, count = manifest.arrays[array.name], 4
    for side in manifest.shape:
        count *= side
    if _size(array) != entry.file_bytes:
        return False
    return proofs.sha256_of_values(array, entry.file_bytes - count) == entry.sha256


def forget(folder: Path, names: Iterable[str]) -> None:
    """Take arrays out of the manifest and off the disk, so that they are built anew; under the folder's lock."""
    manifest, gone = read(folder), set(names)
    if manifest is not None and gone & manifest.arrays.keys():
        kept = {name: entry for name, entry in manifest.arrays.items() if name not in gone}
        write(folder, manifest.changed(arrays=kept))
    for name in gone:
        (folder / name).unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return -1
    except OSError as error:
        raise BenchError(f"cannot be read ({error.strerror})", file=path) from None
