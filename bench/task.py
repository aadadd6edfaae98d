"""A cell on its way to a worker, and the record it ends with. No Keras: the parent process uses it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench import devices, metrics
from bench.data.pairs import PairFiles
from bench.provenance import environment
from bench.record import Attempt, Record, Status
from bench.spec import PlannedCell
from bench.store import CellStore


@dataclass(frozen=True)
class Task:
    """All that a worker needs for one cell; plain values that travel between processes."""

    planned: PlannedCell
    files: PairFiles
    parts: dict[str, list[tuple[str, str]]]  # part -> (patient, slice)
    store: CellStore
    source: dict[str, Any]
    effective_photons: float | None
    base: str = ""  # the folder beside which the networks' modules are looked for first


def end(task: Task, status: Status, attempts: tuple[Attempt, ...], **results: Any) -> Record:
    """Write and return the record of an ended cell; ``results`` are further fields of the record."""
    record = Record(
        id=task.planned.id,
        spec=task.planned.spec,
        scaled=task.planned.scaled,
        status=status,
        attempts=attempts,
        metrics=metrics.definitions(metrics.METRICS),
        scoring_version=metrics.SCORING_VERSION,
        source=task.source,
        environment={**environment(), **devices.describe()},
        effective_photons=task.effective_photons,
        **results,
    )
    task.store.write_record(record)
    return record


def fail(task: Task, message: str) -> Record:
    """Write and return the record of a cell that ended by an error; its saved state stays for another attempt."""
    earlier = task.store.read_record()
    training = task.planned.spec.training
    epochs = len(task.store.read_history())
    attempt = Attempt(
        seed=task.planned.spec.seed,
        updates=epochs * training.updates_per_epoch if training else 0,
        epochs=epochs,
        micro_batch=training.batch if training else None,
        ended="failed",
        epoch=epochs + 1 if training else None,
        message=message,
    )
    return end(task, "failed", (*(earlier.attempts if earlier else ()), attempt))
