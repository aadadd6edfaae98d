"""A saved state comes back bit for bit, or is refused in one line."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from bench.errors import BenchError
from bench.training import checkpoint
from bench.training.checkpoint import State, load_state, previous, restored
from tests import tiny


@pytest.fixture
def state() -> State:
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(3, 3, 1, 2)).astype(np.float32) for _ in range(12)]
    optimizer = [np.array(7, np.int64), *weights]
    history = [{"epoch": 1, "loss": 0.1 + 0.2, "psnr": math.nan, "psnr_input": -math.inf}]
    random = [np.array([2**31 - 1, 3], np.uint32), np.array([5, 2**40], np.int64)]
    loss = [np.float32(3.5), np.float32(7)]
    best = [w + 1 for w in weights]
    return State(2**31 - 1, weights, optimizer, best, 1, history, random, loss, 7, 1.5, 4)  # type: ignore[arg-type]


def test_bits_types_and_order_come_back(state: State, tmp_path: Path) -> None:
    state.save(tmp_path / "new" / "state.npz")
    found = load_state(tmp_path / "new" / "state.npz")
    assert found is not None
    for group in ("weights", "optimizer", "best", "random", "loss"):
        ours, theirs = getattr(found, group), getattr(state, group)
        assert [(a.dtype, a.shape, a.tobytes()) for a in ours] == [
            (b.dtype, b.shape, b.tobytes()) for b in theirs
        ]
    assert (found.seed, found.best_epoch) == (state.seed, 1)
    assert (found.updates, found.seconds, found.threads) == (7, 1.5, 4)
    assert repr(found.history) == repr(state.history)


def test_more_than_ten_thousand_arrays_keep_their_order(state: State, tmp_path: Path) -> None:
    many = replace(state, optimizer=[np.array(index) for index in range(10_002)])
    many.save(tmp_path / "state.npz")
    found = load_state(tmp_path / "state.npz")
    assert found is not None
    assert [int(value) for value in found.optimizer] == list(range(10_002))


def test_without_a_file_there_is_no_state(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.npz") is None


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_refused(state: State, tmp_path: Path, share: float) -> None:
    path = tmp_path / "state.npz"
    state.save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, "broken checkpoint")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_changed_byte_is_refused(state: State, tmp_path: Path, place: float) -> None:
    path = tmp_path / "state.npz"
    state.save(path)
    data = bytearray(path.read_bytes())
    middle = (
        data.index(state.weights[int(place * 12)].tobytes()) + 5
    )  # between arrays a byte may mean nothing
    data[middle] ^= 0xFF
    path.write_bytes(data)
    refused(path, "broken checkpoint")


def test_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    path.write_text("not an archive")
    refused(path, "broken checkpoint")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 3}, "saved state of schema 3, not 4"),
        ({"schema": None}, "saved state of schema None"),
        ({"-": "seed"}, "broken checkpoint"),
        ({"-": "schema"}, "broken checkpoint"),
        ([], "broken checkpoint"),
    ],
)
def test_another_schema_is_refused(state: State, tmp_path: Path, change: dict | list, says: str) -> None:
    path = tmp_path / "state.npz"
    state.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    meta = json.loads(bytes(arrays["meta"]))
    if isinstance(change, dict):
        meta |= change
        meta.pop(meta.pop("-", ""), None)
    else:
        meta = change
    np.savez(path, **arrays | {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)})
    refused(path, says)


def test_arrays_of_an_unknown_group_are_refused(state: State, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    state.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays, momentum_0000=np.zeros(1))
    refused(path, "broken checkpoint")


def refused(path: Path, says: str) -> None:
    with pytest.raises(BenchError) as caught:
        load_state(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert says in text
    assert "--force" in text
    assert "\n" not in text


def test_a_failed_save_leaves_the_old_state(state: State, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    state.save(path)
    broken = replace(state, seed=1, history=[{"epoch": object()}])  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        broken.save(path)
    found = load_state(path)
    assert found is not None
    assert found.seed == state.seed
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]


def test_a_state_of_another_network_does_not_fit(state: State) -> None:
    assert state.fits(replace(state, history=[]))
    assert not state.fits(replace(state, weights=state.weights[:-1]))
    assert not state.fits(replace(state, optimizer=[np.zeros(2), *state.optimizer[1:]]))
    assert not state.fits(replace(state, random=state.random[:1]))
    assert not state.fits(replace(state, best=[w.ravel() for w in state.best]))


DAMAGE = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "without its checksum": lambda data: data[:-71],
    "zeros at the end": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "zeros": lambda data: bytes(len(data)),
    "another file": lambda data: b"not an archive",
}


def two_states(state: State, path: Path) -> None:
    """Save two states, of 7 and of 8 updates; both are kept, and no other file."""
    state.save(path)
    replace(state, updates=8).save(path)
    assert {file.name for file in path.parent.iterdir()} == {"state.npz", "state.previous.npz"}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_state_costs_the_work_since_the_one_before_it_and_says_so(
    state: State, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path, told = tmp_path / "state.npz", list[str]()
    two_states(state, path)
    path.write_bytes(damage(path.read_bytes()))
    for _ in range(2):  # the second time nothing is damaged any more
        gone_back = restored(path, told.append)
        assert gone_back is not None
        assert gone_back.updates == 7
    (line,) = told
    assert line.startswith("state.npz: broken checkpoint (")
    assert line.endswith("going on from the state before it, after update 7")
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_two_damaged_states_are_removed_and_the_training_starts_anew_and_says_so(
    state: State, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path, told = tmp_path / "state.npz", list[str]()
    two_states(state, path)
    for file in (path, previous(path)):
        file.write_bytes(damage(file.read_bytes()))
    assert checkpoint.saved_threads(path) in (None, 4)
    assert restored(path, told.append) is None
    (line,) = told
    assert "state.npz: " in line
    assert "state.previous.npz: " in line
    assert line.endswith("starting anew")
    assert not checkpoint.exists(path)


def test_every_changed_byte_of_a_state_is_found(state: State, tmp_path: Path) -> None:
    """Also where the archive itself has no checksum: its directory, names, the space between its arrays."""
    path = tmp_path / "state.npz"
    small = replace(state, weights=state.weights[:1], optimizer=[], best=[], random=[], loss=[], history=[])
    small.save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        tiny.flip(path, place)
        with pytest.raises(BenchError):
            load_state(path)
        path.write_bytes(whole)
    assert load_state(path) is not None


def test_between_the_two_renames_of_a_save_the_state_before_is_the_state(
    state: State, tmp_path: Path
) -> None:
    path, told = tmp_path / "state.npz", list[str]()
    two_states(state, path)
    path.replace(previous(path))  # where a kill between them leaves the folder
    assert checkpoint.exists(path)
    assert checkpoint.saved_threads(path) == 4
    found = restored(path, told.append)
    assert found is not None
    assert (found.updates, told) == (8, [])
    checkpoint.remove(path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_while_a_state_is_saved_leaves_both_states_whole(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = tmp_path / "state.npz", list[str]()
    two_states(state, path)

    def full(file: BinaryIO, **arrays: np.ndarray) -> None:
        file.write(bytes(100))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(BenchError, match=r"state.npz: disk full; free \d+ MB or name another place"):
        replace(state, updates=9).save(path)
    assert {file.name for file in tmp_path.iterdir()} == {"state.npz", "state.previous.npz"}
    found = restored(path, told.append)
    assert found is not None
    assert (found.updates, told) == (8, [])
