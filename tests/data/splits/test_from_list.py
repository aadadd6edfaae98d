"""Rule list: a file is taken at its word only where the source bears it out, and a split file is such a list."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.config import load as config
from bench.config.paths import located_split
from bench.config.schema import (
    AnySplit,
    Counts,
    FolderSource,
    KFoldSplit,
    ListSplit,
    OrderSplit,
    PatientSplit,
    ShareSplit,
)
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.sources.open import open_source
from bench.data.splits import PARTS, choose
from bench.errors import BenchError
from tests import dicoms, tiny

SIZES = {"A": 3, "B": 2, "C": 2, "Müller, K.": 2}


def make(sizes: dict[str, int]) -> Catalogue:
    refs = [
        SliceRef(p, f"z{i}", "f", i, float(i), 1.0, None, f"1.{p}")
        for p, n in sizes.items()
        for i in range(n)
    ]
    return assemble("src", "dicom", refs, fingerprint="fp")


def listed(folder: Path, text: str, leaky: str = "") -> AnySplit:
    place = folder / "own.csv"
    place.write_bytes(text.encode("utf-8"))
    return ListSplit(file=str(place), leaky=leaky)


def names(chosen: object) -> dict[str, list[str]]:
    return {part: [r.patient + r.name for r in refs] for part, refs in chosen.selections[0].parts.items()}  # type: ignore[attr-defined]


def test_whole_patients_and_single_slices(tmp_path: Path) -> None:
    text = '\ufeffpart,patient,slice\r\ntest,"Müller, K.",\r\n\r\nvalidation,C,z1\r\ntrain,A,z2\r\ntrain,A,z0\r\n'
    assert names(choose(make(SIZES), listed(tmp_path, text), Counts())) == {
        "train": ["Az0", "Az2"], "validation": ["Cz1"], "test": ["Müller, K.z0", "Müller, K.z1"],
    }  # fmt: skip


GOOD = "part,patient,slice\ntest,A,\nvalidation,B,\ntrain,C,\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: has no column part; needs part,patient[,slice]"),
        ("part;patient\ntest;A\n", "1: has no column part; needs part,patient[,slice]"),
        ("part,patient,slcie\n", "1: column 'slcie' is unknown; did you mean slice?"),
        ("part,patient,part\n", "1: column 'part' is there twice; did you mean part?"),
        ("part,patient\n", "1: lists no patients"),
        (GOOD + "train,C\n", "5: has 2 fields, the first line 3; put a name with a comma in quotes"),
        (GOOD + "train,Muller, K.,z0\n", "5: has 4 fields, the first line 3; put a name with a comma in quotes"),
        (GOOD + "tests,C,\n", "5: unknown part 'tests'; did you mean test?"),
        (GOOD + "train,,\n", "5: names no patient"),
        (GOOD + "train,Muller,\n", "5: source src has no patient Muller; the nearest is Müller, K."),
        (GOOD.replace("C,", "C,z7"), "4: patient C has no slice z7; the nearest is z1"),
        (GOOD + "train,C,z0\n", "5: slice z0 of patient C is already in train by line 4; remove one"),
        (GOOD + "train,C,\n", "5: patient C is already in train by line 4; remove one"),
        (GOOD + "train,A,\n", "5: patient A is already in test by line 2; remove one"),
        (
            GOOD.replace("A,", "A,z0") + "train,A,z1\n",
            "5: patient A is in train, and by line 2 in test; keep it in one part, or declare the split with "
            "leaky: and the reason",
        ),
        ("part,patient,fold\ntest,A,x\n", "2: fold 'x' is no number from 1"),
        ("part,patient,fold\ntest,A,0\n", "2: fold '0' is no number from 1"),
        ("part,patient,series_uid\ntest,A,1.9\n", "2: patient A has series 1.A in source src, pinned is 1.9; get"),
        ("part,patient,slices\ntest,A,4\n", "2: patient A has 3 slices, pinned are 4; get the pinned series"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BenchError) as caught:
        choose(make(SIZES), listed(tmp_path, text), Counts())
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path}/own.csv:{said}")


FOLDED = "part,patient,fold\ntest,A,1\nvalidation,B,1\ntrain,C,1\ntest,B,2\nvalidation,A,2\ntrain,C,2\n"


def test_a_list_of_folds(tmp_path: Path) -> None:
    one, two = choose(make(SIZES), listed(tmp_path, FOLDED), Counts()).selections
    assert (one.fold, two.fold) == (1, 2)
    assert (
        {ref.patient for ref in one.parts["test"]}
        == {ref.patient for ref in two.parts["validation"]}
        == {"A"}
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("test,B,2", "test,B,", "5: a fold is given on some lines only; give it on all lines, or on none"),
        ("test,B,2\nvalidation,A,2", "validation,B,2\ntest,A,2",
         "6: patient A is tested in fold 2, and by line 2 in another; test it in one fold only"),
        (",2\n", ",3\n", " has the folds [1, 3]; number them from 1"),
    ],
)  # fmt: skip
def test_faults_of_folds(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(BenchError) as caught:
        choose(make(SIZES), listed(tmp_path, FOLDED.replace(old, new)), Counts())
    assert f"{tmp_path}/own.csv:{said}" in str(caught.value).splitlines()


def test_all_faults_are_told_at_once_in_order(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as caught:
        choose(make(SIZES), listed(tmp_path, GOOD + "train,X,\ntrain,A,\n"), Counts())
    lines = [re.match(r".*own\.csv:(\d+): ", line) for line in str(caught.value).splitlines()]
    assert [match and match[1] for match in lines] == ["5", "6"]


def test_an_empty_part_is_refused(tmp_path: Path) -> None:
    text = "part,patient\ntest,A\ntrain,B\n"
    with pytest.raises(BenchError, match="validation: no slices for validation in source src"):
        choose(make(SIZES), listed(tmp_path, text), Counts())


def test_a_declared_leak_names_its_patients_and_still_no_slice_is_in_two_parts(tmp_path: Path) -> None:
    text = GOOD.replace("A,", "A,z0") + "train,A,z1\n"
    chosen = choose(make(SIZES), listed(tmp_path, text, leaky="on purpose"), Counts())
    assert chosen.leaky == "on purpose (patient A is in train and test)"
    with pytest.raises(BenchError, match="slice z0 of patient A is already in test"):
        choose(make(SIZES), listed(tmp_path, text + "train,A,z0\n", leaky="on purpose"), Counts())


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe\x00part", "is not UTF-8; save it"), (b'part,patient\ntest,"A\n', "cannot be read (")],
)
def test_what_is_no_table_is_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    place = tmp_path / "own.csv"
    place.write_bytes(content)
    with pytest.raises(BenchError) as caught:
        choose(make(SIZES), ListSplit(file=str(place)), Counts())
    assert str(caught.value).startswith(f"{place}: {words}")
    assert "\n" not in str(caught.value)


def test_series_of_dicom_files_are_held_against_their_pins(tmp_path: Path) -> None:
    for number, patient in enumerate(("A", "B", "C"), start=1):
        header = {"number": number, "PatientID": patient, "SeriesInstanceUID": dicoms.uid(1000 + number)}
        dicoms.write_ct(
            tmp_path / "scans" / f"{patient}.dcm", dicoms.unsigned(0).repeat(2, 0).repeat(2, 1), **header
        )
    source = FolderSource(kind="dicom", path="scans", matrix=2)
    found = open_source("scans", source, base=tmp_path, index_cache=None).catalogue()
    pins = [
        f"{part},{p},{dicoms.uid(1000 + n)}"
        for n, (part, p) in enumerate(zip(PARTS, "ABC", strict=True), start=1)
    ]
    text = "\n".join(["part,patient,series_uid", *pins])
    assert len(choose(found, listed(tmp_path, text), Counts()).refs) == 3
    other = text.replace(dicoms.uid(1002), "1.2.3")
    with pytest.raises(BenchError) as caught:
        choose(found, listed(tmp_path, other), Counts())
    assert str(caught.value).startswith(
        f"{tmp_path}/own.csv:3: patient B has series {dicoms.uid(1002)} in source scans, pinned is 1.2.3; get"
    )


# --- a split file is a list ---

SPLITS = st.sampled_from(
    [
        PatientSplit(test=("P1",), validation=("P2",)),
        ShareSplit(test=0.3, validation=0.2),
        OrderSplit(test=4, validation=0.2, leaky="so"),
        KFoldSplit(folds=3, validation=0.3),
    ]
)


@example([3, 3, 3, 3, 3], OrderSplit(test=4, validation=0.2, leaky="so"), 1)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(3, 9), min_size=5, max_size=9), SPLITS, st.none() | st.integers(1, 9))
def test_a_split_file_given_back_is_the_same_split(
    tmp_path: Path, sizes: list[int], split: AnySplit, most: int | None
) -> None:
    found = make({f"P{n}": size for n, size in enumerate(sizes)})
    made = choose(found, split, Counts(train=most))
    again = choose(found, listed(tmp_path, made.text, leaky=split.leaky), Counts())
    assert (again.text, again.sha256) == (made.text, made.sha256)
    assert [one.hash for one in again.selections] == [one.hash for one in made.selections]
    assert again.leaky == made.leaky


def test_the_file_written_out() -> None:
    split = PatientSplit(test=("A",), validation=("Müller, K.",), train=("B",))
    assert choose(make({"B": 1, "A": 2, "Müller, K.": 1}), split, Counts()).text == (
        'part,fold,patient,slice\ntrain,,B,z0\nvalidation,,"Müller, K.",z0\ntest,,A,z0\ntest,,A,z1\n'
    )


def test_patients_unknown_can_be_listed_slice_by_slice(tmp_path: Path) -> None:
    unknown = replace(make({"unknown": 4}), patients_known=False)
    text = "part,patient,slice\ntrain,unknown,z0\ntrain,unknown,z1\nvalidation,unknown,z2\ntest,unknown,z3\n"
    assert len(choose(unknown, listed(tmp_path, text), Counts()).refs) == 4


# --- where the file is ---


def located(folder: Path, file: str) -> str | None:
    text = tiny.DATASETS.replace(
        "rule: patients, test: [P001], validation: [P002]", f"rule: list, file: {file}"
    )
    tiny.write(folder, text)
    settings = config.load(folder / "datasets.yaml", folder / "experiments.yaml")
    return located_split(settings, "phantom").file


def test_a_list_lies_beside_datasets_yaml_or_comes_with_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_LISTS", str(tmp_path / "lists"))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "mine.csv").write_text(GOOD)
    assert located(tmp_path, '"${OWN_LISTS}/mine.csv"') == str(tmp_path / "lists" / "mine.csv")
    assert located(tmp_path, "lists/mine.csv") == str(tmp_path / "lists" / "mine.csv")
    packaged = located(tmp_path, "clean-354.csv")
    assert packaged is not None and Path(packaged).parts[-3:] == ("defaults", "splits", "clean-354.csv")
    (tmp_path / "clean-354.csv").write_text(GOOD)
    assert located(tmp_path, "clean-354.csv") == str(tmp_path / "clean-354.csv")
    with pytest.raises(BenchError) as caught:
        located(tmp_path, "lists/clean-354.csv")
    assert str(caught.value) == (
        f"{tmp_path}/datasets.yaml:11: splits.phantom.file: {tmp_path}/lists/clean-354.csv is no file; "
        "packaged are: clean-354.csv"
    )
    monkeypatch.delenv("OWN_LISTS")
    with pytest.raises(BenchError, match=r"datasets\.yaml:11: splits\.phantom\.file: OWN_LISTS is not set"):
        located(tmp_path, '"${OWN_LISTS}/mine.csv"')
