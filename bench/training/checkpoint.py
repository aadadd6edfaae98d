"""The saved states of a training, each all that the rest of it depends on: the last and the one before it. NumPy only.

A file of a state ends with the SHA-256 of all before it, so one that a disk has damaged is known before anything of it
is used; ``restored`` then goes back to the one before.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench import atomic
from bench.errors import BenchError

Weights = list[np.ndarray]
SAVE_EVERY_S = 600.0
STATE_SCHEMA = 4
_GROUPS = ("weights", "optimizer", "best", "random", "loss")
_VALUES = ("seed", "best_epoch", "history", "updates", "seconds", "threads", "restarts")
_ANEW = "run with --force to start anew"
_MARK = b"sha256 "
_TRAILER = len(_MARK) + 64


class Damaged(BenchError):
    """A file of a state that is cut short or changed."""


class Stopped(Exception):
    """A training was asked to stop and has saved its state after so many ``updates``; the same call goes on there."""

    def __init__(self, updates: int) -> None:
        super().__init__(updates)
        self.updates = updates


@dataclass
class State:
    """Weights, optimizer and random layers after ``updates`` updates.

    ``best`` are the weights of the best check so far, ``random`` the states of the layers that draw numbers, ``loss``
    the sum and the count of the losses of an epoch that is not finished, ``seconds`` the time it has taken so far.
    ``threads`` are those of the processor that it was trained with: another number gives other last bits.
    """

    seed: int
    weights: Weights
    optimizer: Weights
    best: Weights
    best_epoch: int | None
    history: list[dict[str, float]]
    random: Weights = field(default_factory=list)
    loss: Weights = field(default_factory=list)
    updates: int = 0
    seconds: float = 0.0
    threads: int = 0
    restarts: int = 0  # how often it was set back to its best check

    def save(self, path: Path) -> None:
        """Write the state; the last one becomes the one before it once this one is whole, and is kept."""
        meta = {"schema": STATE_SCHEMA, **{name: getattr(self, name) for name in _VALUES}}
        arrays: dict[str, Any] = {
            f"{group}_{index:04d}": value
            for group in _GROUPS
            for index, value in enumerate(getattr(self, group))
        }
        with atomic.replace_with(path) as temporary, open(temporary, "w+b") as file:
            np.savez(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0, os.SEEK_END)
            file.write(_MARK + digest.encode())  # what follows an archive is passed over by its readers
            file.flush()
            os.fsync(file.fileno())
            if (
                path.exists()
            ):  # a rename, as some disks have no links: for a moment there is the one before only
                path.replace(previous(path))

    def fits(self, fresh: State) -> bool:
        """Return whether all arrays have the shapes of those of ``fresh``, a state of the same network."""
        groups = ("weights", "optimizer", "best", "random")
        ours, theirs = ([[v.shape for v in getattr(s, group)] for group in groups] for s in (self, fresh))
        return ours == theirs


def previous(path: Path) -> Path:
    """Return the file of the state before that of ``path``."""
    return path.with_stem(f"{path.stem}.previous")


def exists(path: Path) -> bool:
    """Return whether there is a saved state, or one before it."""
    return path.exists() or previous(path).exists()


def remove(path: Path) -> None:
    """Remove the saved state and the one before it, the older first."""
    previous(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def restored(path: Path, tell: Callable[[str], None]) -> State | None:
    """Return the saved state, or the one before it where that is damaged; None where there is none.

    A damaged file is removed, and ``tell`` gets a line that says so and where the training goes on.

    Raises:
        BenchError: a file cannot be read, or is of another schema.
    """
    damage = []
    for file in (path, previous(path)):
        try:
            state = load_state(file)
        except Damaged as error:
            damage.append(f"{file.name}: {error.message}")
            continue
        if state is None:
            continue
        if damage:
            file.replace(path)  # else the next save would keep the damaged one as the one before it
            tell(f"{damage[0]}; going on from the state before it, after update {state.updates}")
        return state
    if damage:
        remove(path)
        tell(f"{' and '.join(damage)}; no other state is there, starting anew")
    return None


def load_state(path: Path) -> State | None:
    """Return the state of one file, or None where there is none.

    Raises:
        Damaged: the file is cut short or changed.
        BenchError: it cannot be read, or is of another schema.
    """
    try:
        with open(path, "rb") as stream:
            return _read(stream, path, whole=_is_whole(stream))
    except FileNotFoundError:
        return None
    except OSError as error:
        kind = Damaged if error.errno == errno.EIO else BenchError
        raise kind(f"cannot be read ({error.strerror})", file=path, remedy=_ANEW) from None


def _read(stream: BinaryIO, path: Path, *, whole: bool) -> State:
    try:
        meta = _meta(stream)
        if meta["schema"] != STATE_SCHEMA:
            message = f"saved state of schema {meta['schema']}, not {STATE_SCHEMA}"
            raise BenchError(message, file=path, remedy=_ANEW)
        if not whole:
            raise Damaged("broken checkpoint (its checksum does not fit)", file=path, remedy=_ANEW)
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as file:
            groups: dict[str, Weights] = {group: [] for group in _GROUPS}
            for name in sorted(set(file.files) - {"meta"}, key=_place):
                groups[name.rpartition("_")[0]].append(file[name])
        values: dict[str, Any] = {**groups, **{name: meta[name] for name in _VALUES}}
        return State(**values)
    except BenchError:
        raise
    except Exception as error:  # a damaged archive may raise anything, for one that it is encrypted
        if whole and isinstance(error, MemoryError):
            raise
        raise Damaged(f"broken checkpoint ({error})", file=path, remedy=_ANEW) from None


def saved_threads(path: Path) -> int | None:
    """Return the threads of the saved state or of the one before it; None where no one can be read."""
    return _saved(path, "threads") or None


def saved_updates(path: Path) -> int | None:
    """Return how many updates the saved state or the one before it stands after; None where no one can be read."""
    return _saved(path, "updates")


def _saved(path: Path, name: str) -> int | None:
    for file in (path, previous(path)):
        try:
            with open(file, "rb") as stream:
                return int(_meta(stream)[name])
        except Exception:  # no file, or one that is damaged: ``restored`` says so
            continue
    return None


def _meta(stream: BinaryIO) -> Any:
    """Return what a state says of itself, whether or not the rest of its file is whole."""
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as file:
        return json.loads(bytes(file["meta"]))


def _is_whole(stream: BinaryIO) -> bool:
    """Return whether a file ends with the checksum of all before it."""
    size = stream.seek(0, os.SEEK_END) - _TRAILER
    stream.seek(max(0, size))
    trailer, digest = stream.read(), hashlib.sha256()
    stream.seek(0)
    while size > 0 and (part := stream.read(min(size, 1 << 20))):
        digest.update(part)
        size -= len(part)
    return trailer == _MARK + digest.hexdigest().encode()


def _place(name: str) -> tuple[str, int]:
    """Return group and index: as text, the ten thousandth array would stand before the second."""
    group, _, index = name.rpartition("_")
    return group, int(index)
