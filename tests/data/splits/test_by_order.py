"""Rule order: the cut of the published study, by hand and over random collections."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.config import load as config
from bench.config.schema import AnySplit, Counts, OrderSplit
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.splits import Folds, choose
from bench.errors import BenchError
from tests.data.splits.test_clean_354 import collection

SIZES = st.lists(st.integers(1, 12), min_size=4, max_size=12)


def make(sizes: list[int]) -> Catalogue:
    refs = [
        SliceRef(f"P{n}", f"{i}", "f", i, float(i), 1.0) for n, size in enumerate(sizes) for i in range(size)
    ]
    return assemble("src", "npz", refs[::-1], fingerprint="fp")


def cut(test: int, validation: float = 0.2, leaky: str = "as others cut it") -> AnySplit:
    return OrderSplit(test=test, validation=validation, leaky=leaky)


def names(chosen: Folds) -> dict[str, list[str]]:
    return {
        part: [f"{r.patient}/{r.name}" for r in refs] for part, refs in chosen.selections[0].parts.items()
    }


def test_by_hand() -> None:
    """Ten slices; the last three are tested, which cuts P2; P1 is the last whole patient before."""
    assert names(choose(make([2, 3, 3, 2]), cut(3), Counts())) == {
        "train": ["P0/0", "P0/1", "P2/0", "P2/1"],
        "validation": ["P1/0", "P1/1", "P1/2"],
        "test": ["P2/2", "P3/0", "P3/1"],
    }


def test_the_patient_that_is_cut_is_named_or_the_split_refused() -> None:
    found = make([2, 3, 3, 2])
    assert choose(found, cut(3), Counts()).leaky == "as others cut it (patient P2 is in train and test)"
    with pytest.raises(BenchError) as caught:
        choose(found, cut(3, leaky=""), Counts())
    assert str(caught.value) == (
        "test: patient P2 is in train and in test; keep it in one part, or declare the split with leaky: and the reason"
    )


def test_a_cut_between_patients_needs_no_declaration() -> None:
    chosen = choose(make([2, 3, 3, 2]), cut(2, leaky=""), Counts())
    assert chosen.leaky == ""
    assert {name.split("/")[0] for name in names(chosen)["test"]} == {"P3"}


@settings(max_examples=80)
@given(SIZES, st.integers(1, 40), st.floats(0.02, 0.6))
def test_the_last_slices_are_tested_and_validation_is_whole_and_clean(
    sizes: list[int], test: int, validation: float
) -> None:
    found = make(sizes)
    before = len(found.refs) - test
    assume(before > 0)
    whole = [n for n in range(len(sizes)) if sum(sizes[: n + 1]) <= before]
    blocks = [whole[first:] for first in range(len(whole) - 1, -1, -1)]  # ever longer, from the end
    enough = (block for block in blocks if sum(sizes[n] for n in block) >= validation * before)
    block = next(enough, whole)
    if not block or sum(sizes[n] for n in block) == before:
        with pytest.raises(BenchError, match=r"no slices for (train|validation)"):
            choose(found, cut(test, validation), Counts())
        return
    (chosen,) = choose(found, cut(test, validation), Counts()).selections
    assert chosen.parts["test"] == found.refs[-test:]
    validated = tuple(ref for ref in found.refs if ref.patient in {f"P{n}" for n in block})
    assert chosen.parts["validation"] == validated
    assert Counter(chosen.refs) == Counter(found.refs)


def test_more_than_there_is_cannot_be_tested() -> None:
    with pytest.raises(BenchError, match="source src has 10 slices, 10 of them to be tested; lower it"):
        choose(make([2, 3, 3, 2]), cut(10), Counts())


def test_the_published_collection_is_cut_through_one_patient() -> None:
    """Facts of the collection: the last 354 slices are five patients and 29 slices of a sixth."""
    split = config.load().datasets.splits["by-order"]
    chosen = choose(collection(), split, Counts())
    parts = chosen.selections[0].parts
    tested = Counter(ref.patient for ref in parts["test"])
    assert tested == {"R0238": 29, "R0259": 58, "R0263": 62, "R0267": 69, "R0273": 62, "R0274": 74}
    assert Counter(ref.patient for ref in parts["train"])["R0238"] == 67 - 29
    assert len(parts["train"]) + len(parts["validation"]) == 3600
    assert {ref.patient for ref in parts["validation"]} == {"R0204", "R0223"}
    assert chosen.leaky == "cut by file order, as the study probably did (patient R0238 is in train and test)"
