"""The tree of the 2016 challenge as it is given out: PatientID "Anonymous", patients by folder, several kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.sources.open import open_source
from bench.errors import BenchError
from tests.data import trees
from tests.dicoms import uid

BY_FOLDER = r"^(L\d+)/"


def test_patients_by_folder(tmp_path: Path) -> None:
    trees.challenge(tmp_path)
    found = trees.doses(tmp_path, patient_from=BY_FOLDER)
    assert found.patients == ("L001", "L002", "L003", "L004", "L005")
    assert [(ref.file, ref.z_mm) for ref in found.refs[:3]] == [
        (f"L001/full_1mm/{z}.IMA", 3.0 * z) for z in range(3)
    ]
    assert (found.patients_known, len(found.refs), found.refused, found.skipped) == (True, 15, (), ())
    other = trees.doses(tmp_path, patient_from=r"^L(\d+)/")
    assert other.patients == ("001", "002", "003", "004", "005")
    assert other.fingerprint != found.fingerprint


def test_partners_are_those_of_the_same_patient(tmp_path: Path) -> None:
    trees.challenge(tmp_path)
    value = {"kind": "pairs", "layout": "dicom", "path": ".", "matrix": trees.SIDE, "patient_from": BY_FOLDER}
    source = open_source("doses", trees.pairs(value | trees.CHALLENGE), base=tmp_path, index_cache=None)
    for place, ref in enumerate(source.catalogue().refs):
        patient, z = 1 + place // 3, place % 3
        degraded, reference, _ = source.pair(ref, "quarter", trees.SIDE)
        for image, kind in ((reference, 0), (degraded, 1)):
            hu = trees.body(10 * (10 * patient + kind) + z)
            assert image == pytest.approx(0.2 * (1 + hu / 1000), abs=1e-6)


def test_one_id_in_several_folders_names_the_rule(tmp_path: Path) -> None:
    trees.challenge(tmp_path)
    with pytest.raises(BenchError) as caught:
        trees.doses(tmp_path)
    text = str(caught.value)
    assert "PatientID 'Anonymous' stands in 5 folders (L001, L002, L003 and 2 more)" in text
    assert "set patient_from: '^([^/]+)/'" in text
    assert "\n" not in text
    assert trees.doses(tmp_path, patient_from="^([^/]+)/").patients[0] == "L001"  # as the line says


@pytest.mark.parametrize("outer", ["full_1mm", "1mm B30/full_1mm"])
def test_doses_above_patients_as_in_the_archive(tmp_path: Path, outer: str) -> None:
    """``1mm B30/full_1mm/L001/full_1mm/*.IMA``: the remedy counts the folders before the patient's."""
    trees.challenge(tmp_path / "tree", patients=4)
    for dose in ("full_1mm", "quarter_1mm"):
        for patient in range(1, 5):
            name = f"L{patient:03d}/{dose}"
            (tmp_path / "root" / outer.replace("full_1mm", dose) / f"L{patient:03d}").mkdir(parents=True)
            (tmp_path / "tree" / name).rename(tmp_path / "root" / outer.replace("full_1mm", dose) / name)
    with pytest.raises(BenchError, match=r"'Anonymous' stands in 4 folders \(L001") as caught:
        trees.doses(tmp_path / "root")
    rule = str(caught.value).split("patient_from: '")[1].split("'")[0]
    assert rule == "^" + "[^/]+/" * len(Path(outer).parts) + "([^/]+)/"
    assert trees.doses(tmp_path / "root", patient_from=rule).patients == ("L001", "L002", "L003", "L004")


def test_a_usual_id_in_several_folders_is_refused_for_doses_and_a_remark_for_slices(tmp_path: Path) -> None:
    trees.challenge(tmp_path, patient_id="CT0815")
    with pytest.raises(BenchError, match="PatientID 'CT0815' stands in 5 folders"):
        trees.doses(tmp_path)
    found = trees.catalogue(tmp_path)
    assert found.patients == ("CT0815",)
    assert found.remarks[0].startswith(
        "PatientID 'CT0815' stands in 5 folders (L001, L002, L003 and 2 more): "
    )


def test_an_id_that_names_nobody_is_refused_for_slices_too(tmp_path: Path) -> None:
    for number, name in ((1, "A"), (2, "B")):
        trees.series(tmp_path / "ct" / name, number, patient="ANON^")
    with pytest.raises(
        BenchError, match=r"'ANON\^' stands in 2 folders \(A, B\).*'\^\[\^/\]\+/\(\[\^/\]\+\)/'"
    ):
        trees.catalogue(tmp_path)
    assert trees.catalogue(tmp_path, patient_from="^[^/]+/([^/]+)/").patients == ("A", "B")


def test_a_folder_that_is_the_word_wins_over_one_that_contains_it(tmp_path: Path) -> None:
    trees.challenge(tmp_path, "full_1mm_sharp", "quarter_1mm_sharp", patient_id=None)
    found = trees.doses(tmp_path)
    assert {ref.file.split("/")[1] for ref in found.refs} == {"full_1mm"}
    assert (len(found.refs), found.skipped) == (15, (("file in a folder of no dose", 30),))
    sharp = trees.doses(
        tmp_path,
        reference="full_1mm_sharp",
        degraded={"quarter": "quarter_1mm_sharp", "plain": "quarter_1mm"},
    )
    assert {ref.series for ref in sharp.refs} == {uid(1000 * (10 * p + 2)) for p in range(1, 6)}


def test_words_that_leave_two_folders_name_both(tmp_path: Path) -> None:
    trees.challenge(tmp_path, "full_1mm_sharp", "quarter_1mm_sharp", patient_id=None)
    with pytest.raises(BenchError) as caught:
        trees.doses(tmp_path, reference="full", degraded={"quarter": "quarter"})
    text = str(caught.value)
    assert "L001/full_1mm_sharp/0.IMA: lies at the same position as L001/full_1mm/0.IMA" in text
    assert "folders full_1mm and full_1mm_sharp are both 'full' of patient L001" in text
    assert "give names to reference and degraded that tell them apart" in text


def test_the_longer_word_and_the_innermost_folder_say_more(tmp_path: Path) -> None:
    """``low`` stands in ``very low`` too; a study called after one dose holds folders of both."""
    for number, (name, folder) in enumerate(
        [("P1", "1 full"), ("P1", "2 low"), ("P1", "3 very low"), ("P2", "low study/full"),
         ("P2", "low study/low"), ("P2", "low study/very low")], start=1
    ):  # fmt: skip
        trees.series(tmp_path / name / folder, number, patient=name, StudyInstanceUID="1.2.3")
    with pytest.raises(BenchError, match="no patient"):
        trees.doses(tmp_path / "P1", reference="1 full", degraded={"other": "5"})
    found = trees.doses(tmp_path / "P1", reference="full", degraded={"a": "low", "b": "very low"})
    assert len(found.refs) == 3
    found = trees.doses(tmp_path / "P2", reference="full", degraded={"a": "low", "b": "very low"})
    assert {ref.file for ref in found.refs} == {f"low study/full/{z}.dcm" for z in range(3)}


def test_a_rule_for_pairs_in_folders(tmp_path: Path) -> None:
    """Other pairs too take their patients from the names of their files."""
    import numpy as np

    for room, more in (("clean", 0), ("noisy", 5)):
        (tmp_path / room).mkdir()
        for name in ("p1_a", "p1_b", "p2_a"):
            np.save(tmp_path / room / f"{name}.npy", (trees.body(1) + more) * 0.0002 + 0.2)
    source = trees.pairs(trees.PAIRS | {"patient_from": "^(p.)_"})
    found = open_source("pairs", source, base=tmp_path, index_cache=None).catalogue()
    assert (found.patients_known, found.patients, len(found.refs)) == (True, ("p1", "p2"), 3)
