"""Training pairs on the device: crops in their orientation, from memory and from the file, and what an update sees."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from keras.initializers import Constant

from bench.data.pairs.pairs import PairSet
from bench.plan.cells import Training
from bench.training.feed import Feed, Resident, Streamed, feed_of
from bench.training.losses import mse
from bench.training.order import SampleOrder, orient
from bench.training.step import TrainingStep
from tests import records_factory

COUNT, SIZE, UPDATES = 9, 8, 5


def make_training(**changes) -> Training:
    return records_factory.training(**{"updates_per_epoch": UPDATES} | changes)


@pytest.fixture
def pairs(tmp_path) -> PairSet:
    """Pixels that tell their slice, row and column: the reference holds them, the degraded image 0.1 more."""
    path = tmp_path / "values.npy"
    values = np.arange(COUNT * SIZE * SIZE, dtype=np.float32).reshape(COUNT, SIZE, SIZE) / 1000
    np.save(path, np.stack([values, values + np.float32(0.1)]))
    reference, degraded = np.load(path, mmap_mode="r")
    names = tuple((f"P{i % 3}", f"s{i}") for i in range(COUNT))
    parts = {"train": np.array([8, 1, 3, 4, 6, 0]), "validation": np.array([2]), "test": np.array([5, 7])}
    return PairSet(degraded, reference, names, parts, {}, np.full(COUNT, 0.1))


def batches(
    pairs: PairSet, training: Training, kind: type[Feed], seed: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return x and y of each update of the first epoch, as a network sees them."""
    rows = pairs.parts["train"]
    order = SampleOrder.of(training, pairs.part_names("train"), SIZE, seed)
    feed = kind((len(rows), SIZE, SIZE), training.patch or SIZE)
    feed.fill(pairs, rows)
    inputs = feed.inputs(order.draws(0, training.updates_per_epoch))
    streamed = isinstance(inputs, keras.utils.PyDataset)
    each = (inputs[i][0] if streamed else inputs[i : i + 1] for i in range(len(inputs)))
    return [tuple(ops.convert_to_numpy(part) for part in feed(one)) for one in each]


KINDS = pytest.mark.parametrize("kind", [Resident, Streamed])


@KINDS
def test_batches_are_in_units_of_water_and_air(pairs: PairSet, kind: type[Feed]) -> None:
    water = np.full((COUNT, SIZE, SIZE), 0.2, np.float32)  # 0.02 per mm
    water[:, :4] = 0
    only = PairSet(water * 2, water, pairs.names, pairs.parts, {}, pairs.pixel_cm)
    x, y = batches(only, make_training(augmentation="none"), kind)[0]
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((4, SIZE, SIZE, 1), np.float32) * 2
    assert np.array_equal(y[0, :, :, 0], np.repeat([[0.0], [1.0]], 4, axis=0) * np.ones(SIZE))
    assert np.array_equal(x, 2 * y)


@KINDS
@pytest.mark.parametrize("patch", [None, 3])
def test_input_and_target_are_the_same_crop_in_the_same_orientation(
    pairs: PairSet, patch: int | None, kind: type[Feed]
) -> None:
    side, seen = patch or SIZE, set()
    training = make_training(
        patch=patch, patches_per_slice=2, updates_per_epoch=8 * 6 * 2 // 4
    )  # eight passes
    for x, y in batches(pairs, training, kind):
        assert np.allclose(x - y, 0.5, atol=1e-5)
        for image in y[..., 0]:
            pixels = np.rint(image.astype(np.float64) * 200).astype(int)  # back to the number of each pixel
            row, rest = divmod(int(pixels.min()), SIZE * SIZE)
            top, left = divmod(rest, SIZE)
            crop = pairs.reference[row, top : top + side, left : left + side]
            found = [k for k in range(8) if np.array_equal(np.rint(1000 * orient(crop, k)), pixels)]
            assert len(found) == 1
            seen.add((row, *found))
    assert seen == {(row, k) for row in pairs.parts["train"].tolist() for k in range(8)}


@KINDS
def test_the_batches_are_those_of_the_draws_to_the_bit(pairs: PairSet, kind: type[Feed]) -> None:
    training, rows = make_training(patch=3), pairs.parts["train"]
    order = SampleOrder.of(training, pairs.part_names("train"), SIZE, 1)
    for number, (x, y) in enumerate(batches(pairs, training, kind)):
        batch = order.update(number)
        each = zip(rows[batch.slices], batch.orientation, batch.top, batch.left, strict=True)
        for place, (row, k, top, left) in enumerate(each):
            crop = np.s_[row, top : top + 3, left : left + 3]
            for image, array in ((x, pairs.degraded), (y, pairs.reference)):
                assert np.array_equal(image[place, ..., 0], orient(array[crop], k) / np.float32(0.2))


def test_rows_in_another_order_on_disk_give_the_same_batches(pairs: PairSet) -> None:
    back = PairSet(
        pairs.degraded[::-1],
        pairs.reference[::-1],
        pairs.names[::-1],
        {part: COUNT - 1 - rows for part, rows in pairs.parts.items()},
        {},
        pairs.pixel_cm,
    )
    here, there = (batches(p, make_training(patch=3), Resident) for p in (pairs, back))
    assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))


def test_fit_sees_the_updates_in_their_order(pairs: PairSet) -> None:
    """A network that adds 0.25 and stays as it is: the loss of each update tells its batch."""
    image = keras.Input((None, None, 1))
    shift = keras.layers.Conv2D(1, 1, kernel_initializer="ones", bias_initializer=Constant(0.25))
    training, rows = make_training(batch=3), pairs.parts["train"]
    feed = Resident((len(rows), SIZE, SIZE), SIZE)
    feed.fill(pairs, rows)
    network = keras.Model(image, shift(image))
    step = TrainingStep(network, feed, mse, 1e-12, parts=1, jit_compile=False, updates_per_dispatch=1)
    order, losses = SampleOrder.of(training, pairs.part_names("train"), SIZE, 1), []
    count = []

    def remember(batch: int, logs: dict[str, float]) -> None:
        losses.append(float(logs["loss"]))  # the mean until here
        count.append(batch)

    remembering = keras.callbacks.LambdaCallback(on_train_batch_end=remember)
    step.fit(order.draws(2, 12), batch_size=1, shuffle=False, verbose=0, callbacks=[remembering])
    expected = []
    for number in range(2, 12):
        batch = order.update(number)
        x, y = (part[rows[batch.slices]] / np.float32(0.2) for part in (pairs.degraded, pairs.reference))
        expected.append(np.mean((x + 0.25 - y) ** 2))  # an orientation leaves the mean as it is
    assert count == list(range(10))
    assert losses == pytest.approx(np.cumsum(expected) / np.arange(1, 11), rel=1e-4)


def test_another_condition_replaces_the_degraded_images_and_a_reference_that_differs(pairs: PairSet) -> None:
    rows = pairs.parts["train"]
    feed = Resident((len(rows), SIZE, SIZE), SIZE)
    draws = np.zeros((1, 1, 4), np.int32)
    for degraded, reference, sha in ((1, 1, "a"), (2, 1, "a"), (3, 2, "b"), (4, 3, None)):
        images = (np.full((COUNT, SIZE, SIZE), 0.2 * n, np.float32) for n in (degraded, reference))
        known = {} if sha is None else {"reference": sha}
        feed.fill(PairSet(*images, pairs.names, pairs.parts, known, pairs.pixel_cm), rows)
        x, y = (ops.convert_to_numpy(part) for part in feed(draws))
        assert (x[0, 0, 0, 0], y[0, 0, 0, 0]) == pytest.approx((degraded, reference))


def test_pairs_lie_on_the_device_where_they_fit() -> None:
    shape = (3600, 512, 512)
    needed = 2 * 3600 * 512 * 512 * 4
    assert isinstance(feed_of((2, 8, 8), 8, 10 * 2 * 2 * 64 * 4), Resident)
    assert isinstance(feed_of(shape, 512, 2 * needed), Streamed)  # more than 40 % of what is free
