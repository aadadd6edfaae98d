"""Series in a folder: gaps, two reconstructions of one scan, series named by UID or by a pin file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli import data_overview
from bench.config import schema
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import open_source
from bench.errors import BenchError
from tests.dicoms import uid, write_ct


def write_series(
    folder: Path, number: int, heights: list[float], patient: str = "P1", study: int = 9, **header: Any
) -> None:
    for index, z in enumerate(heights):
        write_ct(
            folder / f"{number}-{index}.dcm",
            np.full((8, 8), index, np.int16),
            number=100 * number + index,
            z=z,
            PatientID=patient,
            SeriesInstanceUID=uid(number),
            StudyInstanceUID=uid(study),
            **header,
        )


def catalogue(folder: Path, **keys: Any) -> Catalogue:
    source = schema.FolderSource(kind="dicom", path=str(folder), matrix=8, **keys)
    return open_source("scans", source, base=folder, index_cache=None).catalogue()


@pytest.mark.parametrize(
    ("heights", "remark"),
    [
        ([0, 2, 4, 6], None),
        ([0, 2, 4.02, 5.99, 8], None),  # as scanners round
        ([0], None),
        ([0, 30], None),  # two slices: nobody knows the step
        ([0, 5, 7.5], "1 slice missing in 1 gap, the first between z 0 and 5 mm"),
        ([0, 2, 6, 8, 10], "1 slice missing in 1 gap, the first between z 2 and 6 mm"),
        (
            [-9, -8, -7, -3, -2, -1, 1, 2],
            "4 slices missing in 2 gaps, the first between z -7 and -3 mm",
        ),
    ],
)
def test_missing_slices_are_a_remark_and_refused_where_the_source_must_be_complete(
    tmp_path: Path, heights: list[float], remark: str | None
) -> None:
    write_series(tmp_path, 1, heights)
    found = catalogue(tmp_path)
    assert len(found.refs) == len(heights)
    if remark is None:
        assert found.remarks == ()
        assert catalogue(tmp_path, complete=True) == found
        return
    line = f"series {uid(1)} of patient P1: {remark}"
    assert found.remarks == (line,)
    with pytest.raises(BenchError, match="set complete: false") as caught:
        catalogue(tmp_path, complete=True)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_reconstructions_of_one_scan_are_both_used_and_a_remark_says_so(tmp_path: Path) -> None:
    write_series(tmp_path, 1, [0, 2, 4], SeriesDescription="soft")
    write_series(tmp_path, 2, [2, 4, 6], SeriesDescription="sharp")
    found = catalogue(tmp_path)
    assert (len(found.refs), found.patients) == (6, ("P1",))
    assert found.remarks == (
        "patient P1: soft (3 slices) and sharp (3 slices) are series of one study and share 2 positions; all "
        "slices are used, in one part; name the series you want under series:",
    )


def test_two_scans_are_no_remark(tmp_path: Path) -> None:
    """Another study of the patient may lie at the same table positions; two parts of one scan share none."""
    write_series(tmp_path, 1, [0, 2, 4])
    write_series(tmp_path, 2, [0, 2, 4], study=8)
    write_series(tmp_path, 3, [6, 8, 10])
    write_series(tmp_path, 4, [0, 2, 4], patient="P2")
    assert catalogue(tmp_path).remarks == ()


def test_series_named_by_uid(tmp_path: Path) -> None:
    write_series(tmp_path, 1, [0, 2, 4])
    write_series(tmp_path, 2, [0, 2])
    found = catalogue(tmp_path, series=(uid(2),))
    assert [ref.series for ref in found.refs] == [uid(2)] * 2
    assert found.refused == tuple(
        (f"1-{i}.dcm", "of a series that the source does not name") for i in range(3)
    )
    assert found.remarks == ()
    assert found.fingerprint != catalogue(tmp_path).fingerprint
    with pytest.raises(
        BenchError, match=rf"1 of 2 series are not there, first series {uid(7)}; correct series"
    ):
        catalogue(tmp_path, series=(uid(2), uid(7)))


DERIVED = {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}


def test_a_named_series_is_not_left_out_for_its_image_type_alone(tmp_path: Path) -> None:
    """Archives write the image type anew; a localizer, another plane or missing rescale values stay out."""
    write_series(tmp_path, 1, [0, 2, 4], **DERIVED)
    write_series(tmp_path, 2, [0, 2])
    assert [ref.series for ref in catalogue(tmp_path).refs] == [uid(2)] * 2
    assert {reason for _, reason in catalogue(tmp_path).refused} == {
        "derived image (DERIVED\\SECONDARY\\AXIAL)"
    }
    found = catalogue(tmp_path, series=(uid(1),))
    assert [ref.series for ref in found.refs] == [uid(1)] * 3
    (tmp_path / "mine.csv").write_text(f"{PINS}P1,{uid(9)},{uid(1)},3,0.01\n")
    assert catalogue(tmp_path, series="mine.csv") == found


@pytest.mark.parametrize(
    "header",
    [
        {"ImageType": ["DERIVED", "PRIMARY", "LOCALIZER"]},
        DERIVED | {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
        DERIVED | {"drop": ("RescaleSlope",)},
        DERIVED | {"RescaleType": "ED"},
    ],
)
def test_what_is_left_out_of_a_named_series_all_the_same(tmp_path: Path, header: dict[str, Any]) -> None:
    write_series(tmp_path, 1, [0, 2])
    write_series(tmp_path, 2, [0, 2], **header)
    with pytest.raises(BenchError, match=rf"1 of 2 series are not there, first series {uid(2)}"):
        catalogue(tmp_path, series=(uid(1), uid(2)))


PINS = "patient_id,study_instance_uid,series_instance_uid,slices,size_mb\n"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (f"P1,{uid(9)},{uid(1)},3,0.01", None),
        (f"P1,{uid(9)},{uid(1)},4,0.01", "of patient P1 has 3 slices, pinned are 4"),
        (f"P1,{uid(9)},{uid(1)},2,0.01", "of patient P1 has 3 slices, pinned are 2"),
        (f"P2,{uid(9)},{uid(1)},3,0.01", "is of patient P1, pinned is P2"),
        (f"P1,{uid(8)},{uid(1)},3,0.01", f"is of study {uid(9)}, pinned is {uid(8)}"),
        (
            f"P1,{uid(9)},{uid(5)},3,0.01",
            f"series {uid(5)} of patient P1; get them with: bench data fetch scans",
        ),
    ],
)
def test_a_pin_file_says_what_a_series_must_hold(tmp_path: Path, row: str, words: str | None) -> None:
    (tmp_path / "mine.csv").write_text(f"{PINS}{row}\n")
    write_series(tmp_path, 1, [0, 2, 4])
    write_series(tmp_path, 2, [0, 2, 4], patient="P3")
    if words is None:
        assert catalogue(tmp_path, series="mine.csv").patients == ("P1",)
        return
    with pytest.raises(BenchError, match=words) as caught:
        catalogue(tmp_path, series="mine.csv")
    assert "\n" not in str(caught.value)


def test_an_unknown_pin_file_names_the_packaged_ones(tmp_path: Path) -> None:
    write_series(tmp_path, 1, [0])
    with pytest.raises(BenchError, match=r"series: not found; packaged are: .*qin-lung-ct\.csv"):
        catalogue(tmp_path, series="other.csv")


@pytest.mark.parametrize("keys", [{"series": ("1.2",)}, {"complete": True}])
def test_only_dicom_has_series(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="are for kind dicom"):
        schema.FolderSource(kind="npz", path="x", **keys)


def test_what_a_person_sees_of_a_source(tmp_path: Path) -> None:
    write_series(tmp_path, 1, [0, 2, 6, 8])
    write_series(tmp_path, 2, [0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    source = schema.FolderSource(kind="dicom", path="x", licence="CC BY 3.0", citation="Somebody 2015")
    assert data_overview.of_source(catalogue(tmp_path), source).splitlines()[:4] == [
        "source scans: 4 slices, 1 patients",
        "licence: CC BY 3.0",
        "please cite: Somebody 2015",
        "1 files are not used",
    ]
    text = data_overview.of_source(catalogue(tmp_path), source)
    assert text.endswith("of patient P1: 1 slice missing in 1\n  gap, the first between z 2 and 6 mm")
