"""Training batches for ``model.fit``: the order of samples applied to the stored pairs."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from bench.ct.units import MU_WATER
from bench.data.pairs.pairs import PairSet
from bench.plan.cells import Training
from bench.training.order import SampleOrder, orient

Images = npt.NDArray[np.float32]


class TrainingBatches(keras.utils.PyDataset):
    """Batches (x, y) of degraded and reference images, float32 (B, h, w, 1) in mu/mu_water: air 0, water 1.

    Batch i is update i of the epoch ``epoch``, counted from 0. Keras does not tell a dataset which epoch it
    is in, so a callback sets ``epoch`` in ``on_epoch_begin``. Call ``fit`` with ``shuffle=False``: otherwise
    Keras reorders the batches with Python's own random numbers. One worker and no processes: every batch
    is a function of (seed, epoch, i) and names alone.

    Raises:
        ValueError: the part has no slices, or the patch is larger than the slices.
    """

    def __init__(
        self, pairs: PairSet, training: Training, seed: int, part: str = "train", epoch: int = 0
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.pairs, self.rows, self.epoch = pairs, pairs.parts[part], epoch
        size = pairs.reference.shape[1]
        self.side = training.patch or size
        self.order = SampleOrder(
            seed=seed,
            names=pairs.part_names(part),
            batch=training.batch,
            updates_per_epoch=training.updates_per_epoch,
            size=size,
            patch=training.patch,
            patches_per_slice=training.patches_per_slice,
            augmentation=training.augmentation,
        )

    def __len__(self) -> int:
        return self.order.updates_per_epoch

    def __getitem__(self, index: int) -> tuple[Images, Images]:
        if not 0 <= index < len(self):
            raise IndexError(f"an epoch has the updates 0 to {len(self) - 1}, not {index}")
        return self.update(self.epoch * len(self) + index)

    def update(self, number: int) -> tuple[Images, Images]:
        """Return the batch of update ``number`` of the whole training, counted from 0."""
        batch = self.order.update(number)
        rows = self.rows[batch.slices]
        shape = (len(rows), self.side, self.side, 1)
        x, y = np.empty(shape, np.float32), np.empty(shape, np.float32)
        water = np.float32(MU_WATER)
        images = zip(rows, batch.orientation, batch.top, batch.left, strict=True)
        for place, (row, k, top, left) in enumerate(images):
            crop = np.s_[row, top : top + self.side, left : left + self.side]
            np.divide(orient(self.pairs.degraded[crop], int(k)), water, out=x[place, :, :, 0])
            np.divide(orient(self.pairs.reference[crop], int(k)), water, out=y[place, :, :, 0])
        return x, y
