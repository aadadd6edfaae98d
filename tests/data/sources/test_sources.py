"""Folders of .npz, .npy and .flt files and the phantom. Oracles: files written here, values by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.config import schema
from bench.data.sources.open import open_source
from bench.data.sources.phantom import PhantomSlices
from bench.data.sources.source import SliceSource, paired, projectable
from bench.errors import BenchError

SIDE = 8


def source_of(folder: Path, kind: str, **keys: Any) -> SliceSource:
    made = schema.FolderSource(kind=kind, path=str(folder), matrix=keys.pop("matrix", SIDE), **keys)
    return open_source("mine", made, base=folder, index_cache=None)


def write_npz(path: Path, patient: str = "A", count: int = 2, side: int = SIDE, seed: int = 0) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    hu = np.random.default_rng(seed).integers(-1024, 1500, (count, side, side)).astype(np.int16)
    np.savez_compressed(
        path,
        hu=hu,
        z_mm=np.arange(count, dtype=np.float32) * 5 + seed,
        pixel_spacing_mm=np.full((count, 2), 0.7, np.float32),
        instance_number=np.arange(count, 0, -1).astype(np.int32),
        patient_id=patient,
    )
    return hu


def test_npz_two_reconstructions_are_one_patient(tmp_path: Path) -> None:
    for name, patient, seed in (("soft", "A", 0), ("sharp", "A", 1), ("other", "B", 2)):
        write_npz(tmp_path / f"{name}.npz", patient, seed=seed)
    found = source_of(tmp_path, "npz").catalogue()
    assert [(ref.patient, ref.name, ref.z_mm) for ref in found.refs] == [
        ("A", "soft/2", 0.0),
        ("A", "sharp/2", 1.0),
        ("A", "soft/1", 5.0),
        ("A", "sharp/1", 6.0),
        ("B", "other/2", 2.0),
        ("B", "other/1", 7.0),
    ]
    assert (found.source, found.kind, found.patients_known, found.patients) == (
        "mine",
        "npz",
        True,
        ("A", "B"),
    )


def test_npz_object_and_reference(tmp_path: Path) -> None:
    hu = write_npz(tmp_path / "a.npz")
    mu = np.maximum(0, 0.2 * (1 + hu / 1000.0))
    source = source_of(tmp_path, "npz")
    ref = source.catalogue().refs[1]
    fine, reference, pixel_cm = source.object(ref, SIDE)
    assert (fine.dtype, reference.dtype, pixel_cm) == (np.float32, np.float32, pytest.approx(0.07))
    np.testing.assert_allclose(reference, mu[1], rtol=1e-5, atol=1e-8)
    assert fine.shape == (2 * SIDE, 2 * SIDE)
    assert fine.mean() == pytest.approx(reference.mean(), rel=0.05)
    fine, reference, pixel_cm = source.object(ref, 2)
    np.testing.assert_allclose(reference, mu[1].reshape(2, 4, 2, 4).mean((1, 3)), rtol=1e-5)
    np.testing.assert_allclose(fine, mu[1].reshape(4, 2, 4, 2).mean((1, 3)), rtol=1e-5)
    assert pixel_cm == pytest.approx(0.28)
    fine, reference, pixel_cm = source.object(ref, 3)  # 3 does not divide 8
    np.testing.assert_allclose(reference, fine.reshape(3, 2, 3, 2).mean((1, 3)), rtol=1e-6)
    assert pixel_cm == pytest.approx(0.07 * 8 / 3)


def test_many_files_are_read_right_in_any_order(tmp_path: Path) -> None:
    """More files than are held in memory, read in turns."""
    written = {f"{k}.npz": write_npz(tmp_path / f"{k}.npz", f"P{k}", seed=k) for k in range(4)}
    source = source_of(tmp_path, "npz")
    refs = source.catalogue().refs
    for ref in (*refs, *refs[::-1], *refs[::3]):
        expected = np.maximum(0, 0.2 * (1 + written[ref.file][ref.index] / 1000.0))
        np.testing.assert_allclose(source.object(ref, SIDE)[1], expected, rtol=1e-5, atol=1e-8)


def test_npy_in_patient_folders(tmp_path: Path) -> None:
    for patient, name, shape in (
        ("A", "s2", (SIDE, SIDE)),
        ("A", "s10", (SIDE, SIDE)),
        ("B", "v", (2, SIDE, SIDE)),
    ):
        (tmp_path / patient).mkdir(exist_ok=True)
        np.save(tmp_path / patient / f"{name}.npy", np.full(shape, 0.02))
    source = source_of(tmp_path, "npy", unit="1/mm", pixel_mm=0.5)
    names = [(ref.patient, ref.name) for ref in source.catalogue().refs]
    assert names == [("A", "A/s2"), ("A", "A/s10"), ("B", "B/v/0000"), ("B", "B/v/0001")]
    _, reference, pixel_cm = source.object(source.catalogue().refs[3], SIDE)
    np.testing.assert_allclose(reference, 0.2, rtol=1e-6)
    assert pixel_cm == pytest.approx(0.05)


def test_flt_with_a_table_of_patients(tmp_path: Path) -> None:
    image = np.linspace(0, 0.5, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    for name in ("1.flt", "2.flt"):
        image.ravel(order="F").tofile(tmp_path / name)
    (tmp_path / "who.csv").write_text("file,patient\n1.flt,A\n2.flt,B\n")
    source = source_of(tmp_path, "flt", unit="1/cm", pixel_mm=1.0, patients="who.csv")
    assert [(ref.patient, ref.name) for ref in source.catalogue().refs] == [("A", "1"), ("B", "2")]
    np.testing.assert_allclose(source.object(source.catalogue().refs[0], SIDE)[1], image, rtol=1e-6)


def test_without_patients_both_remedies_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((SIDE, SIDE)))
    with pytest.raises(
        BenchError, match=r"a\.npy: nothing says whose.*folder of its own, or write patients\.csv"
    ):
        source_of(tmp_path, "npy", pixel_mm=1.0).catalogue()


def test_without_spacing_the_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    np.save(tmp_path / "A" / "a.npy", np.zeros((SIDE, SIDE)))
    with pytest.raises(BenchError, match="does not say the pixel spacing; give pixel_mm"):
        source_of(tmp_path, "npy").catalogue()


def test_crops_are_refused_by_name_and_shape(tmp_path: Path) -> None:
    write_npz(tmp_path / "whole.npz")
    write_npz(tmp_path / "sub" / "cut.npz", side=5)
    write_npz(tmp_path / "sub" / "dot.npz", side=3)
    with pytest.raises(BenchError, match=r"cut\.npz: 5 x 5 pixels, not 8 x 8: crops .*\(and 1 more files\)"):
        source_of(tmp_path, "npz").catalogue()


def test_a_missing_folder_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"gone: no such folder; ask the archive"):
        source_of(tmp_path / "gone", "npz", obtain="ask the archive").catalogue()
    with pytest.raises(BenchError, match=r"holds no npz files; ask the archive"):
        source_of(tmp_path, "npz", obtain="ask the archive").catalogue()


def test_a_relative_path_starts_at_base(tmp_path: Path) -> None:
    write_npz(tmp_path / "in" / "a.npz")
    made = schema.FolderSource(kind="npz", path="in", matrix=SIDE)
    assert len(open_source("x", made, base=tmp_path, index_cache=None).catalogue().refs) == 2


def test_fingerprint_follows_content_names_and_meaning(tmp_path: Path) -> None:
    write_npz(tmp_path / "a" / "x.npz")
    first = source_of(tmp_path / "a", "npz").catalogue().fingerprint
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.npz").write_bytes((tmp_path / "a" / "x.npz").read_bytes())
    (tmp_path / "b" / "notes.txt").write_text("not a slice")
    assert source_of(tmp_path / "b", "npz").catalogue().fingerprint == first
    other = source_of(tmp_path / "a", "npz", unit="1/cm", accept=("beyond_range",))
    assert other.catalogue().fingerprint != first
    (tmp_path / "b" / "x.npz").rename(tmp_path / "b" / "y.npz")
    assert source_of(tmp_path / "b", "npz").catalogue().fingerprint != first
    write_npz(tmp_path / "a" / "x.npz", seed=1)
    assert source_of(tmp_path / "a", "npz").catalogue().fingerprint != first


def test_pairs_and_objects_are_not_confused(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz")
    source = source_of(tmp_path, "npz")
    assert source.conditions == ()
    assert projectable(source) is source
    with pytest.raises(BenchError, match="mine holds no pairs; project its slices"):
        paired(source)


def test_phantom_object_reference_and_names(tmp_path: Path) -> None:
    source = open_source(
        "p", schema.PhantomSource(kind="phantom", patients=2, slices=3), base=tmp_path, index_cache=None
    )
    found = source.catalogue()
    assert [ref.name for ref in found.refs] == ["z000", "z001", "z002"] * 2
    assert len(found.patients) == 2
    heights = [ref.z_mm for ref in found.refs[:3]]
    assert heights == sorted(heights)
    fine, reference, pixel_cm = source.object(found.refs[1], 32)
    assert (fine.shape, reference.shape) == ((64, 64), (32, 32))
    means = (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) / 4
    np.testing.assert_allclose(reference, means, rtol=1e-6)
    assert fine.min() >= 0
    assert 0.1 < reference.max() < 1.0
    assert pixel_cm == pytest.approx(found.refs[1].pixel_mm * 512 / 32 / 10)
    np.testing.assert_array_equal(source.object(found.refs[1], 32)[0], fine)


def test_phantom_lesions_lie_where_the_rows_say(tmp_path: Path) -> None:
    """Every row is plain JSON, and at its pixel the reference is as bright as the row says."""
    asked = schema.PhantomSource(kind="phantom", patients=2, slices=80)
    source = open_source("p", asked, base=tmp_path, index_cache=None)
    assert isinstance(source, PhantomSlices)
    refs = {(ref.patient, ref.name): ref for ref in source.catalogue().refs}
    rows = source.lesions(refs.values(), 128)
    assert json.loads(json.dumps(rows)) == rows
    assert len(rows) > 0.9 * sum(map(len, source.nodules().values()))  # 80 slices lie 4 mm apart
    solid = [r for r in rows if r["kind"] == "solid" and float(r["slice_diameter_mm"]) > 8.0]
    assert len(solid) >= 2
    for row in solid:
        ref = refs[str(row["patient"]), str(row["slice"])]
        assert abs(ref.z_mm - float(row["z_mm"])) < 2.5
        _, reference, _ = source.object(ref, 128)
        there = reference[round(float(row["y_px"])), round(float(row["x_px"]))]
        assert 1000.0 * (there / 0.2 - 1.0) == pytest.approx(float(row["hu"]), abs=40.0)
    assert source.lesions([], 128) == []


def test_phantom_fingerprint_follows_its_parameters(tmp_path: Path) -> None:
    prints = {
        open_source("p", schema.PhantomSource(kind="phantom", **keys), base=tmp_path, index_cache=None)
        .catalogue()
        .fingerprint
        for keys in (
            {"patients": 2, "slices": 2},
            {"patients": 2, "slices": 3},
            {"patients": 2, "slices": 2, "seed": 1},
        )
    }
    assert len(prints) == 3


def test_import_is_light() -> None:
    heavy = "{'keras', 'numba', 'pydicom', 'scipy', 'skimage', 'tensorflow'}"
    code = f"import sys, bench.data.sources.open; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_whose_name_is_not_utf8_is_one_line_that_can_be_printed(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz")
    (tmp_path / "a.npz").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.npz"))
    with pytest.raises(BenchError) as caught:
        source_of(tmp_path, "npz").catalogue()
    assert str(caught.value) == f"{tmp_path}/\\xff.npz: its name is not UTF-8; rename it"


def test_a_table_of_patients_that_is_not_utf8_says_how_to_save_it(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz")
    (tmp_path / "patients.csv").write_text("file,patient\na.npz,A\n", encoding="utf-16")
    with pytest.raises(BenchError, match=r"patients\.csv: is not UTF-8; save it as CSV in UTF-8$"):
        source_of(tmp_path, "npz").catalogue()
