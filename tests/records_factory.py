"""The one maker of cells, scores, records and results by hand: each argument may be left out, none is drawn.

``cell`` describes, ``planned`` gives it an id, ``scores`` are rows of ``scores.csv``, ``record`` says how it ended,
and ``result`` joins them as if they had been read from disk. Keras is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.config.schema import INPUT, Geometry, Guard
from bench.metrics import SCORING_VERSION, definitions
from bench.plan.cells import Cell, DataIdentity, Dataset, PlannedCell, Training
from bench.records.record import Attempt, Record
from bench.records.store import CellStore, Result

Rows = list[dict[str, str | float]]
NOWHERE = CellStore(Path("none"))
#: Parameters of the three networks under which they learn something in seconds, at 32 pixels.
SMALL: dict[str, dict[str, Any]] = {
    "unet": {"filters": [8, 16], "momentum": 0.9},
    "dncnn": {"depth": 5, "filters": 16, "momentum": 0.9},
    "ddnet": {"layers": 1, "momentum": 0.9},
}


def training(**changes: Any) -> Training:
    """Return a tiny training: three epochs of four updates, batch 4, whole slices."""
    settings: dict[str, Any] = {
        "recipe": "study",
        "optimizer": "adam",
        "learning_rate": 0.01,
        "schedule_epochs": 3,
        "epochs": 3,
        "updates_per_epoch": 4,
        "batch": 4,
        "patch": None,
        "patches_per_slice": 1,
        "augmentation": "flips_rotations",
        "loss": "mse",
        "precision": "float32",
        "guard": Guard(),
    }
    return Training(**settings | changes)


def cell(
    model: str = "unet",
    condition: str = "noisy",
    trained: Training | None = None,
    *,
    data: Mapping[str, Any] | None = None,
    dataset: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Cell:
    """Return a resolved cell, of the untreated input where ``model`` is that, else of ``trained`` or ``training()``.

    ``data`` changes the identity of its slices, ``dataset`` what was done to them, ``changes`` the rest.
    """
    identity: dict[str, Any] = {
        "source": "test",
        "kind": "pairs",
        "fingerprint": "f",
        "selection": "s",
        "split": "split",
        "split_sha256": "h",
        "patients_known": True,
        "slices": {"train": 8, "validation": 4, "test": 4},
        "patients": {"train": 2, "validation": 1, "test": 2},
    }
    degraded: dict[str, Any] = {
        "data": DataIdentity(**identity | dict(data or {})),
        "condition": condition,
        "views": None,
        "photons": None,
        "geometry": Geometry(),
        "size": 16,
        "noise_seed": 1,
    }
    untreated = model == INPUT
    values: dict[str, Any] = {
        "model": model,
        "build": None if untreated else f"models.{model}:build",
        "params": {},
        "training": None if untreated else trained or training(),
        "dataset": Dataset(**degraded | dict(dataset or {})),
        "seed": 1,
        "code": "" if untreated else "c",
        "versions": {"physics": 1},
    }
    return Cell(**values | changes)


def planned(described: Cell, name: str | None = None, scaled: Sequence[str] = ()) -> PlannedCell:
    """Return a planned cell; its id is the cell's own unless ``name`` is given."""
    return PlannedCell(id=name or described.id, spec=described, scaled=tuple(scaled))


def scores(slices: Sequence[tuple[str, str]], **columns: Sequence[float] | float) -> Rows:
    """Return a row for each slice (patient, name); a single number of a metric stands in every row.

    ``columns`` are metric ids, handed over as ``**{"psnr.slice_max": 30.0}``.
    """
    rows: Rows = [{"patient": patient, "slice": name} for patient, name in slices]
    for metric, values in columns.items():
        each = [values] * len(rows) if isinstance(values, float | int) else values
        for row, value in zip(rows, each, strict=True):
            row[metric] = float(value)
    return rows


def record(cell: PlannedCell, status: str = "finished", **changes: Any) -> Record:
    """Return the record of a cell that ended in one attempt."""
    attempt: dict[str, Any] = {
        "seed": cell.spec.seed,
        "updates": 2,
        "epochs": 1,
        "ended": status,
        "message": "" if status == "finished" else "why",
    }
    values: dict[str, Any] = {
        "id": cell.id,
        "spec": cell.spec,
        "scaled": cell.scaled,
        "status": status,
        "attempts": (Attempt(**attempt),),
        "metrics": definitions(),
        "scoring_version": SCORING_VERSION,
        "ranges": {"test": [0.0, 1.5]},
    }
    return Record(**values | changes)


def result(
    cell: PlannedCell, rows: Rows | None = None, status: str | None = "finished", **changes: Any
) -> Result:
    """Return a cell with its scores and its record, as if read; without a record where ``status`` is None."""
    ended = None if status is None else record(cell, status, **changes)
    return Result(cell, ended, rows or [], [], NOWHERE)
