"""An array of the pair cache that is not complete yet: filled row by row, in any order, across interruptions.

Rows are written into ``NAME.partial``; ``NAME.progress`` says which of them are on the disk, each with its
CRC-32. It is written after the rows were flushed, so a row that counts as done is there whatever happened
since; a row of other bytes is not done. Both are ordinary file writes: on a full disk a write to a memory map
would kill the process, where a file write raises.
"""

from __future__ import annotations

import io
import os
import zlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from bench.data.pairs import proofs
from bench.data.pairs.manifest import Entry
from bench.data.pairs.proofs import sha256_of

_MARK = np.dtype([("pixel_cm", "<f8"), ("done", "<u8")])  # 16 bytes: no mark lies across two pages of a disk
_DONE = 1 << 32  # plus the CRC-32 of the row's bytes; 0: not done


class PartialArray:
    """An array (rows, size, size) of float32 at ``path`` that is not whole yet. Use it as a context manager.

    Entering it continues what lies there or starts anew. All methods may raise ``OSError``; what was written
    before a ``flush`` that returned is never lost.
    """

    def __init__(self, path: Path, rows: int, size: int) -> None:
        self.path, self.shape = path, (rows, size, size)
        self.partial = path.with_name(path.name + ".partial")
        self.progress = path.with_name(path.name + ".progress")
        self.header = _header(self.shape)
        self.row_bytes = 4 * size * size
        self.file_bytes = len(self.header) + rows * self.row_bytes
        self._marks = np.zeros(rows, _MARK)
        self._written: dict[int, tuple[float, int]] = {}

    @property
    def done(self) -> npt.NDArray[np.bool_]:
        """Which rows are written, (rows,)."""
        # rows not flushed yet count here, where nobody else writes them; after a crash they do not
        done = np.asarray(self._marks["done"] != 0, np.bool_)
        done[list(self._written)] = True
        return done

    def remaining_bytes(self) -> int:
        """Return how many bytes of the disk the array still takes. Nothing is opened or changed."""
        marks = self._read_marks()
        if marks is None:
            return self.file_bytes
        return int(np.count_nonzero(marks["done"] == 0)) * self.row_bytes

    def __enter__(self) -> PartialArray:
        marks = self._read_marks()
        if marks is None:
            self._start()
        elif not self.partial.exists():  # killed after ``finish``, before the manifest named the array
            self.path.replace(self.partial)
        # unbuffered, so that a full disk is an error of the row that is written, not of some later close
        self._file = open(self.partial, "r+b", buffering=0)
        if marks is not None:
            self._marks = marks
            self._unmark_changed_rows()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        # without an error ``finish`` has flushed; after one, another of this flush must not take its place
        if kind is not None:
            with suppress(OSError):
                self.flush()
        self._file.close()

    def write(self, row: int, image: npt.NDArray[np.float32], pixel_cm: float) -> None:
        """Write one row, (size, size); it counts as done after the next ``flush``."""
        if image.shape != self.shape[1:]:
            raise ValueError(f"{self.path.name} holds images of shape {self.shape[1:]}, not {image.shape}")
        self._file.seek(len(self.header) + row * self.row_bytes)
        content = image.astype("<f4").tobytes()
        left = memoryview(content)
        while left:  # an unbuffered write may take a part only
            left = left[self._file.write(left) :]
        self._written[row] = (pixel_cm, _DONE + zlib.crc32(content))

    def flush(self) -> None:
        """Bring the written rows to the disk, then mark them as done."""
        if not self._written:
            return
        # rows first, marks second: after a loss of power a row may lack its mark, never a mark its row
        os.fsync(self._file.fileno())
        for row, mark in self._written.items():
            self._marks[row] = mark
        with open(
            self.progress, "r+b"
        ) as file:  # in place: a new file each time would need space on a full disk
            file.write(self._marks.tobytes())
            file.flush()
            os.fsync(file.fileno())
        self._written.clear()

    @property
    def pixel_cm(self) -> tuple[float | None, ...]:
        """The pixel width of each row in cm; None where the source does not say."""
        widths = (float(width) for width in self._marks["pixel_cm"])
        return tuple(width if np.isfinite(width) else None for width in widths)

    def finish(self, content: dict[str, str]) -> Entry:
        """Give the whole array its name and return its entry for the manifest; ``content`` says what it holds.

        It counts once the manifest names it; call ``forget_progress`` then.
        """
        self.flush()
        if not self.done.all():
            raise ValueError(f"{self.path.name} is not whole yet")
        # the hash is of what the file gives back, and not of what was sent to it
        before = os.fstat(self._file.fileno())
        self._file.seek(len(self.header))
        entry = Entry(content=content, file_bytes=self.file_bytes, sha256=sha256_of(self._file))
        self.partial.replace(self.path)
        proofs.note_renamed(self.path, before, entry.sha256)
        return entry

    def forget_progress(self) -> None:
        """Remove the marks of an array that the manifest names."""
        self.progress.unlink(missing_ok=True)

    def _unmark_changed_rows(self) -> None:
        """Forget the rows whose bytes are not those that were written: they are computed again."""
        # ``flush`` orders rows and marks; this finds rows that a disk or a person has changed since
        for row in np.flatnonzero(self.done):
            self._file.seek(len(self.header) + int(row) * self.row_bytes)
            content = self._file.read(self.row_bytes)
            if self._marks["done"][row] != _DONE + zlib.crc32(content):
                self._marks[row] = (0.0, 0)

    def _read_marks(self) -> npt.NDArray[np.void] | None:
        """Return the marks of an interrupted filling; None where it must start anew."""
        # the array may have its name already and lack its place in the manifest only
        place = self.partial if self.partial.exists() else self.path
        try:
            with open(place, "rb") as file:
                sound = file.read(len(self.header)) == self.header
                sound = sound and os.fstat(file.fileno()).st_size == self.file_bytes
            marks = np.frombuffer(self.progress.read_bytes(), _MARK).copy()
        except (FileNotFoundError, ValueError):
            return None
        return marks if sound and len(marks) == self.shape[0] else None

    def _start(self) -> None:
        self.progress.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        with open(self.partial, "wb") as file:
            file.write(self.header)
            file.truncate(self.file_bytes)  # its whole length at once, so that rows can come in any order
            os.fsync(file.fileno())
        # marks last: without them an array counts as not begun
        self.progress.write_bytes(self._marks.tobytes())


def _header(shape: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
