"""A cell on its way to a worker, and the record it ends with. No Keras: the parent process uses it too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench import devices, metrics, seeds
from bench.data.pairs import PairFiles
from bench.importing import Planned
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
    leaky: str = ""  # why the split is leaky; empty: it is clean
    base: str = ""  # the folder beside which the networks' modules are looked for first
    modules: dict[str, str] = field(
        default_factory=dict
    )  # hash of each module of the network when it was planned

    @property
    def code(self) -> Planned:
        """The code that the cell's id names."""
        return Planned(self.base, self.planned.spec.code, self.modules)


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
        leaky=task.leaky,
        environment={**environment(), **devices.describe()},
        effective_photons=task.effective_photons,
        **results,
    )
    task.store.write_record(record)
    return record


def earlier_attempts(task: Task) -> tuple[Attempt, ...]:
    """Return the attempts that the cell's record holds."""
    earlier = task.store.read_record()
    return earlier.attempts if earlier is not None else ()


def next_seed(task: Task, attempts: tuple[Attempt, ...]) -> int:
    """Return the seed of the attempt after ``attempts``: the cell's own, or another after each divergence."""
    cell_seed = task.planned.spec.seed
    diverged = sum(attempt.ended == "diverged" for attempt in attempts)
    return cell_seed if diverged == 0 else seeds.derive("attempt", cell_seed, diverged) % 2**31


def fail(task: Task, message: str) -> Record:
    """Write and return the record of a cell that ended by an error; its saved state stays for another attempt."""
    attempts = earlier_attempts(task)
    training = task.planned.spec.training
    epochs = len(task.store.read_history()) if task.store.state.exists() else 0
    attempt = Attempt(
        seed=next_seed(task, attempts),
        updates=epochs * training.updates_per_epoch if training else 0,
        epochs=epochs,
        micro_batch=training.batch if training else None,
        ended="failed",
        epoch=epochs + 1 if training and epochs < training.epochs else None,
        message=message,
    )
    return end(task, "failed", (*attempts, attempt))
