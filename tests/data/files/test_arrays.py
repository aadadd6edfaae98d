"""Oracles: bytes laid out by hand, values computed by hand."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.data.files import arrays
from bench.data.files.scan import FileScan, SliceScan
from bench.errors import BenchError


def test_flt_is_read_column_by_column(tmp_path: Path) -> None:
    """The third number of a column-major 2 x 2 file is row 0 of column 1."""
    path = tmp_path / "a.flt"
    path.write_bytes(struct.pack("<4f", 1, 2, 3, 4))
    np.testing.assert_array_equal(arrays.read_flt(path, 2), [[[1, 3], [2, 4]]])
    np.testing.assert_array_equal(arrays.read_flt(path), [[[1, 3], [2, 4]]])


def test_flt_round_trip_keeps_an_asymmetric_slice(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=(8, 8)).astype("<f4")
    image.ravel(order="F").tofile(tmp_path / "a.flt")
    read = arrays.read_flt(tmp_path / "a.flt", 8)[0]
    np.testing.assert_array_equal(read, image)
    assert not np.array_equal(read, image.T)


@pytest.mark.parametrize("size", [0, 3, 4 * 16 - 1, 4 * 16 + 4])
def test_flt_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.flt"
    path.write_bytes(b"\0" * size)
    with pytest.raises(BenchError, match=rf"a\.flt: holds {size} bytes, not 4 x 4 float32"):
        arrays.scan_flt(path, 4)


def test_npz_scan_reads_fields_like_the_real_slices(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(
        path,
        hu=np.zeros((2, 4, 5), np.int16),
        z_mm=np.array([-10.5, -8.25], np.float32),
        pixel_spacing_mm=np.array([[0.977, 0.977], [0.842, 0.842]], np.float32),
        instance_number=np.array([7, 6], np.int32),
        patient_id="A 1",
        kernel=np.array(["B", "B"]),
    )
    slices = SliceScan("7", -10.5, (0.977, 0.977)), SliceScan("6", -8.25, (0.842, 0.842))
    assert arrays.scan_npz(path) == FileScan(slices, (4, 5), "A 1", volume=True)
    assert arrays.read_npz(path).shape == (2, 4, 5)


def test_npz_scan_does_not_load_the_slices(tmp_path: Path) -> None:
    """A fault planted in the pixels goes unseen by the scan and is found by the reader."""
    path = tmp_path / "a.npz"
    np.savez(path, hu=np.arange(2 * 64 * 64, dtype=np.int16).reshape(2, 64, 64))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    assert arrays.scan_npz(path).shape == (64, 64)
    with pytest.raises(BenchError, match=r"a\.npz: cannot be read \(Bad CRC"):
        arrays.read_npz(path)


def test_npz_with_equal_instance_numbers_is_counted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", hu=np.zeros((2, 4, 4), np.int16), instance_number=np.array([5, 5]))
    assert [one.label for one in arrays.scan_npz(tmp_path / "a.npz").slices] == ["0000", "0001"]


def test_npy_one_slice_and_a_stack(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.eye(4, dtype=np.float32))
    np.save(tmp_path / "stack.npy", np.zeros((3, 4, 4), ">i2"))
    assert arrays.scan_npy(tmp_path / "one.npy").volume is False
    assert [one.label for one in arrays.scan_npy(tmp_path / "stack.npy").slices] == [
        "0000",
        "0001",
        "0002",
    ]
    assert arrays.read_npy(tmp_path / "one.npy").shape == (1, 4, 4)


def test_fortran_ordered_npy_keeps_rows_and_columns(tmp_path: Path) -> None:
    image = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "a.npy", np.asfortranarray(image))
    np.testing.assert_array_equal(arrays.read_npy(tmp_path / "a.npy")[0], image)


class Trap:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    trap, sprung = np.array([Trap(tmp_path / "sprung")], object), tmp_path / "sprung"
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "a.npz", hu=trap)
    np.savez(tmp_path / "b.npz", hu=np.zeros((1, 4, 4), np.int16), patient_id=trap)
    for name, scan in (("a.npy", arrays.scan_npy), ("a.npz", arrays.scan_npz), ("b.npz", arrays.scan_npz)):
        with pytest.raises(BenchError, match="pickled objects are never loaded"):
            scan(tmp_path / name)
    with pytest.raises(BenchError, match="pickled"):
        arrays.read_npz(tmp_path / "a.npz")
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": np.zeros(3), "b": np.zeros(3)}, "holds no array named hu"),
        ({"hu": np.zeros((4, 4), "U3")}, "not numbers"),
        ({"hu": np.zeros(16)}, r"shape \(16,\)"),
        ({"hu": np.zeros((0, 4, 4))}, r"shape \(0, 4, 4\)"),
        ({"hu": np.zeros((2, 4, 4)), "z_mm": np.zeros(3)}, "z_mm has shape"),
        ({"hu": np.zeros((2, 4, 4)), "pixel_spacing_mm": np.array(["a", "b"])}, "pixel_spacing_mm holds"),
        (
            {"hu": np.zeros((2, 4, 4)), "pixel_spacing_mm": np.array([np.nan, 1])},
            "pixel_spacing_mm holds NaN",
        ),
        ({"hu": np.zeros((1, 4, 4)), "instance_number": np.array([np.inf])}, "instance_number holds NaN"),
        ({"hu": np.zeros((2, 4, 4)), "patient_id": np.array(["a", "b"])}, "names 2 patients"),
    ],
)
def test_npz_faults_in_one_line(tmp_path: Path, content: dict[str, np.ndarray], words: str) -> None:
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(BenchError, match=words) as caught:
        arrays.scan_npz(tmp_path / "a.npz")
    assert "a.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files_in_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.zeros((4, 4)))
    (tmp_path / "short.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-5])
    with pytest.raises(BenchError, match="truncated: 5 bytes are missing"):
        arrays.scan_npy(tmp_path / "short.npy")
    for name, data in (("text.npz", b"no archive"), ("empty.npz", b""), ("text.npy", b"no array")):
        (tmp_path / name).write_bytes(data)
        scan = arrays.scan_npz if name.endswith("z") else arrays.scan_npy
        with pytest.raises(BenchError, match=rf"{name}: cannot be read"):
            scan(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(BenchError, match="other"):
        arrays.scan_npz(tmp_path / "other.npz")


def test_units_end_in_one_per_cm() -> None:
    path = Path("a.npz")
    hu = np.array([[-3024, -1024, -1000, 0, 1000]], np.int16)
    np.testing.assert_allclose(arrays.to_mu(hu, "HU", path), [[0, 0, 0, 0.2, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(
        arrays.to_mu(hu[:, 1:], "HU", path, clip=False), [[-0.0048, 0, 0.2, 0.4]], atol=1e-7
    )
    mu = np.array([-0.1, 0.2])
    np.testing.assert_allclose(arrays.to_mu(mu, "1/cm", path), [0, 0.2], rtol=1e-6)
    np.testing.assert_allclose(arrays.to_mu(mu / 10, "1/mm", path), [0, 0.2], rtol=1e-6)
    np.testing.assert_allclose(arrays.to_mu(mu, "1/cm", path, clip=False), mu, rtol=1e-6)


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_values_that_are_no_numbers(value: float, word: str) -> None:
    with pytest.raises(BenchError, match=word):
        arrays.to_mu(np.array([value, 0.2]), "1/cm", Path("a.npy"))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((5,), r"\(\), \(2,\) or \(5, 2\)"), ((2, 5), r"\(\), \(2,\) or \(5, 2\)"), ((1, 2), r"\(5, 2\)")],
)
def test_a_spacing_of_another_shape_says_the_wanted_ones(
    tmp_path: Path, shape: tuple[int, ...], wanted: str
) -> None:
    np.savez(tmp_path / "a.npz", hu=np.zeros((5, 4, 4), np.int16), pixel_spacing_mm=np.full(shape, 0.7))
    with pytest.raises(BenchError, match=wanted) as caught:
        arrays.scan_npz(tmp_path / "a.npz")
    assert f"pixel_spacing_mm has shape {shape} for 5 slices" in str(caught.value)


@pytest.mark.parametrize("shape", [(), (2,), (3, 2)])
def test_every_shape_of_a_spacing_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "a.npz", hu=np.zeros((3, 4, 4), np.int16), pixel_spacing_mm=np.full(shape, 0.7))
    assert [one.spacing_mm for one in arrays.scan_npz(tmp_path / "a.npz").slices] == [(0.7, 0.7)] * 3


def test_heights_of_another_shape_say_the_wanted_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", hu=np.zeros((3, 4, 4), np.int16), z_mm=np.zeros((3, 1)))
    with pytest.raises(BenchError, match=r"z_mm has shape \(3, 1\) for 3 slices, wanted is \(3,\)"):
        arrays.scan_npz(tmp_path / "a.npz")
