"""Files that are either whole or absent, room on the disk for them, and one process at a time per folder.

A file is written under a temporary name beside its place, flushed to the disk, renamed over it, and the
folder is flushed: after a crash or ``kill -9`` the old file or the new one is there, never a part. A killed
writer leaves a ``.tmp-`` file behind, which ``remove_leftovers`` clears.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import socket
import struct
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.errors import BenchError

_PREFIX = ".tmp-"
_ELSEWHERE = "name another place (--runs, --cache, --reports, --into)"
SPARE_BYTES = 64 << 20  # what the file system keeps for itself, and the small files beside large ones
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.EROFS: "read-only disk",
    errno.ENOTDIR: "a folder of the path is a file",
    errno.EEXIST: "a folder of the path is a file",
    errno.EISDIR: "it is a folder",
    errno.ENOLCK: "this disk has no file locks",
}
#: What NumPy raises on reading an archive that is cut short, damaged or something else.
DAMAGED = (
    OSError, ValueError, KeyError, EOFError, NotImplementedError, struct.error, zipfile.BadZipFile, zlib.error
)  # fmt: skip
_NO_FOLDER_FLUSH = {errno.EINVAL, errno.ENOTSUP}


@contextmanager
def replace_with(path: Path | str, *, needed_bytes: int = 0, elsewhere: str = _ELSEWHERE) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; on success it takes the place of ``path`` for good.

    The temporary name ends with the full name of ``path``, so writers that look at the suffix agree. The
    block must create the file. Missing folders are made. When the block raises, whatever it wrote is removed
    and the old file stays. ``needed_bytes`` is the expected size, for the text of a full disk.

    Raises:
        BenchError: the disk is full or the folder may not be written; file and remedy are named.
        FileNotFoundError: the block left no file at the temporary path.
    """
    target = Path(path)
    temporary = target.with_name(f"{_PREFIX}{uuid.uuid4().hex[:12]}-{target.name}")
    try:
        with explained(target, temporary, needed_bytes=needed_bytes, elsewhere=elsewhere):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            temporary.replace(target)
            _flush_folder(target.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def replace_folder(path: Path | str, *, needed_bytes: int = 0, elsewhere: str = _ELSEWHERE) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; on success it takes the place of ``path``, all on the disk.

    When the block raises, what it wrote is removed and the old folder stays; a folder cannot replace another
    in one step, so a crash in between may leave none of the two. ``elsewhere`` is what the remedy suggests.

    Raises:
        BenchError: the disk is full or the folder may not be written; file and remedy are named.
    """
    target = Path(path)
    temporary = target.with_name(f"{_PREFIX}{uuid.uuid4().hex[:12]}-{target.name}")
    try:
        with explained(target, temporary, needed_bytes=needed_bytes, elsewhere=elsewhere):
            temporary.mkdir(parents=True)
            yield temporary
            for folder, _, files in os.walk(temporary, topdown=False):
                for file in files:
                    _flush(Path(folder, file))
                _flush_folder(Path(folder))
            old = temporary.with_name(f"{temporary.name}-old")
            if target.exists():
                target.replace(old)
            try:
                temporary.replace(target)
            except OSError:
                if old.exists():
                    old.replace(target)
                raise
            _flush_folder(target.parent)
            with suppress(OSError):  # the new one is in its place; ``remove_leftovers`` tries again
                _remove(old)
    finally:
        with suppress(OSError):
            _remove(temporary)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` as one step.

    Raises:
        BenchError: the disk is full or the folder may not be written.
    """
    with replace_with(path, needed_bytes=len(data)) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, line ends unchanged, as one step.

    Raises:
        BenchError: the disk is full or the folder may not be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as JSON: keys in their own order, indented by two, a line end after the last line.

    Raises:
        BenchError: the disk is full or the folder may not be written.
        ValueError: ``value`` holds NaN or an infinity, which JSON does not have.
        TypeError: ``value`` holds something else that JSON does not have.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    write_text(path, text + "\n")


def remove_leftovers(folder: Path | str) -> int:
    """Remove what killed writers left in ``folder`` (not below it) and return how many.

    Call it under ``lock`` only: a writer at work has such a file too.
    """
    gone = 0
    for path in Path(folder).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it takes up room and does no harm
            _remove(path)
            gone += 1
    return gone


def remove(path: Path | str) -> None:
    """Remove a file, a folder with all that is in it, or a link (what it points to stays); nothing there is no fault.

    Raises:
        BenchError: something of it cannot be removed, and which.
    """
    try:
        _remove(Path(path))
    except OSError as error:
        place = error.filename or path
        message = f"cannot be removed: {error.strerror or error}"
        raise BenchError(message, file=place, remedy="remove it by hand, or give another --runs") from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_space(folder: Path, needed_bytes: int, *, purpose: str, elsewhere: str) -> None:
    """Let a large write begin: its bytes, and some to spare, are free on the disk of ``folder``.

    Args:
        folder: Where it is written; it need not be there yet.
        needed_bytes: What is written.
        purpose: The subject of the message, in the plural: "the pairs".
        elsewhere: The remedy.

    Raises:
        BenchError: less is free.
    """
    folder = folder.absolute()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if needed_bytes + SPARE_BYTES > free:
        message = (
            f"{purpose} need {in_words(needed_bytes)} and {in_words(SPARE_BYTES)} to spare, "
            f"the disk has {in_words(free)} free"
        )
        raise BenchError(message, file=folder, remedy=elsewhere)


def in_words(count: int) -> str:
    """Return a number of bytes in GB or MB (powers of ten)."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


class Busy(BenchError):
    """Another process holds a lock; ``message`` says which process and of which folder."""


@contextmanager
def lock(
    path: Path | str, *, what: Path | None = None, busy: str = "wait for it or give another --runs"
) -> Iterator[None]:
    """Hold the exclusive lock file ``path``; it stands for the use of ``what``, else of the folder that holds it.

    The lock is the kernel's (``flock``), so it ends with the process that holds it, however that dies; the
    file itself stays. ``path`` with ``.owner`` appended says who holds it. A second holder is refused at
    once, in another process and in this one; ``busy`` is the remedy that it is given.

    Raises:
        Busy: another process holds the lock.
        BenchError: the folder may not be written.
    """
    place = Path(path)
    owner = place.with_name(place.name + ".owner")
    held = FileLock(place, blocking=False)
    try:
        with explained(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            held.acquire()
    except Timeout:
        message = f"another bench process{_read_owner(owner)} is using {what or place.parent}"
        raise Busy(message, remedy=busy) from None
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_text(owner, f"pid {os.getpid()} on {socket.gethostname()}, since {since}\n")
        yield
    finally:
        with suppress(OSError):
            owner.unlink()
        held.release()


def _read_owner(owner: Path) -> str:
    """Return `` (pid N on HOST, since T)``, or nothing in the moment before the holder has signed."""
    try:
        return f" ({owner.read_text(encoding='utf-8').strip()})"
    except OSError:
        return ""


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(path: Path) -> None:
    try:
        _flush(path)
    except OSError as error:  # some network disks cannot flush a folder; the rename is done all the same
        if error.errno not in _NO_FOLDER_FLUSH:
            raise


@contextmanager
def explained(
    target: Path, temporary: Path | None = None, *, needed_bytes: int = 0, elsewhere: str = _ELSEWHERE
) -> Iterator[None]:
    """Turn a full disk, or one that may not be written, into one line with a remedy; other errors pass.

    Args:
        target: The file or folder that the block writes.
        temporary: Where it writes it first, if not there at once.
        needed_bytes: What the block still has to write, for the text of a full disk.
        elsewhere: What the remedy suggests.
    """
    try:
        yield
    except OSError as error:
        known = _explain(error, target, temporary or target, needed_bytes, elsewhere)
        if known is None:
            raise
        raise known from error


def _explain(
    error: OSError, target: Path, temporary: Path, needed_bytes: int, elsewhere: str
) -> BenchError | None:
    """Return the one-line form of a full or closed disk; None for other errors and other files."""
    if error.filename is not None:  # filelock reports a relative path as an absolute one
        place = Path(os.fsdecode(error.filename)).absolute()
        ours = {target.absolute(), temporary.absolute(), *target.absolute().parents}
        if place not in ours and temporary.absolute() not in place.parents:
            return None
    if error.errno in _FULL:
        with suppress(OSError):
            needed_bytes = max(needed_bytes, temporary.stat().st_size)
        megabytes = max(1, math.ceil(needed_bytes / 1e6))
        return BenchError("disk full", file=target, remedy=f"free {megabytes} MB or {elsewhere}")
    if error.errno in _FORBIDDEN:
        reason = _FORBIDDEN[error.errno]
        remedy = f"make it writable or {elsewhere}" if error.errno != errno.EISDIR else "name a file"
        return BenchError(f"cannot write: {reason}", file=target, remedy=remedy)
    return None
