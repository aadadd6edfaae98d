"""Names that look the same and are not: an ``ü`` as one character (NFC) here, as two (NFD) there."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from bench.config import schema
from bench.data.files.dicom_series import check_pin
from bench.data.files.pins import Pin
from bench.data.files.scan import DicomHeader, FileScan, SourceFile
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import open_source
from bench.data.splits import choose
from bench.errors import BenchError
from bench.names import nfc, on_disk
from tests.data import trees

ONE, TWO = "Müller", unicodedata.normalize("NFD", "Müller")
BOTH = pytest.mark.parametrize(("disk", "written"), [(ONE, TWO), (TWO, ONE)])


def tree(root: Path, name: str) -> None:
    for number, patient in enumerate((name, "P2", "P3"), start=1):
        (root / patient).mkdir(parents=True)
        np.save(root / patient / f"{name}.npy", trees.body(number))


def npy(root: Path, **keys: str) -> Catalogue:
    return trees.catalogue(root, "npy", pixel_mm=0.8, **keys)


def test_the_two_are_different_texts() -> None:
    assert (len(ONE), len(TWO), ONE == TWO, nfc(TWO) == ONE) == (6, 7, False, True)


@BOTH
def test_a_table_of_patients(tmp_path: Path, disk: str, written: str) -> None:
    tree(tmp_path, disk)
    rows = "".join(f"{patient}/{written}.npy,{patient}-x\n" for patient in (written, "P2", "P3"))
    (tmp_path / "patients.csv").write_text(f"file,patient\n{rows}", encoding="utf-8")
    assert npy(tmp_path).patients == (f"{ONE}-x", "P2-x", "P3-x")


@BOTH
def test_a_rule_for_names(tmp_path: Path, disk: str, written: str) -> None:
    tree(tmp_path, disk)
    assert npy(tmp_path, patient_from=f"^({written}|P.)/").patients == (ONE, "P2", "P3")


@BOTH
@pytest.mark.parametrize("rule", ["patients", "list"])
def test_a_split(tmp_path: Path, disk: str, written: str, rule: str) -> None:
    tree(tmp_path / "scans", disk)
    split = schema.PatientSplit(test=(written,), validation=("P2",))
    if rule == "list":
        rows = f"test,{written},{written}/{written}\nvalidation,P2,\ntrain,P3,\n"
        (tmp_path / "own.csv").write_text(f"part,patient,slice\n{rows}", encoding="utf-8")
        split = schema.ListSplit(file=str(tmp_path / "own.csv"))
    (one,) = choose(npy(tmp_path / "scans"), split, schema.Counts()).selections
    assert [(ref.patient, ref.file) for ref in one.parts["test"]] == [(ONE, f"{disk}/{disk}.npy")]


@BOTH
def test_pairs_whose_partners_are_spelled_otherwise(tmp_path: Path, disk: str, written: str) -> None:
    for room, name, mu in ((disk, disk, 0.2), ("noisy", written, 0.3)):
        (tmp_path / room).mkdir()
        np.save(tmp_path / room / f"{name}.npy", np.full((4, 4), mu))
    value = {
        "kind": "pairs",
        "layout": "folders",
        "path": ".",
        "reference": written,
        "degraded": {"n": "noisy"},
    }
    source = open_source("pairs", trees.pairs(value), base=tmp_path, index_cache=None)
    (ref,) = source.catalogue().refs
    degraded, reference, _ = source.pair(ref, "n", 4)
    assert (degraded[0, 0], reference[0, 0]) == (pytest.approx(0.3), pytest.approx(0.2))


@BOTH
def test_the_name_of_a_dose_and_a_pinned_patient(tmp_path: Path, disk: str, written: str) -> None:
    for number, dose in ((1, "voll"), (2, disk)):
        trees.series(tmp_path / "P1" / dose, number, patient="P1")
    found = trees.doses(tmp_path, reference="voll", degraded={"low": written})
    assert len(found.refs) == 3
    header = DicomHeader("1.4", "1.3", "1.2", "", "", (0.0, 0.0))
    files = [SourceFile("a.dcm", FileScan(patient=disk, header=header), "as the source says it")]
    check_pin(Pin(written, "1.2", "1.3", 1, 1), files, tmp_path)
    with pytest.raises(BenchError, match="is of patient"):
        check_pin(Pin("Muller", "1.2", "1.3", 1, 1), files, tmp_path)


@BOTH
def test_a_path_is_found_as_it_is_spelled(tmp_path: Path, disk: str, written: str) -> None:
    (tmp_path / disk / disk).mkdir(parents=True)
    assert on_disk(tmp_path / written / written) == tmp_path / disk / disk
    assert on_disk(tmp_path / written / "other") == tmp_path / disk / "other"
    assert on_disk(tmp_path / disk) == tmp_path / disk


def test_two_spellings_of_one_slice_are_named(tmp_path: Path) -> None:
    (tmp_path / "P1").mkdir()
    for name in (ONE, TWO):
        np.save(tmp_path / "P1" / f"{name}.npy", trees.body(1))
    with pytest.raises(BenchError, match="two slices of patient P1 have the same name"):
        npy(tmp_path)


def test_the_fingerprint_is_of_the_names_and_not_of_their_spelling(tmp_path: Path) -> None:
    for root, name in (("a", ONE), ("b", TWO)):
        tree(tmp_path / root, name)
    assert npy(tmp_path / "a").fingerprint == npy(tmp_path / "b").fingerprint
