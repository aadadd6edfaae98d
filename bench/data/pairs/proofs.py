"""Which arrays are known to hold which bytes: a file is hashed once, and again only where it may have changed.

A ``Proof`` is the SHA-256 of a file's values with the file's size, times, inode and device. Every write moves the
time of change (ctime), and no program sets it back. What a proof cannot see is a decay of the medium; therefore a run
begins with a hash of all its arrays, whatever is known (``bench.data.pairs.repair``). Proofs are plain values: a run
gives those it has to its workers, where a file of another stamp (another machine, another disk) is hashed again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

_BLOCK_BYTES = 1 << 22
_TICK_S = 0.02  # the clock of file times moves in steps of up to 10 ms: two changes in one step look like one

Stamp = tuple[int, int, int, int, int]  # size, time of the last write, time of change, inode, device


class Proof(NamedTuple):
    """The SHA-256 of a file's values, and the stamp of the file that they were read from."""

    path: str
    stamp: Stamp
    sha256: str


_known: dict[
    tuple[str, Stamp], str
] = {}  # the SHA-256 of what this process, or the one that started it, has read


def sha256_of_values(array: Path, start: int) -> str:
    """Return the SHA-256 of the bytes of a file from ``start`` on; they are read where no proof fits the file."""
    with open(array, "rb") as file:
        known = _known.get((str(array), _stamp(os.fstat(file.fileno()))))
        if known is not None:
            return known
        _wait_for_next_tick(os.fstat(file.fileno()))
        before = _stamp(os.fstat(file.fileno()))
        file.seek(start)
        sha256 = sha256_of(file)
        if _stamp(os.fstat(file.fileno())) == before:
            _known[str(array), before] = sha256
        return sha256


def sha256_of(file: Any) -> str:
    """Return the SHA-256 in hexadecimal of what is left to read of an open binary file."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def note_renamed(array: Path, before: os.stat_result, sha256: str) -> None:
    """Note the hash of a file that was read at ``before`` and has got its name since, which moved its ctime only."""
    after = array.stat()
    if _but_ctime(before) == _but_ctime(after):
        _known[str(array), _stamp(after)] = sha256


def of(arrays: Iterable[Path]) -> tuple[Proof, ...]:
    """Return the proofs that this process has of ``arrays``, for another process."""
    paths = {str(array) for array in arrays}
    return tuple(Proof(*key, sha256) for key, sha256 in _known.items() if key[0] in paths)


def accept(proofs: Iterable[Proof]) -> None:
    """Take over what another process has read."""
    _known.update(((proof.path, proof.stamp), proof.sha256) for proof in proofs)


def forget(arrays: Iterable[Path]) -> None:
    """Let ``arrays`` be hashed again, changed or not."""
    for proof in of(arrays):
        del _known[proof.path, proof.stamp]


def _stamp(status: os.stat_result) -> Stamp:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


def _but_ctime(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)


def _wait_for_next_tick(status: os.stat_result) -> None:
    """Wait where a file has changed just now: a change during or after the reading then has another ctime."""
    if abs(time.time() - status.st_ctime) < _TICK_S:
        time.sleep(_TICK_S)
