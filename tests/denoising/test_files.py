"""Volumes and arrays: identity to the byte, geometry kept, bounded batches, nothing overwritten or half-written."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from bench.data.files.nifti import read_nifti
from bench.denoising import images
from bench.denoising.images import Images
from bench.errors import BenchError
from tests.data.files.test_nifti import ORIENTATIONS, volume
from tests.denoising.running import identity, run

nibabel = pytest.importorskip("nibabel")


def write_nifti(
    path: Path, values: np.ndarray, affine: np.ndarray, slope: float = 1, inter: float = 0
) -> Path:
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_slope_inter(slope, inter)
    image.header.set_xyzt_units("mm")
    image.header["cal_max"] = 400
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
@pytest.mark.parametrize(
    ("slope", "inter", "dtype"), [(1, 0, "<i2"), (0.5, -1024, ">u2"), (2, 7, "<f4"), (1, 0, "<f8")]
)
def test_the_identity_gives_every_byte_of_a_volume_back_but_descrip(
    tmp_path: Path, ending: str, slope: float, inter: float, dtype: str
) -> None:
    values, affine = volume(*ORIENTATIONS[17])
    stored = np.asarray(np.rint((values - inter) / slope), dtype)
    source = write_nifti(tmp_path / f"a.{ending}", stored, affine, slope, inter)
    target = tmp_path / f"b.{ending}"
    assert run(source, target, identity).slices == 4
    was, now = (
        gzip.decompress(one.read_bytes()) if ending == "nii.gz" else one.read_bytes()
        for one in (source, target)
    )
    assert was[:148] == now[:148] and was[228:] == now[228:]
    assert b"research only" in now[148:228]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([source.name, target.name])


@pytest.mark.parametrize("number", [0, 5, 11, 22, 33, 47])
def test_slices_are_axial_whatever_the_axes_of_the_file(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network sees what the reader gives, one slice at a time, and each pixel goes back to its place."""
    monkeypatch.setattr(images, "PIXELS_AT_ONCE", 36)
    values, affine = volume(*ORIENTATIONS[number])
    source = write_nifti(tmp_path / "a.nii", values.astype(np.int16), affine)
    seen: list[Images] = []

    def halved(hu: Images) -> Images:
        seen.append(hu.copy())
        return hu / 2

    run(source, tmp_path / "b.nii", halved)
    assert {one.shape for one in seen} == {(1, 6, 6)}
    np.testing.assert_array_equal(np.concatenate(seen), read_nifti(source))
    np.testing.assert_array_equal(read_nifti(tmp_path / "b.nii"), np.rint(read_nifti(source) / 2))
    assert np.array_equal(nibabel.load(tmp_path / "b.nii").affine, nibabel.load(source).affine)


def test_a_volume_that_is_cut_short(tmp_path: Path) -> None:
    values, affine = volume(*ORIENTATIONS[0])
    source = write_nifti(tmp_path / "a.nii", values.astype(np.int16), affine)
    source.write_bytes(source.read_bytes()[:-5])
    with pytest.raises(BenchError, match=r"a\.nii: cannot be read as NIfTI \(cut short: 5 bytes"):
        run(source, tmp_path / "b.nii", identity)
    assert [one.name for one in tmp_path.iterdir()] == ["a.nii"]


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<f4", "<f8", "<u2"])
@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7)])
def test_arrays_keep_type_and_shape(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    values = np.asfortranarray((np.arange(np.prod(shape)).reshape(shape) * 9).astype(dtype))
    np.save(tmp_path / "a.npy", values)
    run(tmp_path / "a.npy", tmp_path / "b.npy", identity)
    run(tmp_path / "a.npy", tmp_path / "c.npy", lambda hu: hu + np.float32(1.2))
    same, more = np.load(tmp_path / "b.npy"), np.load(tmp_path / "c.npy")
    assert same.dtype == values.dtype and same.shape == shape
    np.testing.assert_array_equal(same, values)
    np.testing.assert_allclose(more, values + (1.2 if "f" in dtype else 1), rtol=1e-6)


def test_archives_keep_their_other_arrays(tmp_path: Path) -> None:
    hu = np.arange(40, dtype=np.int16).reshape(2, 4, 5)
    others = {"pixel_spacing_mm": np.array([[0.7, 0.7], [0.7, 0.7]]), "patient_id": np.array("P1")}
    np.savez_compressed(tmp_path / "a.npz", hu=hu, **others)
    run(tmp_path / "a.npz", tmp_path / "b.npz", lambda hu: -hu)
    with np.load(tmp_path / "b.npz") as now:
        assert set(now.files) == {"hu", *others}
        np.testing.assert_array_equal(now["hu"], -hu)
        assert all(np.array_equal(now[key], value) for key, value in others.items())


def test_what_is_in_the_way(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 4), np.int16))
    (tmp_path / "there.npy").write_bytes(b"mine")
    (tmp_path / "full" / "below").mkdir(parents=True)
    for source, target, words in (
        ("a.npy", "there.npy", "is there already, and is never overwritten"),
        ("a.npy", "a.npy", "is there already"),
        ("a.npy", "full", "is a folder, but IN is a file"),
        ("a.npy", "b.nii", r"must be \.npy, as IN is"),
        ("full", "b.npz", "must be DICOM"),
        ("full", "full/new", "lies in IN"),
        ("none", "new", "not found"),
        (".", "full", "not empty"),
    ):
        with pytest.raises(BenchError, match=words) as caught:
            run(tmp_path / source, tmp_path / target, identity)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "there.npy").read_bytes() == b"mine"


def test_no_number_is_refused_with_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0, np.nan]]))
    with pytest.raises(BenchError, match=r"a\.npy: holds NaN or infinite values"):
        run(tmp_path / "a.npy", tmp_path / "b.npy", identity)
    assert not (tmp_path / "b.npy").exists()
