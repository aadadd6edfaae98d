"""The training stream: coverage, orientations, crops and resumption, counted out over whole passes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import fields

import numpy as np
import pytest

from bench.training.order import Batch, SampleOrder, orient

NAMES = [(f"P{i % 3}", f"s{i}") for i in range(7)]


def make(**changed) -> SampleOrder:
    asked = {"seed": 1, "names": NAMES, "batch": 4, "updates_per_epoch": 5, "size": 16} | changed
    return SampleOrder(**asked)


def rows(draw: Batch) -> list[tuple[int, ...]]:
    columns = (getattr(draw, field.name).tolist() for field in fields(draw))
    return list(zip(*columns, strict=True))


def take(stream: SampleOrder, count: int) -> list[tuple[int, ...]]:
    """The first ``count`` images of a stream, through updates of its own batch size."""
    found: list[tuple[int, ...]] = []
    while len(found) < count:
        found += rows(stream.update(len(found) // stream.batch))
    return found[:count]


@pytest.mark.parametrize("patches", [1, 3])
def test_every_pass_visits_every_slice_equally_and_in_its_own_order(patches: int) -> None:
    per_pass = len(NAMES) * patches
    images = [image[0] for image in take(make(patch=5, patches_per_slice=patches), 4 * per_pass)]
    passes = [images[start : start + per_pass] for start in range(0, 4 * per_pass, per_pass)]
    for one in passes:
        assert Counter(one) == dict.fromkeys(range(len(NAMES)), patches)
    assert len({tuple(one) for one in passes}) == 4


@pytest.mark.parametrize("first", [0, 3, 8])
def test_eight_passes_in_a_row_show_each_slice_in_each_orientation_once(first: int) -> None:
    images = take(make(), (first + 8) * len(NAMES))[first * len(NAMES) :]
    seen = defaultdict(list)
    for index, k, _, _ in images:
        seen[index].append(k)
    assert {tuple(sorted(ks)) for ks in seen.values()} == {tuple(range(8))}
    assert len({tuple(ks) for ks in seen.values()}) > 1  # not all slices turn together


def test_eight_passes_show_each_crop_in_each_orientation_once() -> None:
    images = take(make(patch=16, patches_per_slice=2), 8 * 2 * len(NAMES))
    assert Counter((index, k) for index, k, _, _ in images) == {(i, k): 2 for i in range(7) for k in range(8)}


def test_without_augmentation_the_order_stays_and_nothing_turns() -> None:
    turned, plain = take(make(), 70), take(make(augmentation="none"), 70)
    assert [image[0] for image in plain] == [image[0] for image in turned]
    assert {image[1] for image in plain} == {0}


def test_crops_lie_inside_and_reach_every_place() -> None:
    corners = take(make(patch=13, patches_per_slice=20), 7 * 20 * 4)
    for axis in (2, 3):
        counts = Counter(image[axis] for image in corners)
        assert set(counts) == {0, 1, 2, 3}
        assert min(counts.values()) > 0.8 * len(corners) / 4  # a standard deviation is 0.07 of the mean
    assert len({image[2:] for image in corners}) == 16


def test_whole_slices_have_no_corner() -> None:
    assert {image[2:] for image in take(make(), 30)} == {(0, 0)}


def test_an_epoch_alone_equals_the_same_epoch_of_a_straight_run() -> None:
    options = {"patch": 6, "patches_per_slice": 2}
    straight = [[rows(draw) for draw in make(**options).epoch(epoch)] for epoch in range(6)]
    assert [rows(draw) for draw in make(**options).epoch(4)] == straight[4]
    stream = make(**options)  # and in any order of calls, beyond what it remembers
    assert [rows(stream.update(number)) for number in (29, 0, 11, 29)] == [
        straight[number // 5][number % 5] for number in (29, 0, 11, 29)
    ]


def test_the_batch_size_and_epoch_length_cut_one_and_the_same_stream() -> None:
    straight = take(make(batch=1), 60)
    assert take(make(batch=9, updates_per_epoch=2), 60) == straight
    assert take(make(batch=30), 60) == straight  # one batch over several passes


def test_draws_are_keyed_by_names_not_by_positions() -> None:
    shuffled = [NAMES[i] for i in (3, 1, 6, 0, 2, 5, 4)]
    here = [(NAMES[i], *rest) for i, *rest in take(make(patch=6), 60)]
    there = [(shuffled[i], *rest) for i, *rest in take(make(patch=6, names=shuffled), 60)]
    assert here == there


def test_another_seed_changes_order_orientation_and_crops() -> None:
    first, second = (sorted(take(make(patch=6, seed=seed), 28)) for seed in (1, 2))
    assert take(make(seed=1), 28) != take(make(seed=2), 28)
    assert [image[1] for image in first] != [image[1] for image in second]
    assert [image[2:] for image in first] != [image[2:] for image in second]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"names": []}, "different names"),
        ({"names": [NAMES[0], NAMES[0]]}, "different names"),
        ({"batch": 0}, "at least 1"),
        ({"patch": 17}, "does not fit"),
    ],
)
def test_impossible_streams_are_refused(changed: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**changed)


def test_orient_makes_the_eight_symmetries_of_the_square() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    made = {(orient(image, k).shape, orient(image, k).tobytes()) for k in range(8)}
    turns = [np.rot90(image, k) for k in range(4)]
    expected = {(i.shape, i.tobytes()) for turn in turns for i in (turn, np.fliplr(turn), np.flipud(turn))}
    assert made == expected
    assert len(made) == 8
    assert np.array_equal(orient(image, 0), image)
    assert orient(image, 1)[:, 0].tolist() == [
        3,
        2,
        1,
        0,
    ]  # counter-clockwise: the top row becomes the left column


def test_orientations_are_closed_and_each_has_an_inverse() -> None:
    image = np.arange(9, dtype=np.float32).reshape(3, 3)
    all_eight = {orient(image, k).tobytes(): k for k in range(8)}
    table = [[all_eight[orient(orient(image, a), b).tobytes()] for b in range(8)] for a in range(8)]
    for line in (*table, *zip(*table, strict=True)):
        assert sorted(line) == list(range(8))


def test_orient_copies_nothing_and_refuses_a_batch() -> None:
    image = np.zeros((4, 4), np.float32)
    assert all(np.shares_memory(image, orient(image, k)) for k in range(8))
    with pytest.raises(ValueError, match="one image"):
        orient(np.zeros((2, 4, 4), np.float32), 1)
    with pytest.raises(ValueError, match="0 to 7"):
        orient(image, 8)
