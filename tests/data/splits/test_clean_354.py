"""The packaged split of QIN LUNG CT: its rule recomputed, its pins against the pinned series, and what it refuses.

Oracle: facts about the collection kept here as a table of their own, and the list of series that is fetched.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import pytest

from bench.config import schema
from bench.config.packaged import packaged
from bench.data.files.pins import read_pins
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.splits import choose as choose_folds
from bench.data.splits import cohort
from bench.errors import BenchError, BenchErrors

LIST = Path(__file__).parents[3] / "bench/defaults/splits/clean-354.csv"
SPLIT = schema.ListSplit(file=str(LIST))

# Facts about the series of QIN LUNG CT (doi 10.7937/K9/TCIA.2015.NPGZYZBZ) in the NCI Imaging Data Commons:
# patient, slices, manufacturer, scanner. S: Siemens, G: GE, T: Toshiba.
SERIES = """
QIN-LSC-0003 130 S Sensation40|QIN-LSC-0009 150 S Sensation16|QIN-LSC-0014 109 S Sensation40
QIN-LSC-0028 112 S Sensation16|QIN-LSC-0049 110 S Sensation40|QIN-LSC-0055 125 S Sensation40
QIN-LSC-0064 103 S Sensation64|QIN-LSC-0088 104 S Sensation16|QIN-LUNG-01-0007 118 S Sensation64
QIN-LUNG-01-0013 113 S Sensation16|R0004 68 G LightSpeed16|R0013 67 S Sensation16|R0017 70 S Sensation16
R0018 63 S VolumeZoom|R0019 63 S Sensation16|R0022 80 S Sensation16|R0033 67 S VolumeZoom
R0052 92 S Sensation64|R0056 62 S Sensation40|R0064 63 S VolumeZoom|R0065 69 S Sensation40
R0077 81 S Sensation16|R0079 62 S Sensation16|R0080 80 S Sensation64|R0086 73 S Sensation16
R0098 88 S Sensation16|R0100 75 S Sensation16|R0102 75 T Aquilion|R0108 66 S Sensation40
R0117 78 S Sensation64|R0126 71 S Sensation40|R0127 68 S VolumeZoom|R0144 93 G DiscoveryLS
R0146 87 S VolumeZoom|R0150 77 S Sensation16|R0166 75 S Sensation16|R0180 68 S Sensation16
R0182 69 S VolumeZoom|R0191 76 S Sensation64|R0204 92 S Sensation64|R0223 170 G LightSpeedVCT
R0238 67 S VolumeZoom|R0259 58 S Sensation16|R0263 62 S Sensation16|R0267 69 S Sensation16
R0273 62 S Sensation16|R0274 74 S Sensation40
"""
PATIENTS = {
    words[0]: (int(words[1]), words[2], words[3])
    for words in (entry.split() for entry in SERIES.strip().replace("\n", "|").split("|"))
}


def rows() -> list[dict[str, str]]:
    with open(LIST, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def part(name: str) -> tuple[str, ...]:
    return tuple(row["patient"] for row in rows() if row["part"] == name)


def slices(patients: tuple[str, ...]) -> int:
    return sum(PATIENTS[patient][0] for patient in patients)


def of(name: str, left: set[str]) -> list[str]:
    return sorted(patient for patient in left if cohort(patient) == name)


def rank(group: tuple[str, ...]) -> tuple[object, ...]:
    """Most manufacturers, then most scanner models, then the first by name."""
    return (*(-len({PATIENTS[p][column] for p in group}) for column in (1, 2)), group)


def test_the_facts_are_those_of_the_pinned_series() -> None:
    pins = read_pins(packaged("pinned/qin-lung-ct.csv"))
    assert {pin.patient: pin.slices for pin in pins} == {p: facts[0] for p, facts in PATIENTS.items()}
    assert len(PATIENTS) == len(pins) == 47
    with open(packaged("pinned/qin-lung-ct.csv"), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            _, maker, scanner = PATIENTS[row["patient_id"]]
            assert (row["manufacturer"][0], row["scanner"].replace(" ", "")) == (maker, scanner)


def test_every_patient_is_listed_once_with_its_pinned_series() -> None:
    pins = {pin.patient: (pin.series, pin.slices) for pin in read_pins(packaged("pinned/qin-lung-ct.csv"))}
    found = {row["patient"]: (row["series_uid"], int(row["slices"])) for row in rows()}
    assert found == pins
    assert len(rows()) == 47


def test_354_slices_of_all_sub_cohorts_by_the_stated_rule() -> None:
    three = {"QIN-LSC": 8, "QIN-LUNG-01": 2, "R": 37}
    everyone = set(PATIENTS)
    assert {name: len(of(name, everyone)) for name in three} == three
    pairs = list(combinations(of("R", everyone), 2))
    sets = [
        (a, b, *two) for a, b, two in product(of("QIN-LSC", everyone), of("QIN-LUNG-01", everyone), pairs)
    ]
    fitting = [group for group in sets if slices(group) == 354]
    assert len(fitting) == 147
    assert part("test") == min(fitting, key=rank) == ("QIN-LSC-0049", "QIN-LUNG-01-0007", "R0004", "R0259")


def test_validation_by_the_stated_rule_and_the_rest_trains() -> None:
    left = set(PATIENTS) - set(part("test"))
    sets = [(a, *two) for a, two in product(of("QIN-LSC", left), combinations(of("R", left), 2))]
    best = min(sets, key=lambda group: (abs(slices(group) - 270), rank(group)))
    assert part("validation") == best
    assert (slices(part("validation")), slices(part("train"))) == (270, 3330)
    assert {cohort(patient) for patient in part("train")} == {"QIN-LSC", "QIN-LUNG-01", "R"}
    assert set(part("train")) == left - set(best)


def collection() -> Catalogue:
    """Return slices named and pinned as the collection's are; their pixels are never asked for."""
    uids = {row["patient"]: row["series_uid"] for row in rows()}
    refs = [
        SliceRef(patient, f"{uids[patient]}.{n}", "f", 0, float(n), 0.7, series=uids[patient])
        for patient, (count, _, _) in PATIENTS.items()
        for n in range(count)
    ]
    return assemble("qin", "dicom", refs, fingerprint="f")


def test_the_split_of_the_collection_itself() -> None:
    (chosen,) = choose_folds(collection(), SPLIT, schema.Counts()).selections
    assert {name: len(refs) for name, refs in chosen.parts.items()} == {
        "train": 3330, "validation": 270, "test": 354,
    }  # fmt: skip


def altered(patient: str, series: str | None) -> Catalogue:
    found = collection()
    refs = tuple(replace(ref, series=series) if ref.patient == patient else ref for ref in found.refs)
    return replace(found, refs=refs)


@pytest.mark.parametrize(("series", "words"), [("1.2.3", "series 1.2.3"), (None, "no series")])
def test_another_series_is_refused_with_patient_and_both_uids(series: str | None, words: str) -> None:
    pinned = next(row["series_uid"] for row in rows() if row["patient"] == "R0004")
    with pytest.raises(BenchErrors) as caught:
        choose_folds(altered("R0004", series), SPLIT, schema.Counts())
    line = 1 + next(number for number, row in enumerate(rows(), start=1) if row["patient"] == "R0004")
    assert str(caught.value) == (
        f"{LIST}:{line}: patient R0004 has {words} in source qin, pinned is {pinned}; "
        "get the pinned series, or list your own patients"
    )


def test_one_slice_of_a_second_series_is_seen() -> None:
    found = collection()
    odd = replace(found.refs[-1], series="9.9")
    with pytest.raises(BenchError, match=rf"patient {odd.patient} has series 9\.9 "):
        choose_folds(replace(found, refs=(*found.refs[:-1], odd)), SPLIT, schema.Counts())


def test_a_missing_slice_is_refused_and_so_354_stay_354() -> None:
    found = collection()
    gone = next(place for place, ref in enumerate(found.refs) if ref.patient == "R0259")
    with pytest.raises(
        BenchErrors, match="patient R0259 has 57 slices, pinned are 58; get the pinned series"
    ):
        choose_folds(replace(found, refs=found.refs[:gone] + found.refs[gone + 1 :]), SPLIT, schema.Counts())


def test_another_collection_is_refused_patient_by_patient_but_not_endlessly() -> None:
    other = assemble("own", "npz", [SliceRef("A", "a", "f", 0, 0.0, 1.0)], fingerprint="f")
    with pytest.raises(BenchErrors) as caught:
        choose_folds(other, SPLIT, schema.Counts())
    lines = str(caught.value).splitlines()
    assert "source own has no patient" in lines[0]
    assert lines[-1] == f"{LIST}: 27 further lines are faulty"
    assert len(lines) == 21
