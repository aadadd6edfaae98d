"""Oracles: the identity gives every pixel back; what a derived image must say, by hand from DICOM PS3.3 and PS3.16."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bench.data.files import dicom
from bench.denoising.derived import PROCESSING, SOURCE
from bench.denoising.images import Images
from bench.errors import BenchError
from tests.data.files.test_dicom_matrix import PADDING, SYNTAXES, anatomy, need
from tests.denoising.running import identity, run
from tests.dicoms import signed, transcode, uid, write_ct


@pytest.mark.integration
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: UID(syntax).keyword)
def test_the_identity_gives_every_pixel_of_the_matrix_back(tmp_path: Path, syntax: UID) -> None:
    """Signedness, intercept, slope, padding, 12 or 16 bits: stored values and HU are as they were."""
    need(syntax)
    originals = []
    for number, (is_signed, intercept, slope, pad, bits) in enumerate(
        itertools.product((True, False), (0, -1024), (1, 0.5, 2.5), PADDING.values(), (12, 16))
    ):
        hu = anatomy()
        stored = np.rint((np.maximum(hu, intercept if not is_signed else -1024) - intercept) / slope).astype(
            int
        )
        header: dict[str, Any] = {"RescaleIntercept": intercept, "RescaleSlope": slope}
        if pad == -2000 and is_signed and bits == 16:
            header["PixelPaddingValue"] = round((pad - intercept) / slope)
            stored[np.add.outer(range(16), range(16)) < 5] = header["PixelPaddingValue"]
        elif pad == -1000 and not is_signed and intercept:
            header["PixelPaddingValue"] = 0  # -1024 HU
            stored[:2, :2] = 0
        stored = np.clip(
            stored, -2048 if bits == 12 else -(2**15), 2047 if bits == 12 and is_signed else 4095
        )
        path = tmp_path / "in" / f"{number:03d}.dcm"
        write_ct(
            path, stored.astype(np.int16 if is_signed else np.uint16), number=number + 1, z=float(number),
            BitsStored=bits, HighBit=bits - 1, **header,
        )  # fmt: skip
        originals.append(dicom.decode(transcode(path, syntax)))
    assert run(tmp_path / "in", tmp_path / "out", identity).slices == len(originals)
    for path, was in zip(sorted((tmp_path / "out").iterdir()), originals, strict=True):
        one = dicom.decode(path, strict=True)
        np.testing.assert_array_equal(one.stored, was.stored)
        np.testing.assert_array_equal(one.hu, was.hu)
        assert one.data.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_what_a_derived_image_says(tmp_path: Path, syntax: UID) -> None:
    header = {
        "PatientName": "Müller^Ä", "SpecificCharacterSet": "ISO_IR 192", "StudyInstanceUID": uid(7),
        "FrameOfReferenceUID": uid(8), "SeriesDescription": "Thorax " * 9, "AcquisitionDate": "20010203",
        "ContentDate": "20010203", "ContentTime": "101112", "StudyDate": "20010203", "SmallestImagePixelValue": 0,
        "TimezoneOffsetFromUTC": "+0545", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
    }  # fmt: skip
    for number in (1, 2):
        path = write_ct(tmp_path / "in" / f"{number}", signed(1, 2, 3, 4), number=number, z=number, **header)
        transcode(path, syntax)
    run(tmp_path / "in", tmp_path / "out", identity)
    was, now = pydicom.dcmread(tmp_path / "in/1"), pydicom.dcmread(tmp_path / "out/1")
    second = pydicom.dcmread(tmp_path / "out/2")
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient",
                    "ImageOrientationPatient", "PixelSpacing", "StudyDate", "AcquisitionDate", "SOPClassUID",
                    "RescaleSlope", "RescaleIntercept", "Modality"):  # fmt: skip
        assert now[keyword].value == was[keyword].value, keyword
    assert len({one.SOPInstanceUID for one in (was, now, second)}) == 3
    assert now.SeriesInstanceUID == second.SeriesInstanceUID != was.SeriesInstanceUID
    assert now.file_meta.MediaStorageSOPInstanceUID == now.SOPInstanceUID
    assert list(now.ImageType) == ["DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 SPI"]
    assert now.SeriesDescription.endswith("research only") and len(now.SeriesDescription) <= 64
    assert all(
        word in now.DerivationDescription for word in ("unet", "unet-low-s1-0", "9.9", "research only")
    )
    (source,) = now.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == was.SOPInstanceUID
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == SOURCE[0]
    assert now.ContentDate != was.ContentDate and "SmallestImagePixelValue" not in now
    made = pydicom.valuerep.DT(now.ContributingEquipmentSequence[0].ContributionDateTime)
    there = made.astimezone(pydicom.valuerep.DT("20010203000000+0545").tzinfo)
    assert now.ContentTime == there.strftime("%H%M%S") == second.ContentTime == now.SeriesTime
    assert dicom.scan_dicom(tmp_path / "out/1").refused  # nothing trains on it


def test_codes_are_those_of_the_standard() -> None:
    first, second = codes.DCM.SourceImageForImageProcessingOperation, codes.DCM.ProcessingEquipment
    assert [(one.value, one.meaning) for one in (first, second)] == [SOURCE, PROCESSING]


def test_changed_pixels_by_hand(tmp_path: Path) -> None:
    """Plus 10.4 HU at slope 2.5 is 4 steps; bits end at 4095; nothing becomes padding; padding stays."""
    stored = np.array([[0, 1, 100, 4094]], np.uint16)
    header = {"BitsStored": 12, "HighBit": 11, "RescaleSlope": 2.5, "PixelPaddingValue": 0}
    path = write_ct(tmp_path / "a.dcm", stored, **header)
    for place, change, expected in (("up", 10.4, [0, 5, 104, 4095]), ("down", -5.0, [0, 1, 98, 4092])):
        run(path, tmp_path / place, lambda hu, change=change: hu + np.float32(change))
        np.testing.assert_array_equal(pydicom.dcmread(tmp_path / place).pixel_array, [expected])


def test_the_network_sees_padding_as_air(tmp_path: Path) -> None:
    seen: list[Images] = []
    path = write_ct(tmp_path / "a.dcm", signed(-2000, 24, 1024, -1999), PixelPaddingValue=-2000)
    run(path, tmp_path / "b.dcm", lambda hu: seen.append(hu.copy()) or hu)  # type: ignore[func-returns-value]
    np.testing.assert_array_equal(seen[0], [[[-1000, -1000, 0, -3023]]])


def test_overlays_in_spare_bits_go_with_them(tmp_path: Path) -> None:
    path = write_ct(tmp_path / "a.dcm", np.array([[1, 4097]], np.uint16), BitsStored=12, HighBit=11)
    data = pydicom.dcmread(path)
    data.add_new(0x60000100, "US", 16)
    data.add_new(0x60000102, "US", 12)
    data.save_as(path)
    run(path, tmp_path / "b.dcm", identity)
    now = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(now.pixel_array, [[1, 1]])
    assert (0x6000, 0x0102) not in now


def folder(root: Path, *headers: dict[str, Any]) -> Path:
    for number, header in enumerate(headers):
        write_ct(root / "in" / str(number), signed(1, 2), number=number + 1, z=number, **header)
    return root / "in"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([{"Modality": "MR"}], "no original axial CT slice: 1 refused as modality MR, not CT"),
        ([{}, {"SeriesInstanceUID": uid(1001)}], "slices of 2 series"),
        ([{}, {"PatientID": "P2"}], "slices of 2 patients"),
        ([], "no DICOM slice: it is empty"),
    ],
)
def test_refusals_in_one_line(tmp_path: Path, headers: list[dict[str, Any]], words: str) -> None:
    source = folder(tmp_path, *headers)
    source.mkdir(exist_ok=True)
    with pytest.raises(BenchError, match=words) as caught:
        run(source, tmp_path / "out", identity)
    assert "\n" not in str(caught.value) and caught.value.remedy
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in"]


def test_other_files_are_left_out_and_named(tmp_path: Path) -> None:
    source = folder(tmp_path, {}, {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    (source / "notes.txt").write_text("none of DICOM")
    summary = run(source, tmp_path / "out", identity)
    assert summary.slices == 1 and "1 refused image" in summary.left_out and "no DICOM" in summary.left_out
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["0"]


def test_a_damaged_slice_leaves_nothing_behind(tmp_path: Path) -> None:
    source = folder(tmp_path, {}, {})

    def fails(hu: Images) -> Images:
        assert any(tmp_path.glob(".tmp-*"))
        return hu * np.float32("nan")

    before = {path.name: path.read_bytes() for path in source.iterdir()}
    with pytest.raises(BenchError, match="NaN or infinities"):
        run(source, tmp_path / "out", fails)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in"]
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
