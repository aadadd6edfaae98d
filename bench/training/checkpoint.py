"""The saved state of a training: all that the rest of it depends on. NumPy only."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import atomic
from bench.errors import BenchError

Weights = list[np.ndarray]
STATE_SCHEMA = 3
_GROUPS = ("weights", "optimizer", "best", "random", "loss")
_VALUES = ("seed", "best_epoch", "history", "updates", "seconds", "threads")
_ANEW = "run with --force to start anew"


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

    def save(self, path: Path) -> None:
        """Write the state; the previous one stays until this one is whole."""
        meta = {"schema": STATE_SCHEMA, **{name: getattr(self, name) for name in _VALUES}}
        arrays: dict[str, Any] = {
            f"{group}_{index:04d}": value
            for group in _GROUPS
            for index, value in enumerate(getattr(self, group))
        }
        with atomic.replace_with(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)

    def fits(self, fresh: State) -> bool:
        """Return whether all arrays have the shapes of those of ``fresh``, a state of the same network."""
        groups = ("weights", "optimizer", "best", "random")
        ours, theirs = ([[v.shape for v in getattr(s, group)] for group in groups] for s in (self, fresh))
        return ours == theirs


def load_state(path: Path) -> State | None:
    """Return the saved state, or None where there is none.

    Raises:
        BenchError: the file is broken or of another schema.
    """
    if not path.exists():
        return None
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            meta = json.loads(bytes(file["meta"]))
            groups: dict[str, Weights] = {group: [] for group in _GROUPS}
            for name in sorted(set(file.files) - {"meta"}, key=_place):
                groups[name.rpartition("_")[0]].append(file[name])
            if meta["schema"] != STATE_SCHEMA:
                raise BenchError(
                    f"saved state of schema {meta['schema']}, not {STATE_SCHEMA}", file=path, remedy=_ANEW
                )
            values: dict[str, Any] = {**groups, **{name: meta[name] for name in _VALUES}}
            return State(**values)
    except (*atomic.DAMAGED, TypeError) as error:
        raise BenchError(f"broken checkpoint ({error})", file=path, remedy=_ANEW) from None


def saved_threads(path: Path) -> int | None:
    """Return the threads of the saved state; None where there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return int(json.loads(bytes(file["meta"]))["threads"]) or None
    except (*atomic.DAMAGED, TypeError):
        return None


def saved_updates(path: Path) -> int | None:
    """Return how many updates a saved state stands after; None where there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return int(json.loads(bytes(file["meta"]))["updates"])
    except (*atomic.DAMAGED, TypeError):
        return None


def _place(name: str) -> tuple[str, int]:
    """Return group and index: as text, the ten thousandth array would stand before the second."""
    group, _, index = name.rpartition("_")
    return group, int(index)
