"""A trained network of a results folder, used outside a run: weights, code and record checked, HU in and HU out.

It is built and given its weights as ``bench score`` does it, and predicts in the same batches.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench import devices, environment
from bench.errors import BenchError
from bench.records.record import Record
from bench.records.store import CellStore
from bench.trained import opening
from bench.trained.opening import CODE_REMEDY
from bench.training.evaluate import HU_PER_UNIT, Predict, batch_size, filled, predictor

if TYPE_CHECKING:
    from bench.trained.export import Exported

MULTIPLES = (
    1,
    2,
    4,
    8,
    16,
    32,
    64,
    128,
)  # of which height and width may have to be: one is tried after the other
#: How far a network of changed code may lie from the images kept of it: input and output are rounded to 0.1 HU there.
APART_HU = 1.0
Shape = tuple[int, int]


@dataclass(eq=False)
class Trained:
    """A network with the weights of its best epoch, the ``record`` of its training, and the folder of its cell.

    ``network`` (keras.Model) maps (B, H, W, 1) to the same shape in mu/mu_water: air 0, water 1.
    """

    record: Record
    network: Any
    store: CellStore
    predict: Predict = field(repr=False)
    _shapes: dict[Shape, Shape] = field(default_factory=dict, repr=False)

    def denoise(self, hu: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return one slice (H, W) or each of several (N, H, W), of any size, denoised: HU in, float32 HU out.

        Where the network takes multiples of some size only, a slice is reflected at its lower and right edge (so that
        pooling starts at the same pixel as in training, and no edge is drawn where there is none) and cut to its size
        again. Nothing is clipped: of values far below air, as scanners fill in outside of the field of view, the
        network knows nothing. As many slices are computed at once as in scoring, so memory stays bounded.

        Raises:
            BenchError: these are no finite numbers of such a shape, or the network takes no such size.
        """
        values = _checked(hu)
        slices = values[None] if values.ndim == 2 else values
        height, width = slices.shape[1:]
        rows, columns = self._padded((height, width))
        size = batch_size(len(slices), rows * columns)
        output = np.empty(slices.shape, np.float32)
        for start in range(0, len(slices), size):
            chosen = slices[start : start + size].astype(np.float64)
            padding = ((0, 0), (0, rows - height), (0, columns - width))
            images = np.pad((1.0 + chosen / HU_PER_UNIT).astype(np.float32), padding, mode="symmetric")
            denoised = self.predict(filled(images, size))[: len(chosen), :height, :width]
            output[start : start + size] = HU_PER_UNIT * (denoised.astype(np.float64) - 1.0)
        return output[0] if values.ndim == 2 else output

    def save(self, path: str | Path) -> Exported:
        """Write the network as ``.keras`` or ``.onnx``, and return how far its images lie from these (``words``).

        Raises:
            BenchError: as ``export.export``.
        """
        from bench.trained.export import export

        return export(self, Path(path))

    def _padded(self, shape: Shape) -> Shape:
        """Return the smallest size that the network takes and a slice of this ``shape`` fits into."""
        if shape not in self._shapes:
            self._shapes[shape] = self._fitting(shape)
        return self._shapes[shape]

    def _fitting(self, shape: Shape) -> Shape:
        from bench.training import networks

        height, width = shape
        multiples = [(-(-height // step) * step, -(-width // step) * step) for step in MULTIPLES]
        side = self.record.spec.dataset.size  # of a network that takes the size of its training only
        for rows, columns in (*multiples, (side, side)):
            try:
                fits = networks.output_shape(self.network, rows, columns) == (1, rows, columns, 1)
            except networks.TakesNone:
                continue
            if fits and rows >= height and columns >= width:
                return rows, columns
        message = f"{self.record.spec.model} takes no image of {height} x {width} pixels, nor a larger one around it"
        raise BenchError(message, remedy=f"it was trained on slices of {side} x {side}")


def load(
    folder: str | Path,
    model: str | None = None,
    condition: str | None = None,
    *,
    seed: int | None = None,
    fold: int | None = None,
    code: str | Path | None = None,
) -> Trained:
    """Return the trained network of one finished cell, its weights those that its record names.

    Args:
        folder: The folder of the cell, or of the run it is in (``runs/paper``).
        model: Its name; with the folder of a run.
        condition: What it was trained on; with the folder of a run.
        seed: Of several cells of this model and condition, the one of this seed.
        fold: As ``seed``, of this fold.
        code: The folder of the experiments file, which own networks are looked for in, if not where it was.

    Raises:
        BenchError: no such cell, or several; it has not finished, its files have changed, or its network's code has.
    """
    store = opening.cell_store(Path(folder), model, condition, seed=seed, fold=fold)
    record = opening.sound(store)
    planned = opening.code(record, store, [] if code is None else [Path(code)])
    with _quiet_start(), _own_draws():
        from bench.training import networks

        network = networks.NetworkCache(networks.jit_compiles()).model(record.spec, planned)
    networks.set_trained(network, store.read_weights(), record.attempts[-1].seed)
    trained = Trained(record, network, store, predictor(network, divisible=networks.divisible(record.spec)))
    if not planned.sha256:
        _reproduces(trained)
    return trained


def _reproduces(trained: Trained) -> None:
    """Make sure that a network built from other code than it was trained with is the same function all the same.

    The slices that its record keeps must come out as they did then, but for their rounding to 0.1 HU.
    """
    samples = trained.store.read_samples(("input", "output"))
    if samples is None:
        raise BenchError("its network's code has changed", file=trained.store.folder, remedy=CODE_REMEDY)
    apart = np.abs(trained.denoise(samples.images["input"]) - samples.images["output"])
    if not (apart.max() <= APART_HU):
        message = f"its network's code has changed and no longer gives its images (up to {apart.max():.3g} HU apart)"
        raise BenchError(message, file=trained.store.folder, remedy=CODE_REMEDY)


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Start the backend, if it has not, with the settings of a cell's process, and without its messages.

    They come from C and from Python and fill a terminal; where the block fails they are shown.
    """
    if "keras" in sys.modules:
        yield
        return
    for name, value in devices.environment_variables(environment.cores(), None).items():
        os.environ.setdefault(name, value)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of each new size
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except BaseException:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _own_draws() -> Iterator[None]:
    """Give the caller's global generators of Python and NumPy back as they were: building a network seeds them."""
    before, state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(state)  # noqa: NPY002


def _checked(hu: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return CT numbers as an array, once they are finite numbers of one slice or several."""
    values = np.asarray(hu)
    if values.dtype.kind not in "iuf":
        raise BenchError(f"CT numbers must be real numbers, not {values.dtype}")
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise BenchError(f"must be a slice (H, W) or several (N, H, W), not of shape {values.shape}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BenchError("CT numbers must be finite; found NaN or infinity")
    return values
