"""Pairs on disk. Oracles: files written here with values that name their folder, file and place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.config import schema
from bench.data.sources.stored import StoredPairs
from bench.data.splits import choose
from bench.errors import BenchError
from tests.data import trees

FOLDERS = ("images/ndct", "images/ldct_7e4", "sparseview/sparseview_60")
FILES = ("train/1.flt", "train/2.flt", "train/10.flt", "test/1.flt")


SIDE = 8  # of the slices here, so that tests stay quick


def value(folder: int, file: int, side: int) -> np.ndarray:
    """Return an asymmetric slice whose mean tells folder and file; degraded ones go below 0."""
    ramp = np.arange(side * side, dtype=np.float32).reshape(side, side) / (10 * side * side)
    return (ramp + 0.1 * file + (-0.08 * folder)).astype(np.float32)


def write_study(root: Path, side: int) -> None:
    for f, folder in enumerate(FOLDERS):
        for n, file in enumerate(FILES):
            path = root / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            value(f, n, side).ravel(order="F").tofile(path)


def study(root: Path, **keys: Any) -> StoredPairs:
    whole = {} if "layout" in keys else {"matrix": SIDE}
    return StoredPairs(
        "study",
        trees.pairs({"kind": "pairs", "path": str(root), **whole, **keys}),
        base=root,
        index_cache=None,
    )


def test_study_layout(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    source = study(tmp_path)
    found = source.catalogue()
    assert source.conditions == ("ldct_7e4", "sparseview_60")
    assert [(ref.name, ref.part) for ref in found.refs] == [
        ("test/1", "test"),
        ("train/1", "train"),
        ("train/2", "train"),
        ("train/10", "train"),
    ]
    assert not found.patients_known
    assert found.patients == ("unknown",)


def test_pair_is_the_pair_and_degraded_is_not_clipped(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    source = study(tmp_path)
    for ref in source.catalogue().refs:
        n = FILES.index(ref.file)
        degraded, reference, pixel_cm = source.pair(ref, "sparseview_60", SIDE)
        np.testing.assert_array_equal(degraded, value(2, n, SIDE))
        np.testing.assert_array_equal(reference, value(0, n, SIDE))
        assert pixel_cm == pytest.approx(0.1)
    assert source.pair(source.catalogue().refs[1], "sparseview_60", 8)[0].min() < 0


def test_smaller_pairs_are_local_means(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    source = study(tmp_path, pixel_mm=0.7)
    degraded, reference, pixel_cm = source.pair(source.catalogue().refs[0], "ldct_7e4", 2)
    np.testing.assert_allclose(degraded, value(1, 3, 8).reshape(2, 4, 2, 4).mean((1, 3)), rtol=1e-5)
    np.testing.assert_allclose(reference, value(0, 3, 8).reshape(2, 4, 2, 4).mean((1, 3)), rtol=1e-5)
    assert pixel_cm == pytest.approx(0.28)


def test_study_slices_are_512(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    with pytest.raises(BenchError, match="holds 256 bytes, not 512 x 512 float32"):
        study(tmp_path, matrix=512).catalogue()


def test_a_missing_partner_is_named(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    (tmp_path / "images/ndct/train/2.flt").unlink()
    with pytest.raises(
        BenchError, match=r"images/ndct/train/2\.flt: missing, but its partner is in .*ldct_7e4"
    ):
        study(tmp_path).catalogue()
    write_study(tmp_path, SIDE)
    (tmp_path / "sparseview/sparseview_60/test/1.flt").unlink()
    with pytest.raises(BenchError, match=r"sparseview_60/test/1\.flt: missing, but its partner is in .*ndct"):
        study(tmp_path).catalogue()


def test_unknown_condition_names_what_there_is(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    source = study(tmp_path)
    with pytest.raises(BenchError, match="no slices of condition ldct_1e5; it has ldct_7e4, sparseview_60"):
        source.pair(source.catalogue().refs[0], "ldct_1e5", 8)


def test_missing_layout_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"images/ndct: no such folder; write to the authors"):
        study(tmp_path, obtain="write to the authors").catalogue()


def test_fingerprint_covers_degraded_slices(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    first = study(tmp_path).catalogue().fingerprint
    path = tmp_path / "images/ldct_7e4/test/1.flt"
    value(1, 2, SIDE).ravel(order="F").tofile(path)  # another slice
    assert study(tmp_path).catalogue().fingerprint != first


def test_study_split_keeps_folders_and_a_last_block(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    asked = schema.FolderSplit(validation=0.34)
    (chosen,) = choose(study(tmp_path).catalogue(), asked, schema.Counts()).selections
    names = {part: [ref.name for ref in refs] for part, refs in chosen.parts.items()}
    assert names == {"train": ["train/1", "train/2"], "validation": ["train/10"], "test": ["test/1"]}


def test_study_with_known_patients(tmp_path: Path) -> None:
    write_study(tmp_path, SIDE)
    (tmp_path / "patients.csv").write_text(
        "file,patient\ntrain/1.flt,A\ntrain/2.flt,B\ntrain/10.flt,B\ntest/1.flt,A\n"
    )
    found = study(tmp_path).catalogue()
    assert found.patients_known
    with pytest.raises(BenchError, match="patient A is in train and in test"):
        choose(found, schema.FolderSplit(validation=0.3), schema.Counts())


def test_two_folders_of_arrays(tmp_path: Path) -> None:
    low, full = value(1, 0, 8), value(0, 0, 8)
    for folder, image in (("low", low), ("full", full)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", image)
        np.savez(tmp_path / folder / "b.npz", mu=np.stack([image, image.T]))
    keys = {"layout": "folders", "reference": "full", "degraded": {"mine": "low"}}
    source = study(tmp_path, **keys)
    found = source.catalogue()
    assert [(ref.name, ref.part) for ref in found.refs] == [("a", None), ("b/0000", None), ("b/0001", None)]
    np.testing.assert_array_equal(source.pair(found.refs[2], "mine", 8)[0], low.T)
    np.testing.assert_array_equal(source.pair(found.refs[2], "mine", 8)[1], full.T)
    np.save(tmp_path / "low" / "a.npy", np.zeros((4, 4)))
    with pytest.raises(BenchError, match=r"low/a\.npy: has another shape than its reference"):
        study(tmp_path, **keys).catalogue()


def test_hounsfield_pairs_keep_air_noise_on_the_degraded_side(tmp_path: Path) -> None:
    """-1100 HU is -0.02 per cm: kept in the degraded slice, air in the reference."""
    for folder, last in (("low", 0.0), ("full", 100.0)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", np.array([[-1100.0, 0.0], [1000.0, last]]))
    source = study(tmp_path, unit="HU", layout="folders", reference="full", degraded={"mine": "low"})
    degraded, reference, _ = source.pair(source.catalogue().refs[0], "mine", 2)
    np.testing.assert_allclose(degraded, [[-0.02, 0.2], [0.4, 0.2]], rtol=1e-5)
    np.testing.assert_allclose(reference, [[0, 0.2], [0.4, 0.22]], rtol=1e-5)
