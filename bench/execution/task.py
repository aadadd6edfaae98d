"""A cell on its way to a worker, and the record it ends with. No Keras: the parent process uses it too."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import devices, environment, metrics, seeds
from bench.config.schema import YamlFile
from bench.data.pairs.pairs import PairFiles
from bench.network_code.importing import Planned
from bench.plan.cells import PlannedCell
from bench.records.record import Attempt, Record, Status
from bench.records.store import CellStore


@dataclass(frozen=True)
class Task:
    """All that a worker needs for one cell; plain values that travel between processes."""

    planned: PlannedCell
    files: PairFiles
    parts: dict[str, list[tuple[str, str]]]  # part -> (patient, slice)
    store: CellStore
    source: dict[str, Any]
    deviation_factor: float | None
    code: Planned  # of the network, as the cell's id names it
    leaky: str = ""  # why the split is leaky; empty: it is clean
    configuration: dict[str, YamlFile] = field(default_factory=dict)  # datasets.yaml and experiments.yaml


@dataclass(frozen=True)
class Network:
    """A network that is built once before any cell is trained; ``sides`` are those of its images, in pixels."""

    model: str
    build: str
    params: dict[str, Any]
    precision: str
    sides: tuple[int, ...]
    code: Planned  # that of its cells


@dataclass(frozen=True)
class Check:
    """The networks of a run, to be built once; ``log`` takes what the libraries print."""

    networks: tuple[Network, ...]
    log: Path


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
        configuration=task.configuration,
        environment={**environment.describe(), **devices.describe()},
        deviation_factor=task.deviation_factor,
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
