"""Training batches in mu/mu_water, and what ``model.fit`` makes of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from bench.config.schema import Guard
from bench.data.pairs.pairs import PairSet
from bench.plan.cells import Training
from bench.training.batches import TrainingBatches
from bench.training.order import orient

COUNT, SIZE, UPDATES = 9, 8, 5


def make_training(**changed) -> Training:
    asked = {
        "recipe": "study",
        "optimizer": "adam",
        "learning_rate": 0.01,
        "schedule_epochs": 4,
        "epochs": 4,
        "updates_per_epoch": UPDATES,
        "batch": 4,
        "patch": None,
        "patches_per_slice": 1,
        "augmentation": "flips_rotations",
        "loss": "mse",
        "precision": "float32",
        "guard": Guard(),
    }
    return Training(**asked | changed)


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


def test_batches_are_in_units_of_water_and_air(pairs: PairSet) -> None:
    water = np.full((COUNT, SIZE, SIZE), 0.2, np.float32)  # 0.02 per mm
    water[:, :4] = 0
    only = PairSet(water * 2, water, pairs.names, pairs.parts, {}, pairs.pixel_cm)
    x, y = TrainingBatches(only, make_training(augmentation="none"), seed=1)[0]
    assert (x.shape, x.dtype, y.shape, y.dtype) == (
        (4, SIZE, SIZE, 1),
        np.float32,
        (4, SIZE, SIZE, 1),
        np.float32,
    )
    assert np.array_equal(y[0, :, :, 0], np.repeat([[0.0], [1.0]], 4, axis=0) * np.ones(SIZE))
    assert np.array_equal(x, 2 * y)


@pytest.mark.parametrize("patch", [None, 3])
def test_input_and_target_are_the_same_crop_in_the_same_orientation(
    pairs: PairSet, patch: int | None
) -> None:
    side, seen = patch or SIZE, set()
    eight_passes = 8 * 6 * 2 // 4
    training = make_training(patch=patch, patches_per_slice=2, updates_per_epoch=eight_passes)
    batches = TrainingBatches(pairs, training, seed=1)
    for x, y in (batches[i] for i in range(eight_passes)):
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


def test_an_epoch_alone_has_the_bits_of_a_straight_run_and_another_seed_has_others(pairs: PairSet) -> None:
    straight = TrainingBatches(pairs, make_training(), seed=1)
    for epoch in range(3):
        straight.epoch = epoch
        run = [straight[i] for i in range(len(straight))]
    alone = TrainingBatches(pairs, make_training(), seed=1, epoch=2)
    assert all(np.array_equal(alone[i], run[i]) for i in range(UPDATES))
    before = TrainingBatches(pairs, make_training(), seed=1, epoch=1)
    assert not np.array_equal(alone[0], before[0])
    other = TrainingBatches(pairs, make_training(), seed=2, epoch=2)
    assert not all(np.array_equal(other[i], run[i]) for i in range(UPDATES))


def test_rows_in_another_order_on_disk_give_the_same_batches(pairs: PairSet) -> None:
    back = PairSet(
        pairs.degraded[::-1],
        pairs.reference[::-1],
        pairs.names[::-1],
        {part: COUNT - 1 - rows for part, rows in pairs.parts.items()},
        {},
        pairs.pixel_cm,
    )
    here, there = (TrainingBatches(p, make_training(patch=3), seed=1) for p in (pairs, back))
    assert all(np.array_equal(here[i], there[i]) for i in range(UPDATES))


def test_an_epoch_has_a_first_and_a_last_update(pairs: PairSet) -> None:
    batches = TrainingBatches(pairs, make_training(), seed=1)
    assert len(batches) == UPDATES
    for index in (-1, UPDATES):
        with pytest.raises(IndexError):
            batches[index]


class Remember(keras.callbacks.Callback):
    """Sets the epoch, as training does, and remembers the loss of every update."""

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self.batches, self.losses = batches, []

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        self.batches.epoch = epoch

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        self.losses.append(float(logs["loss"]))
        self.model.reset_metrics()  # else the loss is the mean since the epoch began


def test_fit_sees_the_batches_of_each_epoch_in_order_also_from_a_later_epoch(pairs: PairSet) -> None:
    image = keras.Input((None, None, 1))
    shift = keras.layers.Conv2D(
        1, 1, kernel_initializer="ones", bias_initializer=keras.initializers.Constant(0.25)
    )
    model = keras.Model(image, shift(image))
    model.compile(keras.optimizers.SGD(1e-12), "mse", jit_compile=False)  # it stays as it is
    batches = TrainingBatches(pairs, make_training(batch=3), seed=1)
    model_loss = []
    for number in range(4 * UPDATES):
        x, y = batches.update(number)
        model_loss.append(float(np.mean((x + 0.25 - y) ** 2)))
    seen = Remember(batches)
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=[seen])
    resumed = Remember(TrainingBatches(pairs, make_training(batch=3), seed=1))
    model.fit(resumed.batches, initial_epoch=2, epochs=4, shuffle=False, verbose=0, callbacks=[resumed])
    assert seen.losses + resumed.losses == pytest.approx(model_loss, rel=1e-4)
