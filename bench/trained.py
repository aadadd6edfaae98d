"""A trained network of a results folder, used outside a run: weights, code and record checked, HU in and HU out.

It is built and given its weights as ``bench score`` does it, and predicts in the same batches.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import devices, environment
from bench.errors import BenchError
from bench.names import suggestion
from bench.network_code import hashing
from bench.network_code.importing import Planned
from bench.records import record as records
from bench.records.record import Record
from bench.records.replaying import changed
from bench.records.store import MATCHES, CellStore, RunStore
from bench.training.evaluate import HU_PER_UNIT, Predict, batch_size, filled, predictor

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
_CODE = "give the folder of its experiments file (code), or use the version of the program that trained it"
_AGAIN = "run the cell again with --force"
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
    store = cell_store(Path(folder), model, condition, seed=seed, fold=fold)
    record = _sound(store)
    planned = _code(record, store, [] if code is None else [Path(code)])
    if "keras" not in sys.modules:
        for name, value in devices.environment_variables(environment.cores(), None).items():
            os.environ.setdefault(name, value)
    from bench.training import networks

    with _own_draws():
        network = networks.NetworkCache(networks.jit_compiles()).model(record.spec, planned)
    networks.set_trained(network, store.read_weights(), record.attempts[-1].seed)
    trained = Trained(record, network, store, predictor(network, divisible=networks.divisible(record.spec)))
    if not planned.sha256:
        _reproduces(trained)
    return trained


def cell_store(
    folder: Path,
    model: str | None,
    condition: str | None,
    *,
    seed: int | None = None,
    fold: int | None = None,
) -> CellStore:
    """Return the folder of the one cell of a run that is named so; ``folder`` itself where it is that of a cell.

    Raises:
        BenchError: there is no run, no such cell, or several.
    """
    if (folder / "record.json").is_file():
        return CellStore(folder)
    run = RunStore(folder)
    cells = run.read_plan().cells
    specs = {cell.id: cell.spec for cell in cells if cell.spec.build is not None}
    for what, name, known in (
        ("model", model, {spec.model: None for spec in specs.values()}),
        ("condition", condition, {spec.dataset.condition: None for spec in specs.values()}),
    ):
        if name not in known:
            message = f"no {what} is named" if name is None else f"no {what} {name!r} is trained in this run"
            raise BenchError(message, file=folder, remedy=suggestion(name or "", known))
    matching = {
        name: spec
        for name, spec in specs.items()
        if (spec.model, spec.dataset.condition) == (model, condition)
        and seed in (None, spec.seed)
        and fold in (None, spec.dataset.data.fold)
    }
    if len(matching) == 1:
        return run.cell(next(iter(matching)))
    shown = ", ".join([*matching][:MATCHES]) + (", ..." if len(matching) > MATCHES else "")
    if matching:
        message = f"{len(matching)} cells are {model} on {condition}: {shown}"
        raise BenchError(message, file=folder, remedy="say which seed and fold")
    raise BenchError(f"no cell of {model} on {condition} has this seed and fold", file=folder)


def _sound(store: CellStore) -> Record:
    """Return the record of a finished cell with a network, once record and weights are what was written."""
    path = store.folder / "record.json"
    record = store.read_record()
    if record is None:
        raise BenchError("not run: there is no record", file=store.folder, remedy="run the cell")
    if records.is_intact(path.read_text(encoding="utf-8")) is False:
        raise BenchError("its bytes are not those that its seal was made of", file=path, remedy=_AGAIN)
    if record.spec.build is None:
        raise BenchError("the untreated input has no network", file=path)
    if record.status != "finished":
        raise BenchError(f"the cell has not finished ({record.status})", file=path, remedy="run it again")
    now = store.weights_sha256()
    if not now or record.weights_sha256 not in ("", now):
        raise BenchError(changed(store.weights, now, record.weights_sha256), remedy=_AGAIN)
    return record


def _code(record: Record, store: CellStore, folders: list[Path]) -> Planned:
    """Return where the network's code lies: as given, where its experiments file was, or here.

    Where none of it is the code that the cell was trained with, its hash is left out: see ``_reproduces``.
    """
    build, file = record.spec.build, record.configuration.get("experiments.yaml")
    assert build is not None
    recorded = [] if file is None or file.path == "packaged" else [Path(file.path).parent]
    beside = [store.folder.resolve().parents[2] / one for one in (Path(), *recorded)]  # runs/paper/CELL
    others, faults = [], []
    for base in dict.fromkeys(one.resolve() for one in (*folders, *recorded, Path(), *beside)):
        try:
            if hashing.code_hash(build, base) == record.spec.code:
                return Planned(str(base), record.spec.code)
            others.append(Planned(str(base)))
        except BenchError as error:
            faults.append(str(error))
    if not others:
        raise BenchError(f"{faults[0]} for {build}", file=store.folder, remedy=_CODE)
    return others[0]


def _reproduces(trained: Trained) -> None:
    """Make sure that a network built from other code than it was trained with is the same function all the same.

    The slices that its record keeps must come out as they did then, but for their rounding to 0.1 HU.
    """
    samples = trained.store.read_samples(("input", "output"))
    if samples is None:
        raise BenchError("its network's code has changed", file=trained.store.folder, remedy=_CODE)
    apart = np.abs(trained.denoise(samples.images["input"]) - samples.images["output"])
    if not (apart.max() <= APART_HU):
        message = f"its network's code has changed and no longer gives its images (up to {apart.max():.3g} HU apart)"
        raise BenchError(message, file=trained.store.folder, remedy=_CODE)


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
