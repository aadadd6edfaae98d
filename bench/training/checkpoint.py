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
STATE_SCHEMA = 2  # 1 had no ``random``, so it is read as the state of a network without random layers
_GROUPS = ("weights", "optimizer", "best", "random")
_ANEW = "run with --force to start anew"


@dataclass
class State:
    """Weights, optimizer and random layers after the last finished epoch.

    ``best`` are the weights of the best check so far, ``random`` the states of the layers that draw numbers.
    """

    seed: int
    weights: Weights
    optimizer: Weights
    best: Weights
    best_epoch: int | None
    history: list[dict[str, float]]
    random: Weights = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the state; the previous one stays until this one is whole."""
        meta = {
            "schema": STATE_SCHEMA,
            "seed": self.seed,
            "best_epoch": self.best_epoch,
            "history": self.history,
        }
        arrays: dict[str, Any] = {
            f"{group}_{index:04d}": value
            for group in _GROUPS
            for index, value in enumerate(getattr(self, group))
        }
        with atomic.replace_with(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)

    def fits(self, fresh: State) -> bool:
        """Return whether all arrays have the shapes of those of ``fresh``, a state of the same network."""
        ours, theirs = ([[v.shape for v in getattr(s, group)] for group in _GROUPS] for s in (self, fresh))
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
            if meta["schema"] not in (1, STATE_SCHEMA):
                raise BenchError(
                    f"saved state of schema {meta['schema']}, not {STATE_SCHEMA}", file=path, remedy=_ANEW
                )
            return State(meta["seed"], **groups, best_epoch=meta["best_epoch"], history=meta["history"])
    except (*atomic.DAMAGED, TypeError) as error:
        raise BenchError(f"broken checkpoint ({error})", file=path, remedy=_ANEW) from None


def _place(name: str) -> tuple[str, int]:
    """Return group and index: as text, the ten thousandth array would stand before the second."""
    group, _, index = name.rpartition("_")
    return group, int(index)
