"""First folders that are no patients, and folders with several scans. The trees are those of public challenges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.sources.patient_checks import Claim, check_claims
from bench.errors import BenchError
from tests.data import trees
from tests.data.files.test_listing import mask, scan


def test_nnunet_folders_are_no_patients(tmp_path: Path) -> None:
    for folder, numbers in (("imagesTr", (1, 2, 3)), ("imagesVal", (4,)), ("imagesTs", (5, 6))):
        for number in numbers:
            scan(tmp_path / folder / f"liver_{number:03d}_0000.nii.gz", number)
    for number in (1, 2, 3):
        mask(tmp_path / "labelsTr" / f"liver_{number:03d}.nii.gz")
    with pytest.raises(BenchError) as caught:
        trees.catalogue(tmp_path, "nifti")
    text = str(caught.value)
    assert "imagesTr, imagesTs, imagesVal: named as no patient is, and would be taken for one each" in text
    assert "if each file in it is a patient, set patient_from: '^[^/]+/([^/.]+)'" in text
    assert "\n" not in text
    found = trees.catalogue(tmp_path, "nifti", patient_from="^[^/]+/([^/.]+)")  # as the line says
    assert found.patients == tuple(f"liver_{number:03d}_0000" for number in range(1, 7))
    assert (found.skipped, found.remarks) == ((("mask", 3),), ())


@pytest.mark.parametrize("words", [("train", "test"), ("Full_1mm", "P2"), ("images",), ("val-1", "P1")])
def test_such_words_are_no_patients_of_slices_either(tmp_path: Path, words: tuple[str, ...]) -> None:
    for word in words:
        (tmp_path / word / "A").mkdir(parents=True)
        np.save(tmp_path / word / "A" / "1.npy", trees.body(1))
    with pytest.raises(
        BenchError, match=r"if each folder in it .* patient_from: '\^\[\^/\]\+/\(\[\^/\]\+\)/'"
    ):
        trees.catalogue(tmp_path, "npy", pixel_mm=0.8)
    found = trees.catalogue(tmp_path, "npy", pixel_mm=0.8, patient_from="^[^/]+/([^/]+)/")
    assert found.patients == ("A",)


@pytest.mark.parametrize(
    "name", ["P1", "trainer-07", "Fuller", "case_1", "LIDC-IDRI-0001", "R_004", "valentin"]
)
def test_names_of_patients_are_let_through(name: str) -> None:
    assert check_claims([Claim(f"{name}/a.npy", None), Claim(f"{name}/b.npy", None)], Path("x")) == []


def test_several_scans_straight_in_a_folder_are_a_remark(tmp_path: Path) -> None:
    """Two scans of one patient may honestly lie so."""
    for folder in ("hospital-A", "hospital-B"):
        for number in (1, 2):
            scan(tmp_path / folder / f"{number}.nii.gz", number)
    found = trees.catalogue(tmp_path, "nifti")
    assert found.patients == ("hospital-A", "hospital-B")
    assert found.remarks == (
        "2 scans lie straight in folder hospital-A (and 1 more such folders): taken as one patient; if each is a "
        "patient, set patient_from: '^[^/]+/([^/.]+)'",
    )


def test_a_table_is_a_persons_word(tmp_path: Path) -> None:
    scan(tmp_path / "imagesTr" / "1.nii.gz")
    (tmp_path / "patients.csv").write_text("file,patient\nimagesTr/1.nii.gz,X\n")
    found = trees.catalogue(tmp_path, "nifti")
    assert (found.patients, found.remarks) == (("X",), ())


@pytest.mark.parametrize("patient", ["0", "000000", "Anonymous", "ANONYMIZED^", "unknown", "de-identified"])
def test_ids_that_name_nobody(patient: str) -> None:
    claims = [Claim(f"tree/{name}/1.dcm", patient) for name in ("A", "B")]
    with pytest.raises(BenchError, match=r"stands in 2 folders \(A, B\)"):
        check_claims(claims, Path("x"))
    assert check_claims(claims[:1] * 2, Path("x")) == []  # one folder: one scan


def test_two_folders_of_one_id_are_a_remark(tmp_path: Path) -> None:
    claims = [
        Claim(f"{folder}/1.dcm", patient) for patient in ("P1", "P2", "P3") for folder in ("s1", patient)
    ]
    (remark,) = check_claims(claims, tmp_path)
    assert remark.startswith("PatientID 'P1' stands in 2 folders (P1, s1), and 2 other IDs do so: ")
