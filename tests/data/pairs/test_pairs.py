"""What the files of the pair cache are called, and what opening them refuses."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.config import schema
from bench.data.pairs import manifest, pairs
from bench.data.pairs.partial_array import PartialArray
from bench.data.splits import Selection
from bench.errors import BenchError
from bench.plan.acquisition import Acquisition
from tests.data.pairs.few import CONDITIONS, COUNT, GEOMETRY, NOISE_SEED, SIZE, choose, make_refs
from tests.tiny import flip


def acquisition(conditions=CONDITIONS, **changed) -> Acquisition:
    return replace(Acquisition(SIZE, GEOMETRY, conditions, NOISE_SEED), **changed)


def locate(
    cache: Path, selection: Selection, conditions=CONDITIONS, fingerprint: str = "f", **changed
) -> dict[str, pairs.PairFiles]:
    return pairs.locate(cache, fingerprint, selection, acquisition(conditions, **changed))


def test_names_do_not_depend_on_the_split_or_the_order_of_the_slices(tmp_path: Path) -> None:
    refs = make_refs()
    assert locate(tmp_path, choose(refs)) == locate(tmp_path, choose(refs[::-1], train=5, test=9))


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 9},
        {"geometry": schema.Geometry(views=48)},
        {"geometry": schema.Geometry(views=24, filter="hann")},
        {"geometry": schema.Geometry(views=24, reference="fbp")},
        {"geometry": schema.Geometry(views=24, reference_photons=1e6)},
        {"noise_seed": 4},
        {"fingerprint": "g"},
    ],
)
def test_every_setting_renames_the_folder(tmp_path: Path, changed: dict) -> None:
    selection = choose(make_refs())
    before, after = locate(tmp_path, selection), locate(tmp_path, selection, **changed)
    assert before["few"].folder != after["few"].folder


def test_slices_and_physics_rename_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = locate(tmp_path, choose(make_refs()))["few"].folder
    assert locate(tmp_path, choose(make_refs(COUNT - 1)))["few"].folder != before
    moved = [replace(make_refs()[0], patient="P9"), *make_refs()[1:]]
    assert locate(tmp_path, choose(moved))["few"].folder != before
    monkeypatch.setattr("bench.plan.acquisition.PHYSICS_VERSION", 99)
    assert locate(tmp_path, choose(make_refs()))["few"].folder != before


def test_a_changed_condition_renames_its_own_file_only(tmp_path: Path) -> None:
    other = CONDITIONS | {"dim": schema.Condition(photons=2e8, label="ignored")}
    before, after = locate(tmp_path, choose(make_refs())), locate(tmp_path, choose(make_refs()), other)
    assert {name for name in before if before[name] != after[name]} == {"dim"}
    assert before["dim"].folder == after["dim"].folder
    noisier = CONDITIONS | {"dim": schema.Condition(photons=1e8, electronic_noise=5.0)}
    assert locate(tmp_path, choose(make_refs()), noisier)["dim"] not in (before["dim"], after["dim"])
    relabelled = CONDITIONS | {"dim": schema.Condition(photons=1e8, label="another word")}
    assert locate(tmp_path, choose(make_refs()), relabelled) == before


def test_locating_touches_nothing_and_travels_between_processes(tmp_path: Path) -> None:
    files = locate(tmp_path, choose(make_refs()), {"a/../b c": schema.Condition(views=6)})
    assert list(tmp_path.iterdir()) == []
    assert pickle.loads(pickle.dumps(files)) == files
    assert files["a/../b c"].degraded_path.parent == Path(files["a/../b c"].folder)


def test_two_slices_of_one_name_are_refused(tmp_path: Path) -> None:
    refs = make_refs()
    refs[6] = replace(refs[6], patient=refs[1].patient, name=refs[1].name)
    with pytest.raises(BenchError, match="two slices of the name s01"):
        locate(tmp_path, choose(refs))


def store(cache: Path) -> dict[str, pairs.PairFiles]:
    """Write arrays by hand: in row r the reference holds r, the degraded image r + 0.5."""
    selection = choose(make_refs())
    files = locate(cache, selection, {"few": CONDITIONS["few"]})
    names = sorted((ref.patient, ref.name) for ref in selection.refs)
    folder = Path(files["few"].folder)
    folder.mkdir()
    entries = {}
    for path, more in ((files["few"].reference_path, 0.0), (files["few"].degraded_path, 0.5)):
        with PartialArray(path, COUNT, SIZE) as array:
            for row in range(COUNT):
                array.write(
                    row, np.full((SIZE, SIZE), row + more, np.float32), np.nan if row == 2 else row / 10
                )
            entries[path.name] = array.finish({"content": "by hand"})
    described = manifest.Manifest(
        identity={}, source={}, versions={}, shape=(COUNT, SIZE, SIZE), files={}, arrays=entries,
        patients=tuple(patient for patient, _ in names), slices=tuple(name for _, name in names),
        pixel_cm=array.pixel_cm,
    )  # fmt: skip
    manifest.write(folder, described)
    return files


def test_rows_are_found_by_name(tmp_path: Path) -> None:
    files = store(tmp_path)
    refs = make_refs()
    wanted = {"test": [("P4", "s19"), ("P0", "s00")], "train": [(ref.patient, ref.name) for ref in refs[1:4]]}
    opened = pairs.open_pairs(files["few"], wanted)
    # sorted by (patient, slice), each of five patients has four slices: s00 s05 s10 s15, s01 ...
    assert {part: rows.tolist() for part, rows in opened.parts.items()} == {
        "test": [19, 0],
        "train": [4, 8, 12],
    }
    assert opened.part_names("test") == wanted["test"]
    assert opened.reference[opened.parts["train"], 0, 0].tolist() == [4.0, 8.0, 12.0]
    assert opened.degraded[opened.parts["train"], 7, 7].tolist() == [4.5, 8.5, 12.5]
    assert np.isnan(opened.pixel_cm).nonzero()[0].tolist() == [2]


@pytest.mark.parametrize("which", ["reference", "degraded"])
def test_a_changed_byte_is_refused(tmp_path: Path, which: str) -> None:
    files = store(tmp_path)["few"]
    path = getattr(files, f"{which}_path")
    flip(path, -1)
    assert pairs.missing({"few": files}) == []  # the size is right
    with pytest.raises(
        BenchError, match="its bytes have changed since it was built; run the same command again"
    ):
        pairs.open_pairs(files, {})


def test_a_cut_array_is_missing(tmp_path: Path) -> None:
    files = store(tmp_path)
    assert pairs.missing(files) == []
    os.truncate(files["few"].reference_path, 1000)
    assert pairs.missing(files) == ["few"]


def test_an_unfinished_array_cannot_be_finished(tmp_path: Path) -> None:
    with PartialArray(tmp_path / "a.npy", 2, SIZE) as array:
        array.write(1, np.zeros((SIZE, SIZE), np.float32), 0.1)
        with pytest.raises(ValueError, match="not whole"):
            array.finish({})
        with pytest.raises(ValueError, match=r"not \(3, 3\)"):
            array.write(0, np.zeros((3, 3), np.float32), 0.1)
    assert not (tmp_path / "a.npy").exists()
