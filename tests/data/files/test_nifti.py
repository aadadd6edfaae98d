"""NIfTI volumes. Oracle: every voxel's value tells where in the world it lies, for all 48 orientations."""

from __future__ import annotations

import gzip
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.config import schema
from bench.ct.units import hu_to_mu
from bench.data.files.nifti import read_nifti, scan_nifti
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.folder import FolderFiles
from bench.errors import BenchError

nibabel = pytest.importorskip("nibabel")

SPACING = {"x": 0.8, "y": 0.8, "z": 2.5}
COUNT = {"x": 6, "y": 6, "z": 4}
START = {"x": -30.0, "y": -80.0, "z": 100.0}
ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations("xyz")
    for signs in itertools.product((1, -1), repeat=3)
]


def world_value(x: Any, y: Any, z: Any) -> Any:
    """Return the value at the x-th place from the left, y-th from the back, z-th from the feet."""
    return 100 * x + 10 * y + z - 1024


def volume(order: tuple[str, ...], signs: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return voxels whose first axis runs along ``order[0]``, upwards where its sign is 1, and the affine."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    places = {}
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        row, last = "xyz".index(world), COUNT[world] - 1
        affine[row, axis] = sign * SPACING[world]
        affine[row, 3] = START[world] + (0 if sign > 0 else last * SPACING[world])
        index = np.arange(COUNT[world])[:: 1 if sign > 0 else -1]
        places[world] = index.reshape([-1 if a == axis else 1 for a in range(3)])
    return np.asarray(world_value(**places), np.int16), affine


def save(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


def plain(path: Path, dtype: type = np.int16) -> Path:
    voxels, affine = volume(("x", "y", "z"), (1, 1, 1))
    return save(path, voxels.astype(dtype), affine)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_every_orientation_becomes_front_to_back_and_right_to_left(
    tmp_path: Path, order: tuple[str, ...], signs: tuple[int, ...]
) -> None:
    path = save(tmp_path / "a.nii", *volume(order, signs))
    slices = read_nifti(path)
    z, row, column = np.ogrid[:4, :6, :6]
    expected = world_value(x=5 - column, y=5 - row, z=z)  # x to the right, y to the front
    np.testing.assert_array_equal(slices, expected)
    found = scan_nifti(path, "HU")
    assert [one.z_mm for one in found.slices] == [100.0, 102.5, 105.0, 107.5]
    assert found.slices[0].spacing_mm == pytest.approx([0.8, 0.8])
    assert found.shape == (6, 6)


def test_dicom_and_nifti_of_one_scan_are_equal(tmp_path: Path) -> None:
    """DICOM counts x to the left and y to the back, so both signs of the affine turn."""
    from tests.dicoms import write_ct

    pixels = np.arange(4 * 36).reshape(4, 6, 6).astype(np.int16) - 1100
    for z in range(4):
        write_ct(tmp_path / "dicom" / f"{z}.dcm", pixels[z], number=z + 1, z=2.5 * z, RescaleIntercept=0)
    affine = np.diag([-0.8, -0.8, 2.5, 1])
    save(tmp_path / "nifti" / "P1" / "a.nii.gz", pixels.transpose(2, 1, 0), affine)
    references = []
    for kind in ("dicom", "nifti"):
        source = FolderFiles(
            kind, schema.FolderSource(kind=kind, path=kind, matrix=6), base=tmp_path, index_cache=None
        )  # type: ignore[arg-type]
        found = source.catalogue()
        assert found.patients == ("P1",)
        assert [(ref.z_mm, ref.pixel_mm) for ref in found.refs] == [(2.5 * z, 0.8) for z in range(4)]
        references.append([source.object(ref, 6)[1] for ref in found.refs])
    np.testing.assert_array_equal(*references)
    np.testing.assert_array_equal(references[0][1], hu_to_mu(pixels[1]))


def test_scaled_values_are_read_scaled(tmp_path: Path) -> None:
    voxels, affine = volume(("x", "y", "z"), (-1, -1, 1))
    image = nibabel.Nifti1Image(voxels + 1024, affine)
    image.header.set_slope_inter(1, -1024)
    image.header.set_data_dtype(np.uint16)
    nibabel.save(image, tmp_path / "a.nii")
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii"), voxels.transpose(2, 1, 0))


# --- patients ---


def catalogue(folder: Path, **keys: Any) -> Catalogue:
    source = schema.FolderSource(kind="nifti", path=str(folder), matrix=6, **keys)
    return FolderFiles("scans", source, base=folder, index_cache=None).catalogue()


def test_patient_by_subfolder_table_or_name(tmp_path: Path) -> None:
    plain(tmp_path / "P1" / "a.nii.gz")
    plain(tmp_path / "P2" / "b.nii")
    found = catalogue(tmp_path)
    assert found.patients == ("P1", "P2")
    assert [ref.name for ref in found.refs[::4]] == ["P1/a/0000", "P2/b/0000"]
    (tmp_path / "patients.csv").write_text("file,patient\nP1/a.nii.gz,X\nP2/b.nii,X\n")
    assert catalogue(tmp_path).patients == ("X",)


def test_patient_by_a_rule_for_names(tmp_path: Path) -> None:
    plain(tmp_path / "case-07_ct.nii.gz")
    plain(tmp_path / "case-08_ct.nii.gz")
    with pytest.raises(BenchError, match=r"nothing says whose .*patients\.csv"):
        catalogue(tmp_path)
    found = catalogue(tmp_path, patient_from=r"^case-(\d+)_")
    assert found.patients == ("07", "08")
    assert found.fingerprint != catalogue(tmp_path, patient_from=r"(case-\d+)").fingerprint
    plain(tmp_path / "other.nii")
    with pytest.raises(BenchError, match=r"other\.nii: does not fit patient_from"):
        catalogue(tmp_path, patient_from=r"^case-(\d+)_")


@pytest.mark.parametrize(
    ("rule", "words"), [("case", "has 0 groups"), ("(a)(b)", "has 2 groups"), ("(", "no regular")]
)
def test_a_rule_that_names_nothing(rule: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        schema.FolderSource(kind="nifti", path="x", patient_from=rule)


# --- refused in one line ---


def oblique(path: Path) -> None:
    voxels, affine = volume(("x", "y", "z"), (1, 1, 1))
    angle = np.radians(2)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    save(path, voxels, turn @ affine)


def four_dimensions(path: Path) -> None:
    voxels, affine = volume(("x", "y", "z"), (1, 1, 1))
    save(path, np.stack([voxels, voxels], axis=-1), affine)


def not_numbers(path: Path) -> None:
    save(path, np.zeros((6, 6, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), np.eye(4))


def no_number(path: Path) -> None:
    voxels, affine = volume(("x", "y", "z"), (1, 1, 1))
    values = voxels.astype(np.float32)
    values[0, 0, 0] = np.nan
    save(path, values, affine)


def no_orientation(path: Path) -> None:
    image = nibabel.Nifti1Image(volume(("x", "y", "z"), (1, 1, 1))[0], None)
    image.header["pixdim"][1:4] = 0.8
    nibabel.save(image, path)


def meters(path: Path) -> None:
    image = nibabel.Nifti1Image(*volume(("x", "y", "z"), (1, 1, 1)))
    image.header.set_xyzt_units(xyz="meter")
    nibabel.save(image, path)


def cut(path: Path) -> None:
    plain(path)
    path.write_bytes(path.read_bytes()[:-40])


def no_nifti(path: Path) -> None:
    path.write_bytes(gzip.compress(b"hello") if path.suffix == ".gz" else b"hello")


def flat(path: Path) -> None:
    """A sagittal scan: its axial slices have pixels of 0.8 x 2.5 mm."""
    voxels, _ = volume(("x", "y", "z"), (1, 1, 1))
    save(path, voxels, np.diag([2.5, 0.8, 0.8, 1]))


REFUSED = [
    (oblique, "oblique"),
    (four_dimensions, r"shape \(6, 6, 4, 2\), not one volume"),
    (not_numbers, "not numbers"),
    (no_number, "NaN"),
    (no_orientation, "does not say how the patient lies"),
    (meters, "not in mm"),
    (cut, "cannot be read as NIfTI"),
    (no_nifti, "cannot be read as NIfTI"),
    (flat, "not square pixels"),
]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("write", "words"), REFUSED)
def test_refused_in_one_line(tmp_path: Path, write: Any, words: str, suffix: str) -> None:
    (tmp_path / "P1").mkdir()
    write(tmp_path / "P1" / f"bad{suffix}")
    with pytest.raises(BenchError, match=words) as caught:
        catalogue(tmp_path)
    assert f"bad{suffix}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_nibabel_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path / "a.nii")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(BenchError, match=r"nibabel, which is not installed; pip install .*\[nifti\]"):
        read_nifti(path)
