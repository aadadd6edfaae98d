from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from bench.metrics import METRICS
from bench.records import replaying
from bench.records.record import Record, Rescoring, is_intact
from bench.records.store import CellStore
from tests import records_factory, tiny

NAMES = [("P1", "a"), ("P1", "b")]
HERE = {"numpy": "2", "cpu": "x", "backend": "tensorflow", "device": "CPU", "threads": 1, "jax": "1"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny.planned(tmp_path_factory.mktemp("plan")).cells[-1]


def ended(folder: Path, planned: Any, **scores: list[float]) -> tuple[CellStore, Record]:
    """Write a finished cell whose other scores are 1 and 2."""
    store = CellStore(folder)
    every = {**{metric: [1.0, 2.0] for metric in METRICS}, **scores}
    store.write_scores(records_factory.scores(NAMES, **every))
    store.write_record(tiny.record_of(planned, environment=HERE, metrics=definitions()))
    record = store.read_record()
    assert record is not None
    return store, record


def definitions() -> dict[str, Any]:
    return {metric: METRICS[metric].definition for metric in tiny.FOUR}


def test_every_byte_of_a_record_is_under_its_seal(tmp_path: Path, planned: Any) -> None:
    """One bit, at every place: the text does not read, or its seal does not fit."""
    store, _ = ended(tmp_path, planned)
    path = store.folder / "record.json"
    whole = path.read_bytes()
    assert is_intact(whole.decode())
    assert replaying.inspect(store).faults == ()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 7
        try:
            intact = is_intact(changed.decode())
        except ValueError:
            continue  # no JSON, or no text
        if intact is None:  # the name of the seal itself: then the key is one that no record has
            path.write_bytes(changed)
            assert "seal" not in replaying.inspect(store).faults[0]
            assert "record.json" in replaying.inspect(store).faults[0]
        else:
            assert not intact, place


@pytest.mark.parametrize("cut", [b"\n", b"}\n", b'"\n}\n'])
def test_a_record_that_lost_its_end_is_found(tmp_path: Path, planned: Any, cut: bytes) -> None:
    store, _ = ended(tmp_path, planned)
    path = store.folder / "record.json"
    path.write_bytes(path.read_bytes().removesuffix(cut))
    assert replaying.inspect(store).faults


@pytest.mark.parametrize(
    ("here", "by", "equal"),
    [
        ({}, 0.0, True),
        ({}, 1e-12, False),  # the same processor and libraries: to the last bit
        ({"jax": "2"}, 1e-12, False),  # installed, and not what it ran on
        ({"numpy": "3"}, 1e-12, True),
        ({"numpy": "3"}, 0.9e-4, True),
        ({"numpy": "3"}, 1.1e-4, False),
        ({"device": "NVIDIA A"}, 0.9e-2, True),  # TF32
        ({"device": "NVIDIA A"}, 1.1e-2, False),
    ],
)
def test_a_hair_is_for_another_machine_only(
    tmp_path: Path, planned: Any, here: dict[str, str], by: float, equal: bool
) -> None:
    store, record = ended(tmp_path, planned)
    rows = [{**row, "psnr.slice_max": float(row["psnr.slice_max"]) + by} for row in store.read_scores()]
    found = replaying.compare(store, record, rows, {**HERE, **here})
    assert (found.faults == ()) == equal, found
    if not equal:
        first = f"{store.folder / 'scores.csv'}: P1/a psnr.slice_max: recorded 1.0, replayed {1.0 + by!r}"
        assert (found.faults[0], len(found.faults)) == (first, 2)


def test_the_same_gpu_sums_in_any_order(tmp_path: Path, planned: Any) -> None:
    store, record = ended(tmp_path, planned)
    on_gpu = {**HERE, "device": "NVIDIA A"}
    record = record.model_copy(update={"environment": on_gpu})
    rows = [{**row, "psnr.slice_max": float(row["psnr.slice_max"]) + 1e-6} for row in store.read_scores()]
    found = replaying.compare(store, record, rows, on_gpu)
    assert found.faults == ()
    assert "NVIDIA A sums in any order" in found.words


def test_scores_that_are_no_numbers_are_equal_to_themselves(tmp_path: Path, planned: Any) -> None:
    odd = [math.inf, math.nan]
    store, record = ended(tmp_path, planned, **{"psnr.slice_max": odd})
    rows = store.read_scores()
    assert replaying.compare(store, record, rows, HERE).faults == ()
    swapped = [{**row, "psnr.slice_max": value} for row, value in zip(rows, odd[::-1], strict=True)]
    assert len(replaying.compare(store, record, swapped, {**HERE, "numpy": "3"}).faults) == 2


def test_other_slices_and_another_order_are_named(tmp_path: Path, planned: Any) -> None:
    store, record = ended(tmp_path, planned)
    rows = store.read_scores()
    other = [rows[0], {**rows[1], "slice": "c"}]
    texts = " ".join(replaying.compare(store, record, other, HERE).faults)
    assert "P1/b is recorded and no test slice" in texts
    assert "P1/c is a test slice and not recorded" in texts
    assert "another order" in replaying.compare(store, record, rows[::-1], HERE).faults[0]


def test_a_number_written_otherwise_is_another_byte(tmp_path: Path, planned: Any) -> None:
    store, record = ended(tmp_path, planned)
    path = store.folder / "scores.csv"
    path.write_bytes(path.read_bytes().replace(b"1.0", b"1.00", 1))
    (fault,) = replaying.compare(store, record, store.read_scores(), HERE).faults
    assert fault == f"{path}: its bytes are not those in which its values are written"


def test_a_metric_of_another_version_is_not_held_against_this_program(tmp_path: Path, planned: Any) -> None:
    store, record = ended(tmp_path, planned)
    newer = {**definitions(), "rmse.hu": {**definitions()["rmse.hu"], "version": 9}}
    rows = [{**row, "rmse.hu": 0.0} for row in store.read_scores()]
    found = replaying.compare(store, record.model_copy(update={"metrics": newer}), rows, HERE)
    assert found.faults == ()
    assert found.remarks == ("rmse.hu is not replayed: version 9, this program has version 1",)
    assert found.words.startswith("2 slices x 3 scores")


def test_scores_that_were_added_later_are_of_the_machine_that_added_them(planned: Any) -> None:
    note = Rescoring(at="", metrics=("rmse.hu",), scoring_version=1, environment={"numpy": "9"})
    record = tiny.record_of(planned, environment=HERE, rescored=(note,))
    assert replaying.scored_in(record, "rmse.hu") == {"numpy": "9"}
    assert replaying.scored_in(record, "psnr.slice_max") == HERE
