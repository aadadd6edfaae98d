"""Rule kfold over random collections: who is tested where, how even the folds are, and nothing leaks."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.config.schema import AnySplit, Counts, KFoldSplit
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.splits import choose, cohort
from bench.data.splits.kfold import deal, sub_cohorts
from bench.errors import BenchError

NAMES = st.from_regex(r"(A-|B|C-0|Q)[0-9]{1,3}", fullmatch=True)
SIZES = st.dictionaries(NAMES, st.integers(1, 40), min_size=6, max_size=25)
FEW_SLICES = st.dictionaries(NAMES, st.integers(1, 6), min_size=6, max_size=25)
FOLDS = st.integers(2, 6)


def make(sizes: dict[str, int]) -> Catalogue:
    refs = [
        SliceRef(p, f"{p}-{i}", "f", i, float(i), 1.0) for p, count in sizes.items() for i in range(count)
    ]
    return assemble("src", "npz", refs, fingerprint="fp")


def kfold(folds: int, validation: float = 0.2, seed: int = 0) -> AnySplit:
    return KFoldSplit(folds=folds, validation=validation, seed=seed)


@settings(max_examples=60)
@given(FEW_SLICES, FOLDS, st.floats(0.02, 0.6), st.integers(0, 4), st.integers(0, 9))
def test_every_slice_is_tested_once_and_never_trained_on_beside(
    sizes: dict[str, int], folds: int, validation: float, seed: int, shuffle: int
) -> None:
    found = make(sizes)
    chosen = choose(found, kfold(folds, validation, seed), Counts())
    assert [one.fold for one in chosen.selections] == list(range(1, folds + 1))
    tested = [ref for one in chosen.selections for ref in one.parts["test"]]
    assert Counter(tested) == Counter(found.refs)
    for one in chosen.selections:
        assert Counter(one.refs) == Counter(found.refs)
        who = [{ref.patient for ref in refs} for refs in one.parts.values()]
        assert all(who)
        assert sum(map(len, who)) == len(sizes)
    assert set(chosen.refs) == set(found.refs)
    assert len(chosen.refs) == len(found.refs)
    shuffled = list(found.refs)
    random.Random(shuffle).shuffle(shuffled)
    again = choose(replace(found, refs=tuple(shuffled)), kfold(folds, validation, seed), Counts())
    assert (again.sha256, again) == (chosen.sha256, chosen)


@settings(max_examples=80)
@given(SIZES, FOLDS, st.integers(0, 4))
def test_folds_are_even_in_slices_and_in_sub_cohorts(sizes: dict[str, int], folds: int, seed: int) -> None:
    """No fold has more slices than another by more than the largest patient; sub-cohorts by one patient."""
    cohorts = sub_cohorts(sizes)
    fold_of = deal(sizes, cohorts, folds, seed)
    held = [sum(sizes[p] for p in sizes if fold_of[p] == fold) for fold in range(folds)]
    assert max(held) - min(held) <= max(sizes.values())
    for name in set(cohorts.values()):
        counts = [sum(cohorts[p] == name and fold_of[p] == fold for p in sizes) for fold in range(folds)]
        assert max(counts) - min(counts) <= 1


def test_a_deal_by_hand() -> None:
    """Round by round: B (2 patients) first, then A; largest to the fold with fewest slices."""
    sizes = {"A1": 9, "A2": 7, "A3": 5, "A4": 3, "B1": 10, "B2": 6}
    # B1 -> 0 (10), B2 -> 1 (6); A1 -> 1 (15), A2 -> 0 (17); A3 -> 1 (20), A4 -> 0 (20)
    expected = {"B1": 0, "B2": 1, "A1": 1, "A2": 0, "A3": 1, "A4": 0}
    assert deal(sizes, sub_cohorts(sizes), 2, seed=0) == expected


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        ("QIN-LSC-0003", "QIN-LSC"),
        ("QIN-LUNG-01-0013", "QIN-LUNG-01"),
        ("R0259", "R"),
        ("P001", "P"),
        ("C012", "C"),
        ("patient 7", "patient"),
        ("0042", ""),
        ("alone", "alone"),
    ],
)
def test_the_sub_cohort_is_the_name_without_its_number(patient: str, expected: str) -> None:
    assert cohort(patient) == expected


def test_patients_alone_in_their_sub_cohort_are_dealt_together() -> None:
    assert sub_cohorts(["x", "y", "R1", "R2"]) == {"x": "", "y": "", "R1": "R", "R2": "R"}


def test_validation_has_every_sub_cohorts_share_and_leaves_a_single_patient_to_train() -> None:
    sizes = {f"R{n}": 5 for n in range(30)} | {f"S{n}": 5 for n in range(10)} | {"T1": 5, "T2": 5}
    for one in choose(make(sizes), kfold(2, 0.4), Counts()).selections:
        who = Counter(cohort(patient) for patient in {ref.patient for ref in one.parts["validation"]})
        assert who == {"R": 6, "S": 2}  # of the 15, 5 and 1 that do not test: 8 of 21
        assert "T" in {cohort(ref.patient) for ref in one.parts["train"]}


def test_the_seed_moves_patients_of_equal_size_only() -> None:
    equal = dict.fromkeys((f"P{n}" for n in range(12)), 4)
    assert deal(equal, sub_cohorts(equal), 3, 0) != deal(equal, sub_cohorts(equal), 3, 1)
    unequal = {f"P{n}": n + 1 for n in range(12)}
    assert deal(unequal, sub_cohorts(unequal), 3, 0) == deal(unequal, sub_cohorts(unequal), 3, 1)


def test_counts_thin_each_fold() -> None:
    chosen = choose(make(dict.fromkeys("ABCDEF", 10)), kfold(3), Counts(train=6, validation=2, test=4))
    assert [{part: len(refs) for part, refs in one.parts.items()} for one in chosen.selections] == [
        {"train": 6, "validation": 2, "test": 4}
    ] * 3


@pytest.mark.parametrize(
    ("patients", "folds", "said"),
    [
        (2, 2, "folds: source src has 2 patients, too few for 2 folds; add patients"),
        (4, 5, "folds: source src has 4 patients, too few for 5 folds; lower it"),
    ],
)
def test_too_few_patients_are_one_line(patients: int, folds: int, said: str) -> None:
    with pytest.raises(BenchError) as caught:
        choose(make({f"P{n}": 2 for n in range(patients)}), kfold(folds), Counts())
    assert str(caught.value) == said


def test_unknown_patients_cannot_be_folded() -> None:
    unknown = replace(make({"A": 3, "B": 3, "C": 3}), patients_known=False)
    with pytest.raises(BenchError, match="names no patients, so rule kfold cannot keep them apart"):
        choose(unknown, kfold(2), Counts())
