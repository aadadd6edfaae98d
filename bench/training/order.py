"""Which slices, crops and orientations a training sees, in which order; NumPy only.

The samples are an endless row of passes. One pass visits every slice, ``patches_per_slice`` times, in an order
drawn from (seed, pass). Over eight passes in a row each slice (and each of its crops, by number) comes in
each of its eight flips and rotations once. All draws are keyed by the seed, the number of the pass and the
names of the slice, so any update can be produced alone, and equally in any process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench import seeds
from bench.config.schema import Augmentation
from bench.plan.cells import Training

ORIENTATIONS = 8
_KEPT_PASSES = 3
Integers = npt.NDArray[np.int64]


def orient(image: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.float32]:
    """Return flip or rotation ``k`` (0 to 7; 0 changes nothing) of an image (H, W) as a view of it.

    ``k % 4`` quarter turns counter-clockwise, for ``k`` of 4 and above after mirroring left to right: the
    eight symmetries of the square. Anything but one image is refused, so no batch axis can be turned.

    Raises:
        ValueError: ``image`` is not 2-D or ``k`` is not in 0 to 7.
    """
    if image.ndim != 2:
        raise ValueError(f"orient takes one image (H, W), not an array of shape {image.shape}")
    if not 0 <= k < ORIENTATIONS:
        raise ValueError(f"an orientation is 0 to 7, not {k}")
    return np.rot90(image[:, ::-1] if k >= 4 else image, k % 4)


def _affine() -> npt.NDArray[np.int32]:
    """Return ``orient`` as index arithmetic, read off a square of 2 x 2 pixels."""
    corners = np.array(np.mgrid[:2, :2], np.float32)
    turned = np.array([[orient(axis, k) for axis in corners] for k in range(ORIENTATIONS)]).astype(np.int32)
    start = turned[:, :, 0, 0]
    return np.stack([turned[:, :, 1, 0] - start, turned[:, :, 0, 1] - start, start], axis=-1)


#: int32 (8, 2, 3): pixel (i, j) of the oriented image of side n is the pixel of the image in row
#: ``a i + b j + c (n - 1)`` with (a, b, c) = ``AFFINE[k, 0]``, and in the column that ``AFFINE[k, 1]`` gives.
AFFINE = _affine()


@dataclass(frozen=True)
class Batch:
    """The batch of one update, arrays (B,): index of the slice, orientation and the corner of the crop in the slice."""

    slices: Integers
    orientation: Integers
    top: Integers
    left: Integers


@dataclass(frozen=True)
class _Pass:
    order: Integers  # (n * patches,) of slice * patches + patch, slices in the order of their names
    corners: Integers | None  # (n, patches, 2) top, left


@dataclass(frozen=True)
class SampleOrder:
    """The samples of one training, drawn from the slices ``names`` (patient, slice), whose order does not matter.

    ``patch`` is the side of the square crops in pixels of slices of side ``size``; None: whole slices.
    ``Batch.slices`` are indices into ``names``.

    Raises:
        ValueError: no names, a name twice, a count below one, or a patch larger than the slice.
    """

    seed: int
    names: Sequence[tuple[str, str]]
    batch: int
    updates_per_epoch: int
    size: int
    patch: int | None = None
    patches_per_slice: int = 1
    augmentation: Augmentation = "flips_rotations"
    _by_name: Integers = field(init=False, repr=False, compare=False)
    _orientations: Integers = field(init=False, repr=False, compare=False)
    _passes: dict[int, _Pass] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, training: Training, names: Sequence[tuple[str, str]], size: int, seed: int) -> SampleOrder:
        """Return the samples of a training on the slices ``names`` of ``size`` x ``size`` pixels."""
        return cls(
            seed=seed,
            names=names,
            batch=training.batch,
            updates_per_epoch=training.updates_per_epoch,
            size=size,
            patch=training.patch,
            patches_per_slice=training.patches_per_slice,
            augmentation=training.augmentation,
        )

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError("a training needs slices with different names")
        if min(self.batch, self.updates_per_epoch, self.patches_per_slice, self.patch or 1) < 1:
            raise ValueError("batch, updates_per_epoch, patch and patches_per_slice are at least 1")
        if self.patch is not None and self.patch > self.size:
            raise ValueError(f"a patch of {self.patch} pixels does not fit a slice of {self.size}")
        by_name = sorted(range(len(self.names)), key=lambda index: self.names[index])
        sigma = [self._generator("orientation", index).permutation(ORIENTATIONS) for index in by_name]
        object.__setattr__(self, "_by_name", np.array(by_name, np.int64))
        object.__setattr__(self, "_orientations", np.array(sigma, np.int64))

    def update(self, number: int) -> Batch:
        """Return update ``number`` of the training, counted from 0."""
        return Batch(
            *self._samples(np.arange(number * self.batch, (number + 1) * self.batch, dtype=np.int64))
        )

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the updates of ``epoch``, counted from 0."""
        first = epoch * self.updates_per_epoch
        return (self.update(first + index) for index in range(self.updates_per_epoch))

    def draws(self, first: int, end: int) -> npt.NDArray[np.int32]:
        """Return the updates ``first`` to ``end`` - 1, int32 (updates, batch, 4) with the columns of ``Batch``."""
        columns = self._samples(np.arange(first * self.batch, end * self.batch, dtype=np.int64))
        return np.stack(columns, axis=-1).astype(np.int32).reshape(end - first, self.batch, 4)

    def _samples(self, positions: Integers) -> tuple[Integers, ...]:
        """Return slices, orientations, tops and lefts at ``positions`` (ascending) of the endless row of passes."""
        passes, places = np.divmod(positions, len(self.names) * self.patches_per_slice)
        parts = [self._part(int(k), places[passes == k]) for k in range(passes[0], passes[-1] + 1)]
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def _part(self, number: int, places: Integers) -> tuple[Integers, Integers, Integers, Integers]:
        """Return slices, orientations, tops and lefts at ``places`` of one pass."""
        current = self._pass(number)
        slices, patches = np.divmod(current.order[places], self.patches_per_slice)
        orientation = self._orientations[slices, (number + patches) % ORIENTATIONS]
        if self.augmentation == "none":
            orientation = np.zeros_like(orientation)
        corners = np.zeros((len(places), 2), np.int64)
        if current.corners is not None:
            corners = current.corners[slices, patches]
        return self._by_name[slices], orientation, corners[:, 0], corners[:, 1]

    def _pass(self, number: int) -> _Pass:
        drawn = self._passes.get(number)
        if drawn is None:
            count = len(self.names) * self.patches_per_slice
            order = seeds.generator("order", self.seed, number).permutation(count)
            drawn = _Pass(order, self._corners(number))
            while len(self._passes) >= _KEPT_PASSES:
                self._passes.pop(next(iter(self._passes)), None)
            self._passes[number] = drawn
        return drawn

    def _corners(self, number: int) -> Integers | None:
        if self.patch is None or self.patch == self.size:
            return None
        shape, end = (self.patches_per_slice, 2), self.size - self.patch + 1
        crops = [self._generator("crops", index, number).integers(0, end, shape) for index in self._by_name]
        return np.array(crops, np.int64)

    def _generator(self, purpose: str, index: int, *more: int) -> np.random.Generator:
        return seeds.generator(purpose, self.seed, *self.names[index], *more)
