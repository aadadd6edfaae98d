"""The training pairs as a layer in front of the network: draws in, batches of images out, on the device.

A draw is a slice, one of its eight orientations and the corner of a crop. Where the pairs fit they lie on the device
as variables, so an update needs a few integers from the host; larger data is read from the memory-mapped file batch by
batch. Both give the same bits: from the lines of a slice on they are one computation.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from bench.ct.units import relative
from bench.data.pairs.pairs import PairSet
from bench.training.order import AFFINE

Draws = npt.NDArray[np.int32]
Tensor = Any
# Of the free memory, for pairs: two workers of a machine must fit, beside their activations.
RESIDENT_SHARE = 0.4


class Feed(keras.layers.Layer):
    """Makes batches (x, y) of degraded and reference images, float32 (B, side, side, 1) in mu/mu_water."""

    def __init__(self, shape: tuple[int, int, int], side: int) -> None:
        super().__init__(dtype="float32", name="feed")
        self.shape, self.side = shape, side

    def inputs(self, draws: Draws) -> Any:
        """Return what ``fit`` needs for the updates ``draws`` (updates, B, 4), one update in each of its batches."""
        raise NotImplementedError

    def fill(self, pairs: PairSet, rows: npt.NDArray[np.int64]) -> None:
        """Take the pairs at ``rows`` of ``pairs``; the slice of a draw is an index into ``rows``."""
        raise NotImplementedError

    def _oriented(self, lines: Tensor, draws: Tensor) -> Tensor:
        """Return crops (B, side, side, 1) in their orientation from the lines (B, side, width) that they lie on."""
        count, (width, side) = draws.shape[0], (self.shape[2], self.side)
        row, column = np.mgrid[:side, :side].astype(np.int32)
        turn = ops.reshape(ops.take(AFFINE, draws[:, 1], axis=0), (count, 6, 1, 1))
        place = [
            turn[:, k] * row + turn[:, k + 1] * column + turn[:, k + 2] * np.int32(side - 1) for k in (0, 3)
        ]
        first = np.arange(count, dtype=np.int32) * np.int32(side * width)
        pixels = place[0] * np.int32(width) + place[1] + ops.reshape(draws[:, 3] + first, (count, 1, 1))
        return ops.take(ops.reshape(lines, (-1,)), pixels, axis=0)[..., None]


class Resident(Feed):
    """Pairs on the device, as variables that no state keeps and that the cells of a network share in turn."""

    def __init__(self, shape: tuple[int, int, int], side: int) -> None:
        super().__init__(shape, side)
        count, height, width = shape
        self.degraded, self.reference = (
            self.add_weight(shape=(count * height, width), initializer="zeros", trainable=False, name=name)
            for name in ("degraded", "reference")
        )
        self._kept = ""

    def inputs(self, draws: Draws) -> Draws:
        """Return the draws themselves."""
        return draws

    def fill(self, pairs: PairSet, rows: npt.NDArray[np.int64]) -> None:
        """Copy the pairs to the device; a reference that is there already, of another condition, stays."""
        lines = (-1, self.shape[2])
        self.degraded.assign(relative(pairs.degraded[rows]).reshape(lines))
        key = f"{pairs.sha256.get('reference')} {rows.tolist()}"
        if key != self._kept or "reference" not in pairs.sha256:
            self.reference.assign(relative(pairs.reference[rows]).reshape(lines))
            self._kept = key

    def call(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch of one update; ``inputs`` are its draws, int32 (1, B, 4)."""
        draws = inputs[0]
        lines = ops.expand_dims(draws[:, 0] * np.int32(self.shape[1]) + draws[:, 2], 1)
        lines = lines + np.arange(self.side, dtype=np.int32)
        degraded, reference = (ops.take(part, lines, axis=0) for part in (self.degraded, self.reference))
        return self._oriented(degraded, draws), self._oriented(reference, draws)


class Streamed(Feed):
    """Pairs too large for the device's memory: each batch is read from the memory-mapped arrays by one index."""

    def fill(self, pairs: PairSet, rows: npt.NDArray[np.int64]) -> None:
        """Remember where the pairs lie."""
        self.pairs, self.rows = pairs, rows

    def inputs(self, draws: Draws) -> keras.utils.PyDataset:
        """Return batches of draws and lines, read while the update before them runs."""
        return _Lines(self, draws)

    def call(self, inputs: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the batch of one update; ``inputs`` are its draws (1, B, 4) and lines, twice (1, B, side, width)."""
        draws, degraded, reference = (part[0] for part in inputs)
        return self._oriented(degraded, draws), self._oriented(reference, draws)


class _Lines(keras.utils.PyDataset):
    def __init__(self, feed: Streamed, draws: Draws) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.feed, self.draws = feed, draws

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, index: int) -> tuple[tuple[Draws, Any, Any]]:
        draws = self.draws[index]
        rows = self.feed.rows[draws[:, 0]][:, None]
        lines = draws[:, 2:3] + np.arange(self.feed.side)
        degraded, reference = (
            relative(part[rows, lines])[None]
            for part in (self.feed.pairs.degraded, self.feed.pairs.reference)
        )
        return ((draws[None], degraded, reference),)


def fits(shape: tuple[int, int, int], free: int) -> bool:
    """Return whether pairs of ``shape`` (N, h, w) lie on the device where it has ``free`` bytes of memory."""
    count, height, width = shape
    return 2 * 4 * count * height * width <= RESIDENT_SHARE * free and count * height < 2**31


def feed_of(shape: tuple[int, int, int], side: int, free: int) -> Feed:
    """Return a feed for pairs of ``shape`` (N, h, w) and crops of ``side`` pixels with ``free`` bytes of memory."""
    return Resident(shape, side) if fits(shape, free) else Streamed(shape, side)
