"""Oracles: HU worked out by hand from stored values written here; no patient's file is in the repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1

from bench.config import schema
from bench.data.files import dicom
from bench.data.files.scan import FileScan
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import open_source
from bench.errors import BenchError
from tests.dicoms import signed, uid, unsigned, write_ct


@pytest.mark.parametrize(
    ("stored", "header", "hu"),
    [
        pytest.param(signed(-5, 0, 1024, 2048), {}, [-1029, -1024, 0, 1024], id="signed, intercept -1024"),
        pytest.param(signed(-1000, 0, 55, 60), {"RescaleIntercept": 0}, [-1000, 0, 55, 60], id="intercept 0"),
        pytest.param(
            unsigned(0, 1000, 60000, 1), {"RescaleIntercept": -1000}, [-1000, 0, 59000, -999], id="unsigned"
        ),
        pytest.param(
            unsigned(0, 2048, 4095, 1), {"BitsStored": 12, "HighBit": 11}, [-1024, 1024, 3071, -1023], id="12"
        ),
        pytest.param(signed(0, 10, 20, -2), {"RescaleSlope": 0.5}, [-1024, -1019, -1014, -1025], id="slope"),
        pytest.param(
            signed(-2000, 24, 1024, -1999),
            {"PixelPaddingValue": -2000},
            [-1024, -1000, 0, -3023],
            id="padding",
        ),
        pytest.param(
            signed(-2000, 24, 1024, 0),
            {"PixelPaddingValue": 63536},
            [-1024, -1000, 0, -1024],
            id="unsigned 63536",
        ),
        pytest.param(
            signed(-2048, -2000, -1999, 1024),
            {"PixelPaddingValue": -2048, "PixelPaddingRangeLimit": -2000},
            [-1024, -1024, -3023, 0],
            id="padding range",
        ),
        pytest.param(
            signed(-2048, -2000, -1999, 1024),
            {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": 63488},
            [-1024, -1024, -3023, 0],
            id="padding range, reversed and half unsigned",
        ),
        pytest.param(
            unsigned(63536, 24, 1024, 0),
            {"PixelPaddingValue": -2000},
            [-1024, -1000, 0, -1024],
            id="signed beside it",
        ),
        pytest.param(
            unsigned(0, 1, 2, 3), {"PixelPaddingValue": 9}, [-1024, -1023, -1022, -1021], id="no such value"
        ),
    ],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_hu_by_hand(
    tmp_path: Path, stored: np.ndarray, header: dict[str, Any], hu: list[float], syntax: UID
) -> None:
    path = write_ct(tmp_path / "a.dcm", stored, syntax=syntax, **header)
    np.testing.assert_array_equal(dicom.read_hu(path), [hu])


def test_twelve_bit_signed_pixels_are_sign_extended(tmp_path: Path) -> None:
    """0xFFF in 12 bits is -1 and 0x800 is -2048."""
    path = write_ct(tmp_path / "a.dcm", signed(0x0FFF, 0x0800, 5, 0), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(dicom.read_hu(path), [[-1025, -3072, -1019, -1024]])


REFUSED = {
    "localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "derived image": {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]},
    "derived image (DERIVED": {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]},
    "derived image (ORIGINAL": {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "MPR"]},
    "derived image (ORIGINAL\\SECONDARY": {"ImageType": ["ORIGINAL", "SECONDARY", "AXIAL"]},
    "derived image (DERIVED\\SECONDARY\\MPR)": {
        "ImageType": ["DERIVED", "SECONDARY", "MPR"],
        "LossyImageCompression": "01",
    },
    "not axial": {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
    "not axial (coronal, sagittal": {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
    "no position": {"ImageOrientationPatient": None},
    "modality PT": {"Modality": "PT"},
    "values in ED": {"RescaleType": "ED"},
    "several frames": {"NumberOfFrames": 2},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_original_axial_slice(tmp_path: Path, reason: str) -> None:
    path = write_ct(tmp_path / "a.dcm", signed(1, 2), **REFUSED[reason])
    assert (dicom.scan_dicom(path).refused or "").startswith(reason)


@pytest.mark.parametrize(
    "header",
    [
        {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 SPI"], "LossyImageCompression": "01"},
        {"ImageOrientationPatient": [1, 0, 0, 0, 0.9063, 0.4226]},  # gantry tilted by 25 degrees
        {"ImageOrientationPatient": [0, 1, 0, -1, 0, 0]},  # patient on the side
        {"ImageType": ["ORIGINAL", "PRIMARY"]},
        {"RescaleType": "Houndsfield Unit"},
    ],
)
def test_what_is_an_original_axial_slice(tmp_path: Path, header: dict[str, Any]) -> None:
    assert dicom.scan_dicom(write_ct(tmp_path / "a.dcm", signed(1, 2), **header)).refused is None


def test_position_is_measured_along_the_normal(tmp_path: Path) -> None:
    """Tilted by 30 degrees about x the normal is (0, -1/2, sqrt(3)/2)."""
    tilted = [1, 0, 0, 0, 0.8660254, 0.5]
    path = write_ct(
        tmp_path / "a.dcm", signed(1), ImageOrientationPatient=tilted, ImagePositionPatient=[7, 10, 100]
    )
    assert dicom.scan_dicom(path).slices[0].z_mm == pytest.approx(100 * 3**0.5 / 2 - 5, abs=1e-3)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def cut_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def scribble(path: Path) -> None:
    path.write_bytes(b"\0" * 128 + b"DICM" + b"x" * 400)


def no_dicom(path: Path) -> None:
    path.write_bytes(b"hello")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (shorten, "truncated: 3 bytes of pixels are missing"),
        (cut_header, "truncated|cannot be read"),
        (scribble, "truncated|damaged|cannot be read"),
        (no_dicom, "not a DICOM file, or a damaged one"),
    ],
)
def test_damaged_files_in_one_line(tmp_path: Path, damage: Callable[[Path], None], words: str) -> None:
    path = write_ct(tmp_path / "broken.dcm", signed(1, 2, 3, 4))
    damage(path)
    with pytest.raises(BenchError, match=words) as caught:
        dicom.scan_dicom(path)
    assert "broken.dcm" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "keyword", ["RescaleIntercept", "RescaleSlope", "PixelData", "Rows", "SOPInstanceUID"]
)
def test_a_missing_value_is_named(tmp_path: Path, keyword: str) -> None:
    path = write_ct(tmp_path / "a.dcm", signed(1, 2), drop=(keyword,))
    with pytest.raises(BenchError, match=keyword):
        dicom.scan_dicom(path)


def test_a_slope_of_zero_gives_no_hu(tmp_path: Path) -> None:
    path = write_ct(tmp_path / "a.dcm", signed(1, 2), RescaleSlope=0)
    with pytest.raises(BenchError, match=r"a\.dcm: RescaleSlope 0 and RescaleIntercept -1024 give no HU"):
        dicom.scan_dicom(path)


def test_compression_without_decoder_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        is_available = False

    monkeypatch.setattr(dicom, "get_decoder", lambda syntax: Absent)
    path = write_ct(
        tmp_path / "a.dcm", signed(1, 2), syntax=JPEGLosslessSV1, PixelData=encapsulate([b"abcd"])
    )
    with pytest.raises(BenchError, match=r"JPEG Lossless.*install the extra dicom"):
        dicom.scan_dicom(path)


# --- folders of DICOM files


def whole(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2000, (8, 8)).astype(np.int16)


def catalogue_of(folder: Path, index: Path | None = None, **keys: Any) -> Catalogue:
    source = schema.FolderSource(kind="dicom", path=folder.name, matrix=8, **keys)
    return open_source("scans", source, base=folder.parent, index_cache=index).catalogue()


def test_slices_are_sorted_by_position_whatever_the_files_are_called(tmp_path: Path) -> None:
    heights = {"c.dcm": -20.0, "a.IMA": 30.0, "b": -5.5, "deep/er/d.dcm": 4.0}
    for number, (name, z) in enumerate(heights.items()):
        write_ct(tmp_path / name, whole(number), number=number + 1, z=z)
    (tmp_path / "README.txt").write_text("not DICOM, skipped")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    found = catalogue_of(tmp_path)
    assert [(ref.file, ref.z_mm) for ref in found.refs] == sorted(heights.items(), key=lambda item: item[1])
    assert [ref.name for ref in found.refs] == [uid(1), uid(3), uid(4), uid(2)]
    assert found.patients == ("P1",)
    assert {ref.pixel_mm for ref in found.refs} == {0.8}


def test_localizers_and_reformats_are_left_out_by_name(tmp_path: Path) -> None:
    write_ct(tmp_path / "b.dcm", whole(), number=1)
    write_ct(tmp_path / "a.dcm", whole(), number=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_ct(tmp_path / "c.dcm", whole(), number=3, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    found = catalogue_of(tmp_path)
    assert [ref.file for ref in found.refs] == ["b.dcm"]
    assert [file for file, _ in found.refused] == ["a.dcm", "c.dcm"]
    assert [reason.split()[0] for _, reason in found.refused] == ["localizer", "not"]


def test_nothing_axial_is_refused_by_name(tmp_path: Path) -> None:
    for number in (1, 2):
        write_ct(
            tmp_path / f"{number}.dcm", whole(), number=number, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
        )
    with pytest.raises(
        BenchError, match=r"1\.dcm: localizer .*: not an original axial CT slice \(nor are 1 other"
    ):
        catalogue_of(tmp_path)


def test_two_series_of_one_patient_both_stay(tmp_path: Path) -> None:
    write_ct(tmp_path / "a.dcm", whole(), number=1)
    write_ct(tmp_path / "b.dcm", whole(), number=2, SeriesInstanceUID=uid(2000))
    found = catalogue_of(tmp_path)
    assert (len(found.refs), found.patients) == (2, ("P1",))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"number": 1, "z": 5.0}, r"b\.dcm: has the same SOPInstanceUID as a\.dcm"),
        ({"number": 2}, r"b\.dcm: lies at the same position of its series \(z 0 mm\) as a\.dcm"),
        ({"number": 2, "z": 5.0, "drop": ("PixelSpacing",)}, r"b\.dcm: does not say the pixel spacing"),
        ({"number": 2, "z": 5.0, "PixelSpacing": [0.8, 0.9]}, r"b\.dcm: .* not square pixels"),
        ({"number": 2, "z": 5.0, "PatientID": ""}, r"b\.dcm: nothing says whose .*patients\.csv"),
        (
            {"number": 2, "z": 5.0, "stored": signed(1, 2)},
            r"b\.dcm: 1 x 2 pixels, not 8 x 8: crops cannot be projected",
        ),
    ],
)
def test_faults_between_files_in_one_line(tmp_path: Path, second: dict[str, Any], words: str) -> None:
    write_ct(tmp_path / "a.dcm", whole(), number=1)
    write_ct(tmp_path / "b.dcm", **({"stored": whole(1)} | second))
    with pytest.raises(BenchError, match=words) as caught:
        catalogue_of(tmp_path)
    assert "\n" not in str(caught.value)


def test_object_and_reference_are_mu_of_the_same_slice(tmp_path: Path) -> None:
    """Stored 2024 is 1000 HU, 0.4 per cm; padding is air; half of 8 pixels of 0.8 mm are 4 of 0.16 cm."""
    stored = np.full((8, 8), 2024, np.int16)
    stored[:2] = -2000
    write_ct(tmp_path / "a.dcm", stored, PixelPaddingValue=-2000)
    source = open_source(
        "scans", schema.FolderSource(kind="dicom", path=".", matrix=8), base=tmp_path, index_cache=None
    )
    fine, reference, pixel_cm = source.object(source.catalogue().refs[0], 4)
    assert (fine.shape, reference.shape, pixel_cm) == ((8, 8), (4, 4), pytest.approx(0.16))
    np.testing.assert_allclose(reference, np.repeat([[0.0], [0.4], [0.4], [0.4]], 4, axis=1), rtol=1e-6)
    np.testing.assert_allclose(fine[2:], 0.4, rtol=1e-6)


def test_a_known_folder_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, index = tmp_path / "scans", tmp_path / "cache" / "index.json"
    write_ct(folder / "a.dcm", whole(), number=1)
    write_ct(folder / "b.dcm", whole(), number=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    first = catalogue_of(folder, index)

    def fail(path: Path) -> FileScan:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(dicom, "scan_dicom", fail)
    assert catalogue_of(folder, index) == first
    write_ct(folder / "a.dcm", whole(5), number=1)
    with pytest.raises(AssertionError, match="read again"):
        catalogue_of(folder, index)
    monkeypatch.undo()
    assert catalogue_of(folder, index).fingerprint != first.fingerprint
