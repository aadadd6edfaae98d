"""Planted leaks are found and named, and patients who merely look alike are left alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench import leaks, phantom, seeds
from bench.ct.units import hu_to_mu
from bench.leaks import alterations
from bench.leaks.descriptors import Descriptors
from bench.leaks.search import search
from tests.leaks.planting import KINDS, described, find

SIZE, PATIENTS, SLICES = 128, 16, 2
TOLD = {
    "identical": {alterations.IDENTICAL},
    "re-saved as whole HU": {alterations.RESAVED},
    "re-saved in steps of 4 HU": {alterations.RESAVED},
    "shifted, air outside": {alterations.SHIFTED},
    "shifted, wrapped": {alterations.SHIFTED},
    "flipped left-right": {alterations.FLIPPED},
    "flipped top-bottom": {alterations.FLIPPED},
    "turned by 90, 180, 270": {alterations.ROTATED},
    "turned by any angle": {alterations.ROTATED},
    "flipped and turned": {alterations.FLIPPED},
    "linear rescale": {alterations.WINDOWED},
    "lung window": {alterations.WINDOWED},
    "noise of 10 HU": {alterations.NOISY},
}


def drawn(size: int, patients: int, slices: int) -> tuple[np.ndarray, list[tuple[str, str]]]:
    names = [(patient, f"z{k:03d}") for patient in phantom.patients(patients) for k in range(slices)]
    images = [
        hu_to_mu(phantom.render(patient, (int(name[1:]) + 0.5) / slices, size=size)[0])
        for patient, name in names
    ]
    return np.stack(images), names


@pytest.fixture(scope="module")
def slices() -> tuple[np.ndarray, list[tuple[str, str]]]:
    return drawn(SIZE, PATIENTS, SLICES)


@pytest.fixture(scope="module")
def plant(slices: tuple[np.ndarray, list[tuple[str, str]]]) -> Callable[[np.ndarray], list[leaks.Leak]]:
    """What finds the leaks where all slices train and one copy, of a patient of another name, tests."""
    images, names = slices
    trained = described(images)

    def find_copy(copy: np.ndarray) -> list[leaks.Leak]:
        one = copy[None].astype(np.float32)
        arrays = zip(vars(trained).values(), vars(described(one)).values(), strict=True)
        parts = {"train": range(len(images)), "test": [len(images)]}
        named = [*names, ("OTHER", "copy")]
        both = Descriptors(*map(np.concatenate, arrays))
        return search(np.concatenate([images, one]), both, named, [parts])

    return find_copy


@pytest.mark.integration
@pytest.mark.parametrize("kind", TOLD)
def test_planted_copy_is_found_and_its_kind_told(
    slices: tuple[np.ndarray, list[tuple[str, str]]],
    plant: Callable[[np.ndarray], list[leaks.Leak]],
    kind: str,
) -> None:
    images, names = slices
    row = 9  # the lower slice of the fifth patient
    found = plant(KINDS[kind](images[row], seeds.generator("test", kind)))
    assert [(leak.first, leak.second) for leak in found] == [
        (leaks.Spot("test", "OTHER", "copy"), leaks.Spot("train", *names[row]))
    ]
    assert found[0].kind in TOLD[kind]
    assert 0.6 < found[0].score <= 1.0


def test_slice_of_one_more_patient_is_no_leak(plant: Callable[[np.ndarray], list[leaks.Leak]]) -> None:
    for z in (0.2, 0.5, 0.8):
        stranger = hu_to_mu(phantom.render("P050", z, size=SIZE)[0])
        assert plant(stranger) == []


@pytest.mark.integration
@pytest.mark.parametrize(("size", "patients", "count"), [(32, 5, 4), (64, 10, 3), (128, 8, 2)])
def test_no_false_alarm_among_patients_of_the_phantom(
    slices: tuple[np.ndarray, list[tuple[str, str]]], size: int, patients: int, count: int
) -> None:
    if (size, count) == (SIZE, SLICES):
        images, names = (of[: patients * count] for of in slices)
    else:
        images, names = drawn(size, patients, count)
    descriptors = described(images)
    for draw in range(3):
        order = list(seeds.generator("split", draw).permutation(phantom.patients(patients)))
        part = dict.fromkeys(order, "train") | {order[0]: "test", order[1]: "test", order[2]: "validation"}
        rows: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
        for row, (patient, _) in enumerate(names):
            rows[part[patient]].append(row)
        assert search(images, descriptors, names, [rows]) == []


def test_patient_in_two_parts_is_found_by_name_and_told_once() -> None:
    images = np.zeros((4, 16, 16), np.float32)
    names = [("A", "1"), ("A", "2"), ("B", "1"), ("A", "3")]
    found = find(images, names, [{"train": [0, 2], "test": [1, 3]}])
    assert [str(leak) for leak in found] == ["patient A is in train and in test"]
    assert find(images, names, [{"train": [0, 1, 3], "test": [2]}]) == []


def test_slices_of_nobody_are_compared_with_each_other(
    slices: tuple[np.ndarray, list[tuple[str, str]]],
) -> None:
    images, _ = slices
    both = np.concatenate([images[[1, 10]], images[[10]][:, :, ::-1]])
    names = [("unknown", f"{k}") for k in range(3)]
    found = find(both, names, [{"train": [0, 1], "test": [2]}])
    assert [(leak.kind, leak.first.slice, leak.second.slice) for leak in found] == [
        (alterations.FLIPPED, "2", "1")
    ]


def test_folds_are_told_apart_and_slices_of_one_part_are_not_compared(
    slices: tuple[np.ndarray, list[tuple[str, str]]],
) -> None:
    images, names = slices
    both = np.concatenate([images, images[[5]]])
    called = [*names, ("OTHER", "copy")]
    last = len(images)
    together = {"train": range(4, last + 1), "test": range(4)}  # the copy and its original both train
    apart = {"train": range(4, last), "test": [0, 1, 2, 3, last]}
    assert find(both, called, [together]) == []
    found = find(both, called, [together, apart])
    assert [str(leak) for leak in found] == [
        "slice copy of patient OTHER (test of fold 2) is a copy (identical) of "
        "slice z001 of patient P003 (train of fold 2), correlation 1.00"
    ]


def test_result_depends_neither_on_the_order_of_slices_nor_on_threads(
    slices: tuple[np.ndarray, list[tuple[str, str]]],
) -> None:
    images, names = slices
    both = np.concatenate([images, images[[4]][:, :, ::-1], images[[20]] * 0.5])
    called = [*names, ("X", "1"), ("Y", "1")]
    one = find(both, called, [{"train": range(32), "test": [32, 33]}])
    order = list(range(33, -1, -1))
    two = find(both[order], [called[k] for k in order], [{"train": range(2, 34), "test": [0, 1]}], threads=3)
    assert {str(leak) for leak in one} == {str(leak) for leak in two}
    assert len(one) == 2
