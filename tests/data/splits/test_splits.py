"""Oracles: counts by hand, set properties over random catalogues, planted leaks."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.config.schema import AnySplit, Counts, FolderSplit, PatientSplit, ShareSplit
from bench.data import splits
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.splits import PARTS, Parts, Selection, check_patients, identities, thin
from bench.errors import BenchError


def make(sizes: dict[str, int], order: int | None = None) -> Catalogue:
    refs = [SliceRef(p, f"{p}-{i}", f"{p}.npz", i, float(i), 1.0) for p, n in sizes.items() for i in range(n)]
    if order is not None:
        random.Random(order).shuffle(refs)
        return Catalogue("src", "npz", tuple(refs), "fp", True)
    return assemble("src", "npz", refs, fingerprint="fp")


def choose(catalogue: Catalogue, split: AnySplit, counts: Counts) -> Selection:
    """Return the only selection of a split without folds."""
    (one,) = splits.choose(catalogue, split, counts).selections
    return one


def patients(parts: Parts) -> dict[str, set[str]]:
    return {part: {ref.patient for ref in refs} for part, refs in parts.items()}


SIZES = st.dictionaries(
    st.text("ABC123", min_size=1, max_size=4), st.integers(1, 12), min_size=3, max_size=12
)
SHARE = st.floats(0.05, 0.45)
COUNT = st.one_of(st.none(), st.integers(1, 20))


@settings(max_examples=60)
@given(SIZES, SHARE, SHARE, st.integers(0, 5), COUNT, COUNT, st.integers(0, 9))
def test_shares_never_put_a_patient_in_two_parts(
    sizes: dict[str, int],
    test: float,
    validation: float,
    seed: int,
    most: int | None,
    few: int | None,
    order: int,
) -> None:
    split = ShareSplit(test=test, validation=validation, seed=seed)
    counts = Counts(train=most, validation=few, test=few)
    chosen = choose(make(sizes), split, counts)
    groups = list(patients(chosen.parts).values())
    assert all(groups)
    assert sum(len(group) for group in groups) == len(set().union(*groups))
    for part, limit in (("train", most), ("validation", few), ("test", few)):
        assert limit is None or len(chosen.parts[part]) <= limit
        assert len(set(chosen.parts[part])) == len(chosen.parts[part])
    assert choose(make(sizes, order), split, counts) == chosen
    assert choose(make(sizes), split, counts).hash == chosen.hash


def test_shares_are_the_shares() -> None:
    chosen = choose(make(dict.fromkeys("ABCDEFGHIJ", 3)), ShareSplit(test=0.3, validation=0.2), Counts())
    assert {part: len(group) for part, group in patients(chosen.parts).items()} == {
        "train": 5,
        "validation": 2,
        "test": 3,
    }
    other = ShareSplit(test=0.3, validation=0.2, seed=1)
    assert choose(make(dict.fromkeys("ABCDEFGHIJ", 3)), other, Counts()).parts != chosen.parts


def test_a_further_patient_moves_few_others() -> None:
    """At most the patients at the two borders of the draw change their part."""
    split = ShareSplit(test=0.2, validation=0.2)
    sizes = {f"P{i}": 1 for i in range(40)}
    before = choose(make(sizes), split, Counts()).parts
    after = choose(make(sizes | {"new": 1}), split, Counts()).parts
    part_of = {ref.patient: part for part, refs in after.items() for ref in refs}
    moved = [ref.patient for part, refs in before.items() for ref in refs if part_of[ref.patient] != part]
    assert len(moved) <= 2


def test_three_patients_make_three_parts_whatever_the_shares() -> None:
    chosen = choose(make(dict.fromkeys("ABC", 2)), ShareSplit(test=0.5, validation=0.4), Counts())
    assert [len(group) for group in patients(chosen.parts).values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("sizes", "test", "words"),
    [
        ({"A": 2, "B": 2}, 0.2, "2 patients; three parts need at least 3"),
        (dict.fromkeys("ABCD", 1), 0.9, "shares"),
    ],
)
def test_shares_that_cannot_be(sizes: dict[str, int], test: float, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        choose(make(sizes), ShareSplit(test=test, validation=0.2), Counts())


def test_listed_patients_and_the_rest_trains() -> None:
    chosen = choose(
        make({"A": 1, "B": 2, "C": 3, "D": 4}), PatientSplit(test=("B",), validation=("D",)), Counts()
    )
    assert patients(chosen.parts) == {"train": {"A", "C"}, "validation": {"D"}, "test": {"B"}}
    assert [ref.name for ref in chosen.refs] == [
        "A-0",
        "C-0",
        "C-1",
        "C-2",
        "D-0",
        "D-1",
        "D-2",
        "D-3",
        "B-0",
        "B-1",
    ]
    some = choose(
        make({"A": 1, "B": 2, "C": 3, "D": 4}),
        PatientSplit(test=("B",), validation=("D",), train=("C",)),
        Counts(),
    )
    assert patients(some.parts)["train"] == {"C"}


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (
            PatientSplit(test=("R0059",), validation=("R0100",)),
            "test: source src has no patient R0059; the nearest is R0058",
        ),
        (PatientSplit(test=("R0058",), validation=("R0058",)), "patient R0058 is in test and in validation"),
        (
            PatientSplit(test=("R0058",), validation=("R0100",), train=("R0100",)),
            "R0100 is in validation and in train",
        ),
        (PatientSplit(test=(), validation=("R0100",)), "no slices for test"),
        (PatientSplit(test=("R0058",), validation=("R0100", "X")), "no slices for train"),
        (FolderSplit(validation=0.1), "no train and test folders"),
    ],
)
def test_faults_of_a_split_are_named(split: AnySplit, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        choose(make(dict.fromkeys(["R0058", "R0100", "X"], 2)), split, Counts())


def test_unknown_patients_cannot_be_kept_apart() -> None:
    known = make({"A": 1, "B": 1, "C": 1})
    unknown = Catalogue("src", "pairs", known.refs, "fp", patients_known=False)
    for split in (PatientSplit(test=("A",), validation=("B",)), ShareSplit(test=0.3, validation=0.3)):
        with pytest.raises(BenchError, match=r"names no patients.*use rule: folders"):
            choose(unknown, split, Counts())


def foldered(known: bool, names: dict[str, str]) -> Catalogue:
    """Return ten slices of train, t1 to t10, and one of test; ``names`` gives patients."""
    refs = [SliceRef(names.get(f"t{i}", "u"), f"t{i}", "f", 0, None, 1.0, "train") for i in range(1, 11)]
    refs.append(SliceRef(names.get("e", "u"), "e", "f", 0, None, 1.0, "test"))
    return assemble("src", "pairs", refs, fingerprint="fp", patients_known=known)


def test_folders_cut_the_last_block_by_name() -> None:
    chosen = choose(foldered(False, {}), FolderSplit(validation=0.2), Counts())
    assert [ref.name for ref in chosen.parts["validation"]] == ["t9", "t10"]
    assert [ref.name for ref in chosen.parts["test"]] == ["e"]
    assert len(chosen.parts["train"]) == 8


def test_folders_with_known_patients_cut_between_patients() -> None:
    owner = {f"t{i}": "A" if i < 7 else "B" for i in range(1, 11)} | {"e": "E"}
    chosen = choose(foldered(True, owner), FolderSplit(validation=0.2), Counts())
    assert patients(chosen.parts) == {"train": {"A"}, "validation": {"B"}, "test": {"E"}}
    leaking = owner | {"t2": "B"}
    with pytest.raises(BenchError, match="patient B is in train and in validation"):
        choose(foldered(True, leaking), FolderSplit(validation=0.2), Counts())
    declared = FolderSplit(validation=0.2, leaky="as its authors cut it")
    assert len(choose(foldered(True, leaking), declared, Counts()).refs) == 11


def test_a_planted_leak_is_found() -> None:
    first, second = make({"A": 2}).refs
    with pytest.raises(BenchError, match="patient A is in train and in test"):
        check_patients({"train": (first,), "validation": (), "test": (second,)})


def test_counts_spread_over_patients_and_z() -> None:
    refs = make({"A": 2, "B": 100, "C": 100}).refs
    kept = thin(refs, 22)
    assert Counter(ref.patient for ref in kept) == {"A": 2, "B": 10, "C": 10}
    assert [ref.index for ref in kept if ref.patient == "B"] == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]
    assert Counter(ref.patient for ref in thin(refs, 2)).most_common() == [("A", 1), ("C", 1)]
    assert thin(refs, 1000) == refs


@settings(max_examples=60)
@given(SIZES, st.integers(1, 60))
def test_thinning_is_fair(sizes: dict[str, int], most: int) -> None:
    """No patient gives two slices more than another that has slices left."""
    kept = Counter(ref.patient for ref in thin(make(sizes).refs, most))
    assert sum(kept.values()) == min(most, sum(sizes.values()))
    for patient, size in sizes.items():
        assert kept[patient] == size or kept[patient] >= max(kept.values()) - 1


def test_identity_and_hashes() -> None:
    catalogue = make({"A": 4, "B": 5, "C": 6})
    split = PatientSplit(test=("A",), validation=("B",))
    all_of_it = splits.choose(catalogue, split, Counts())
    some = splits.choose(catalogue, split, Counts(train=3))
    (found,) = identities(catalogue, some, "mine", "src")
    assert found.slices == {"train": 3, "validation": 5, "test": 4}
    assert found.patients == {"train": 1, "validation": 1, "test": 1}
    assert (found.source, found.kind, found.split, found.fingerprint) == ("src", "npz", "mine", "fp")
    assert (found.fold, found.folds) == (None, 1)
    assert found.split_sha256 == some.sha256 != all_of_it.sha256
    assert found.selection == some.selections[0].hash != all_of_it.selections[0].hash
    swapped = splits.choose(catalogue, PatientSplit(test=("B",), validation=("A",)), Counts())
    assert all_of_it.selections[0].hash != swapped.selections[0].hash
    assert all_of_it.sha256 != swapped.sha256
    assert tuple(some.selections[0].parts) == PARTS
