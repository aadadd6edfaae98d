"""What lies in a folder beside its slices: links, hidden files, other files, masks; all of it is counted."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from bench.cli import data_overview
from bench.config import schema
from bench.data.files import listing
from bench.data.files.dicom import read_hu, scan_dicom
from bench.data.files.file_format import FileFormat
from bench.data.files.index import FileIndex
from bench.data.files.listing import list_files, told
from bench.data.files.masks import is_labels, named_as_mask
from bench.data.files.scan import FileScan
from bench.data.sources.open import open_source
from bench.errors import BenchError
from tests.data import trees
from tests.dicoms import transcode, uid


def patients(root: Path, *names: str) -> None:
    for number, name in enumerate(names, start=1):
        trees.series(root / name, number, patient=name)


def test_links_are_followed_once_and_never_in_a_circle(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    patients(elsewhere, "PA", "PB")
    patients(root, "P1")
    (root / "A").symlink_to(elsewhere / "PA")
    (root / "B").mkdir()
    (root / "B" / "0.dcm").symlink_to(elsewhere / "PB" / "0.dcm")
    (root / "P1" / "round").symlink_to(root)
    (root / "P1" / "up").symlink_to(tmp_path)
    (root / "0").symlink_to(root / "P1")  # before P1 by name, and still the one that is left out
    (root / "gone").symlink_to(elsewhere / "PC")
    (root / "knot").symlink_to(root / "knot")
    trees.series(elsewhere / "PA" / "more", 7, patient="PA")
    (elsewhere / "PA" / "back").symlink_to(elsewhere / "PA")
    found = list_files(root, None)
    inside = [f"A/{z}.dcm" for z in range(3)] + [f"A/more/{z}.dcm" for z in range(3)]
    assert found.files == [*inside, "B/0.dcm", *(f"P1/{z}.dcm" for z in range(3))]
    assert found.skipped == {
        "link to a folder above": 2,  # P1/round and P1/up
        "link to a folder already read": 2,  # 0 and A/back
        "dangling link": 2,
    }


def test_everything_passed_over_is_counted_by_kind(tmp_path: Path) -> None:
    patients(tmp_path, "P1")
    for name in ("a.txt", "P1/b.TXT", "c.nii.gz", ".DS_Store", "P1/._0.dcm", "LICENCE", "IM.0001", "x.7z"):
        (tmp_path / name).write_text("hello")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("not looked into")
    os.mkfifo(tmp_path / "pipe")
    found = trees.catalogue(tmp_path)
    assert len(found.refs) == 3
    assert dict(found.skipped) == {
        ".txt": 2, ".nii.gz": 1, "hidden file": 2, "hidden folder": 1, "file without an ending": 3, "special file": 1,
    }  # fmt: skip
    text = data_overview.of_source(found, schema.FolderSource(kind="dicom", path="x"))
    line = "skipped: 3 files without an ending, 2 .txt, 2 hidden files, 1 .nii.gz, 1 hidden\n  folder, 1 special file"
    assert line in text


def test_what_the_source_reads_otherwise_is_not_counted(tmp_path: Path) -> None:
    patients(tmp_path, "P1")
    (tmp_path / "patients.csv").write_text("file,patient\n" + "".join(f"P1/{z}.dcm,X\n" for z in range(3)))
    (tmp_path / ".fetch-lock").touch()
    pins = "patient_id,study_instance_uid,series_instance_uid,slices,size_mb\n"
    (tmp_path / "pins.csv").write_text(f"{pins}P1,{uid(77)},{uid(1000)},3,0.01\n")
    found = trees.catalogue(tmp_path, series="pins.csv")
    assert (found.patients, found.skipped) == (("X",), ())


def test_many_kinds_are_told_in_one_line() -> None:
    skipped = Counter({f".e{i}": 20 - i for i in range(14)})
    assert told(skipped).startswith("20 .e0, 19 .e1, ")
    assert told(skipped).endswith(", 15 files of 2 other kinds")  # 8 + 7


def test_an_empty_source_says_what_lies_there(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz", "c.txt"):
        (tmp_path / name).write_text("hello")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(
        BenchError, match=r"holds no dicom files, but 2 \.nii\.gz, 1 \.txt, 1 dangling link; "
    ):
        trees.catalogue(tmp_path)
    with pytest.raises(BenchError, match=r"holds no npy files, but 2 \.nii\.gz"):
        trees.catalogue(tmp_path, "npy", pixel_mm=1)


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patients(tmp_path, "P1", "P2")
    scandir = os.scandir

    def closed(path: Path) -> Any:
        if Path(path).name == "P2":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(listing.os, "scandir", closed)
    with pytest.raises(BenchError, match=r"P2: cannot be read \(Permission denied\)"):
        trees.catalogue(tmp_path)


def test_pairs_count_what_lies_beside_their_folders(tmp_path: Path) -> None:
    for room, mu in (("clean", 0.2), ("noisy", 0.21), ("forgotten", 0.2)):
        (tmp_path / room).mkdir()
        np.save(tmp_path / room / "a.npy", np.full((4, 4), mu))
    (tmp_path / "clean" / "notes.txt").write_text("hello")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    source = open_source("pairs", trees.pairs(trees.PAIRS), base=tmp_path, index_cache=None)
    assert dict(source.catalogue().skipped) == {
        ".txt": 1, "dangling link": 1, "file in a folder that the source does not name": 1,
    }  # fmt: skip


# --- DICOM that is bare, or no image ---


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("meta", [False, True])
def test_files_without_preamble_are_read(tmp_path: Path, syntax: Any, meta: bool) -> None:
    patients(tmp_path, "P1", "P2")
    for path in (tmp_path / "P1").iterdir():
        if syntax is not None:
            transcode(path, syntax)
        trees.bare(path, meta=meta)
        path.rename(path.with_suffix(""))
    found = trees.catalogue(tmp_path)
    assert (found.patients, len(found.refs), found.skipped) == (("P1", "P2"), 6, ())
    np.testing.assert_array_equal(read_hu(tmp_path / "P1" / "1"), trees.body(11))


def test_bare_files_that_are_no_image_are_counted(tmp_path: Path) -> None:
    patients(tmp_path, "P1")
    (tmp_path / "IM1").write_bytes(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100")
    (tmp_path / "IM2").write_bytes(b"\x08\x00\x00\x00\x04\x00\x00\x00 and something else")
    found = trees.catalogue(tmp_path)
    assert dict(found.skipped) == {"DICOM without preamble that cannot be read": 2}
    (tmp_path / "IM2").rename(tmp_path / "IM2.dcm")
    with pytest.raises(BenchError, match=r"IM2\.dcm: not a DICOM file, or a damaged one"):
        trees.catalogue(tmp_path)


def test_a_bare_file_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    (path, *_) = trees.series(tmp_path, 1, patient="P1")
    trees.bare(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BenchError, match="truncated: 5 bytes of pixels are missing"):
        trees.catalogue(tmp_path)


def test_a_bare_file_with_compressed_pixels_lacks_its_transfer_syntax(tmp_path: Path) -> None:
    from pydicom.uid import RLELossless

    (path, *_) = trees.series(tmp_path, 1, patient="P1")
    trees.bare(transcode(path, RLELossless))
    with pytest.raises(BenchError, match="names no transfer syntax"):
        trees.catalogue(tmp_path)


DIRECTORY = "1.2.840.10008.1.3.10"
NO_IMAGES = {
    DIRECTORY: "DICOM Media Storage Directory",
    "1.2.840.10008.5.1.4.1.1.66": "DICOM Raw Data",
    "1.2.840.10008.5.1.4.1.1.200.2": "DICOM CT Performed Procedure Protocol",
    "1.2.840.10008.5.1.4.1.1.88.67": "DICOM X-Ray Radiation Dose SR",
    "1.2.840.10008.5.1.4.1.1.11.1": "DICOM Grayscale Softcopy Presentation State",
    "1.2.840.10008.5.1.4.1.1.66.4": "DICOM Segmentation",
    "1.3.12.2.1107.5.9.1": "DICOM object of a manufacturer's own class",
}


@pytest.mark.parametrize(
    ("sop_class", "name"),
    [(DIRECTORY, "dicomdir"), *((uid, name) for uid in NO_IMAGES for name in ("report.dcm", "IM0"))],
)
def test_a_dicom_file_that_is_no_image_stops_nothing(tmp_path: Path, sop_class: str, name: str) -> None:
    patients(tmp_path, "P1")
    data = pydicom.dcmread(tmp_path / "P1" / "0.dcm")
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = sop_class
    for keyword in ("Modality", "Rows", "Columns", "PixelData"):
        delattr(data, keyword)
    if sop_class == DIRECTORY:
        del data.SOPClassUID  # a directory names its class in group 2 alone
    data.save_as(tmp_path / name)
    found = trees.catalogue(tmp_path)
    assert (len(found.refs), found.skipped, found.refused) == (3, ((NO_IMAGES[sop_class], 1),), ())


def test_an_image_without_its_pixels_is_still_an_error(tmp_path: Path) -> None:
    (path, *_) = trees.series(tmp_path, 1, patient="P1")
    data = pydicom.dcmread(path)
    del data.PixelData
    data.save_as(path)
    with pytest.raises(BenchError, match="truncated or incomplete: no PixelData"):
        scan_dicom(path)


# --- masks ---


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("P1/P1_mask.nii.gz", True), ("P1/seg.nii", True), ("P1/lung-Seg-2.nii.gz", True),
        ("labelsTr/P1.nii.gz", True), ("P1/masks/1.npy", True), ("Case.segmentation.nii.gz", False),
        ("imagesTr/P1.nii.gz", False), ("unmasked/P1.nii.gz", False), ("seg_P1_ct.nii.gz", False),
    ],
)  # fmt: skip
def test_masks_by_name(name: str, mask: bool) -> None:
    assert named_as_mask(name) is mask


@pytest.mark.parametrize(
    ("values", "labels"),
    [([0, 1, 2], True), ([0, 117], True), ([0, 0], False), ([3, 3], False), ([0, 0.5, 1], False),
     ([-1, 0, 1], False), ([0, 1, 400], False), (list(range(200)), False)],
)  # fmt: skip
def test_masks_by_values(values: list[float], labels: bool) -> None:
    assert is_labels(np.array(values)) is labels


def volume(path: Path, values: np.ndarray) -> None:
    nibabel = pytest.importorskip("nibabel")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), np.diag([-0.8, -0.8, 2.5, 1])), path)


def scan(path: Path, number: int = 1) -> None:
    volume(path, np.stack([trees.body(number + z) for z in range(3)]))


def mask(path: Path) -> None:
    labels = np.zeros((3, trees.SIDE, trees.SIDE), np.int16)
    labels[:, 4:8, 4:8], labels[:, 9:11, 9:11] = 1, 2
    volume(path, labels)


def test_masks_beside_images_are_counted_as_masks(tmp_path: Path) -> None:
    for name in ("P1", "P2"):
        scan(tmp_path / name / "ct.nii.gz")
        mask(tmp_path / name / "ct_seg.nii.gz")
    mask(tmp_path / "labelsTr" / "P1.nii.gz")
    found = trees.catalogue(tmp_path, "nifti")
    assert (found.patients, found.skipped) == (("P1", "P2"), (("mask", 3),))


def test_a_mask_under_another_name_is_named_as_one(tmp_path: Path) -> None:
    mask(tmp_path / "P1" / "liver.nii.gz")
    with pytest.raises(
        BenchError, match=r"liver\.nii\.gz: whole numbers of 0 to 2, as in a mask, not HU; move"
    ):
        trees.catalogue(tmp_path, "nifti")


# --- a file that was replaced ---


def replace(path: Path, content: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(content)
    other.replace(path)


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize("change", [replace, rewrite])
def test_a_file_of_equal_size_and_time_is_noticed(tmp_path: Path, change: Any) -> None:
    """The time of content is set back, as rsync and archives do; the other time and the inode tell."""
    path, place = tmp_path / "scans" / "a.bin", tmp_path / "index.json"
    path.parent.mkdir()
    path.write_bytes(b"one")
    reads: list[bytes] = []

    def scan(path: Path) -> FileScan:
        reads.append(path.read_bytes())
        return FileScan()

    def look() -> FileScan:
        with FileIndex.open(place) as index:
            return index.scan(FileFormat("bin", None, scan, np.load), path)

    first = look()
    assert (look(), reads) == (first, [b"one"])
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of the file system goes in steps
        change(path, b"two")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    second = look()
    assert (reads, second.sha256 == first.sha256) == ([b"one", b"two"], False)


def test_a_replaced_slice_changes_the_source(tmp_path: Path) -> None:
    patients(tmp_path / "scans", "P1", "P2")
    index = tmp_path / "index.json"
    before = trees.catalogue(tmp_path / "scans", index=index)
    path, other = tmp_path / "scans" / "P1" / "0.dcm", tmp_path / "scans" / "P1" / "1.dcm"
    stamp = path.stat()
    data = pydicom.dcmread(path)
    data.PixelData = pydicom.dcmread(other).PixelData
    data.save_as(tmp_path / "new.dcm")
    shutil.move(tmp_path / "new.dcm", path)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stamp.st_size, stamp.st_mtime_ns)
    assert trees.catalogue(tmp_path / "scans", index=index).fingerprint != before.fingerprint
