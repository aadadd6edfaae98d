"""Places of slices: told apart by patient and study too, and two acquisitions in one series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from bench.config import schema
from bench.errors import BenchError
from tests.data import trees
from tests.dicoms import uid, write_ct

PATIENTS = ("PA", "PB", "PC", "PD", "PE")


def five(root: Path, **header: Any) -> None:
    for number, patient in enumerate(PATIENTS, start=1):
        trees.series(root / patient, number, patient=patient, **header)


def test_an_empty_series_uid_is_said_and_patients_are_told_apart(tmp_path: Path) -> None:
    five(tmp_path, drop=("SeriesInstanceUID",))
    found = trees.catalogue(tmp_path)
    assert (found.patients, len(found.refs)) == (PATIENTS, 15)
    assert found.remarks == (
        "SeriesInstanceUID is empty in 15 slices: scans are told apart by patient and study",
    )


@pytest.mark.parametrize("study", [{}, {"StudyInstanceUID": uid(5)}])
def test_a_shared_series_uid_is_said_and_patients_are_told_apart(
    tmp_path: Path, study: dict[str, str]
) -> None:
    five(tmp_path, SeriesInstanceUID=uid(3), **study)
    found = trees.catalogue(tmp_path)
    assert (found.patients, len(found.refs)) == (PATIENTS, 15)
    assert found.remarks == (
        f"SeriesInstanceUID {uid(3)} is shared by 5 studies of patients PA, PB, PC and 2 more: scans are told "
        "apart by patient and study",
    )


def test_a_gap_is_seen_in_each_scan_of_a_shared_uid(tmp_path: Path) -> None:
    five(tmp_path, SeriesInstanceUID=uid(3))
    for z in range(3):  # PA's scan anew, in two halves: one slice is missing between 6 and 12 mm
        header = {"PatientID": "PA", "SeriesInstanceUID": uid(3), "StudyInstanceUID": uid(77)}
        for half in (0, 12):
            write_ct(
                tmp_path / "PA" / f"{half + z}.dcm", trees.body(z), number=1 + half + z, z=half + 3.0 * z,
                RescaleIntercept=0, **header,
            )  # fmt: skip
    gap = [remark for remark in trees.catalogue(tmp_path).remarks if "missing" in remark]
    assert gap == [
        f"series {uid(3)} of patient PA: 1 slice missing in 1 gap, the first between z 6 and 12 mm"
    ]


def test_patients_that_a_rule_names_tell_places_apart(tmp_path: Path) -> None:
    five(tmp_path, PatientID="", SeriesInstanceUID="", StudyInstanceUID="")
    assert trees.catalogue(tmp_path, patient_from="^(P.)/").patients == PATIENTS
    with pytest.raises(
        BenchError, match="its SeriesInstanceUID is empty, so two series cannot be told apart; "
    ):
        trees.catalogue(tmp_path, patient_from="^(P)")


# --- two phases in one series ---


def phases(
    root: Path, patient: str = "P1", *, first: int = 1, second: int = 2, together: bool = True
) -> None:
    """Write two acquisitions at equal positions, as arterial and portal phase, in one series unless told."""
    for number, acquisition in ((1, first), (2, second)):
        series = uid(5 if together else number)
        trees.series(
            root / patient / str(number), number + 10 * ord(patient[-1]), patient=patient,
            AcquisitionNumber=acquisition, SeriesInstanceUID=series, StudyInstanceUID=uid(6),
        )  # fmt: skip


def test_two_acquisitions_in_one_series_are_named_with_the_key_that_chooses(tmp_path: Path) -> None:
    phases(tmp_path)
    with pytest.raises(BenchError) as caught:
        trees.catalogue(tmp_path)
    text = str(caught.value)
    assert (
        f"series {uid(5)} of patient P1 holds 2 acquisitions, numbers 1 (3 slices) and 2 (3 slices)" in text
    )
    assert text.endswith("; choose one: set acquisition: 1 (up to 2) in the source")
    assert "\n" not in text


@pytest.mark.parametrize(("first", "second"), [(1, 2), (9, 10), (0, 3)])
@pytest.mark.parametrize("chosen", [1, 2])
def test_one_acquisition_is_used_by_its_rank(tmp_path: Path, first: int, second: int, chosen: int) -> None:
    phases(tmp_path, first=first, second=second)
    phases(tmp_path, "P2", first=7, second=7, together=False)  # two series: both stay
    found = trees.catalogue(tmp_path, acquisition=chosen)
    numbers = first, second
    assert [ref.file for ref in found.refs if ref.patient == "P1"] == [
        f"P1/{chosen}/{z}.dcm" for z in range(3)
    ]
    assert len([ref for ref in found.refs if ref.patient == "P2"]) == 6
    other = 3 - chosen
    reason = f"of acquisition {numbers[other - 1]}; used is {numbers[chosen - 1]}"
    assert found.refused == tuple((f"P1/{other}/{z}.dcm", reason) for z in range(3))


def test_a_third_acquisition_of_two_is_refused(tmp_path: Path) -> None:
    phases(tmp_path)
    with pytest.raises(BenchError, match=r"acquisition: series .* holds 2 acquisitions, not 3; correct it"):
        trees.catalogue(tmp_path, acquisition=3)


def test_numbers_that_explain_nothing_leave_the_old_remedy(tmp_path: Path) -> None:
    phases(tmp_path, first=1, second=1)
    with pytest.raises(BenchError, match=r"as P1/1/0\.dcm; remove one$"):
        trees.catalogue(tmp_path, acquisition=2)


def test_doses_choose_an_acquisition_too(tmp_path: Path) -> None:
    for number, (dose, acquisition) in enumerate(
        ((d, a) for d in ("full_1mm", "quarter_1mm") for a in (1, 2)), 1
    ):
        trees.series(
            tmp_path / "P1" / dose / str(acquisition), number, patient="P1", AcquisitionNumber=acquisition,
            SeriesInstanceUID=uid(len(dose)), StudyInstanceUID=uid(6),
        )  # fmt: skip
    with pytest.raises(BenchError, match=r"holds 2 acquisitions, .*set acquisition: 1"):
        trees.doses(tmp_path)
    found = trees.doses(tmp_path, acquisition=2)
    assert [ref.file for ref in found.refs] == [f"P1/full_1mm/2/{z}.dcm" for z in range(3)]
    assert len(found.refused) == 6


@pytest.mark.parametrize(
    "value",
    [{"kind": "npz", "path": "x"}, {"kind": "pairs", "path": "x", "layout": "study"}],
)
def test_only_dicom_has_acquisitions(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="acquisition"):
        TypeAdapter(schema.AnySource).validate_python(value | {"acquisition": 1})
