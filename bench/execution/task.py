"""A cell on its way to a worker, and the record that it ends with. No Keras: the parent process uses it too."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench import devices, environment, metrics, seeds
from bench.config.schema import YamlFile
from bench.data.pairs.pairs import PairFiles
from bench.events import CellStarted
from bench.network_code.importing import Planned
from bench.plan.cells import Cell, PlannedCell
from bench.records.record import Attempt, Ended, Record, Restart, Status, Submission, Tuning
from bench.records.store import CellStore
from bench.training import checkpoint


@dataclass(frozen=True)
class Task:
    """All that a worker needs for one cell; plain values that travel between processes."""

    planned: PlannedCell
    files: PairFiles
    parts: dict[str, list[tuple[str, str]]]  # part -> (patient, slice)
    store: CellStore
    credit: dict[str, Any]  # the source's title, licence and citation
    deviation_factor: float | None
    code: Planned  # of the network, as the cell's id names it
    threads: int = 1  # on which its bits depend
    second: PairFiles | None = None  # of a second draw of the noise, where the network learns from it
    leaky: str = ""  # why the split is leaky; empty: it is clean
    configuration: dict[str, YamlFile] = field(default_factory=dict)  # datasets.yaml and experiments.yaml
    save_every_s: float = checkpoint.SAVE_EVERY_S  # at most between two saved states of a training
    rescore: bool = False  # the cell has finished: only score it again, from its weights
    before: str | None = (
        None  # SHA-256 of the record when the cell was chosen to run; "": none, None: whichever
    )
    #: no other cell shares the GPU or, on a CPU, the memory: then out of memory lowers the micro-batch
    alone: bool = True
    started: str = ""  # date and time in UTC when a worker was given it

    @property
    def id(self) -> str:
        """The cell's id."""
        return self.planned.id

    @property
    def network(self) -> str:
        """What the cells of one network on equally many threads have in common: they share what is traced; "": none."""
        spec = self.planned.spec
        return "" if spec.build is None else f"{spec.model} {spec.training!r} {self.threads}"

    @property
    def log(self) -> Path:
        """The file that takes the output of the libraries."""
        return self.store.log


@dataclass(frozen=True)
class Outcome:
    """How a cell ended and what was measured on the way: fields of its record, under the same names."""

    status: Status
    attempts: tuple[Attempt, ...]
    data: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, list[float]] = field(default_factory=dict)
    inputs: dict[str, list[float]] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    best_epoch: int | None = None
    weights_sha256: str = ""
    tuning: Tuning | None = None
    submission: Submission | None = None


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
class NetworkCheck:
    """The networks of a run, to be built once; ``log`` takes the output of the libraries."""

    networks: tuple[Network, ...]
    log: Path


class NetworkFault(NamedTuple):
    """A model that cannot be built, and why."""

    model: str
    message: str


class Checked(NamedTuple):
    """The networks that cannot be built, and whether the backend that has built the others sees a GPU."""

    faults: list[NetworkFault]
    sees_gpu: bool | None = None  # None: it was not asked, or has not answered


@dataclass(frozen=True)
class Measurement:
    """A network to be trained for some seconds on random images.

    ``cell`` says how, ``slices`` how many there are of each part (empty: unknown); ``began`` is when its process was
    started, by ``time.monotonic``; ``log`` takes the output of the libraries.
    """

    cell: Cell
    code: Planned
    slices: dict[str, int]
    seconds: float
    began: float
    log: Path


def started(task: Task, number: int, count: int) -> CellStarted:
    """Return the first event of a cell, ``number`` of ``count`` in its run."""
    return CellStarted(task.id, number, count, saved_epochs(task))


def begun(task: Task) -> Task:
    """Return a task that a worker is given now."""
    return replace(task, started=_now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def end(task: Task, outcome: Outcome) -> Record:
    """Write and return the record of an ended cell."""
    record = Record(
        id=task.id,
        spec=task.planned.spec,
        scaled=task.planned.scaled,
        status=outcome.status,
        attempts=outcome.attempts,
        metrics=metrics.definitions(),
        scoring_version=metrics.SCORING_VERSION,
        data=outcome.data,
        ranges=outcome.ranges,
        inputs=outcome.inputs,
        source=task.credit,
        leaky=task.leaky,
        environment={**environment.describe(), **devices.describe(), "threads": task.threads},
        timings=outcome.timings,
        parameters=outcome.parameters,
        best_epoch=outcome.best_epoch,
        weights_sha256=outcome.weights_sha256,
        tuning=outcome.tuning,
        submission=outcome.submission,
        deviation_factor=task.deviation_factor,
        configuration=task.configuration,
        program=environment.program(),
        started=task.started,
        ended=_now(),
    )
    record = task.store.with_files(record)
    task.store.write_record(record)
    return record


def fail(task: Task, message: str) -> Record:
    """Write and return the record of a cell that ended by an error; its saved state stays for another attempt.

    A finished cell that cannot be scored again keeps its record and scores: then nothing is written.
    """
    if task.rescore:
        finished = task.store.read_record()
        assert finished is not None
        return finished.model_copy(update={"status": "failed"})
    training, epochs = task.planned.spec.training, saved_epochs(task)
    at = epochs + 1 if training and epochs < training.epochs else None
    return end(task, Outcome("failed", with_attempt(task, "failed", message, epoch=at)))


def earlier_attempts(task: Task) -> tuple[Attempt, ...]:
    """Return the attempts of a cell that have ended, those of this run too."""
    return task.store.read_attempts()


def with_attempt(
    task: Task, ended: Ended, message: str = "", *, epoch: int | None = None, then: Restart = ""
) -> tuple[Attempt, ...]:
    """Return the attempts of a cell with the one that has just ended, at ``epoch`` where it was cut off."""
    earlier, training, epochs = earlier_attempts(task), task.planned.spec.training, saved_epochs(task)
    parts = next_parts(task, earlier) or 1
    latest = Attempt(
        seed=next_seed(task, earlier),
        updates=epochs * training.updates_per_epoch if training else 0,
        epochs=epochs,
        micro_batch=training.batch // parts if training else None,
        parts=parts,
        ended=ended,
        epoch=epoch,
        message=message,
        then=then,
    )
    return (*earlier, latest)


def next_seed(task: Task, attempts: tuple[Attempt, ...]) -> int:
    """Return the seed of the attempt after ``attempts``: the cell's own, or another after each divergence.

    A training that goes on from its best epoch keeps its seed.
    """
    cell_seed = task.planned.spec.seed
    diverged = sum(attempt.ended == "diverged" and attempt.then != "best" for attempt in attempts)
    return cell_seed if diverged == 0 else seeds.derive("attempt", cell_seed, diverged) % 2**31


def next_parts(task: Task, attempts: tuple[Attempt, ...]) -> int | None:
    """Return the micro-batches of an update in the attempt after ``attempts``; None where no smaller ones are left.

    An attempt that ran out of memory is followed by the next larger number that divides the batch. After a failure
    a retry begins with the whole batch again: it may have another machine.
    """
    parts: int | None = 1
    batch = task.planned.spec.training.batch if task.planned.spec.training else 1
    for attempt in attempts:
        if attempt.ended == "failed":
            parts = 1
        elif attempt.ended == "out_of_memory":
            larger = range(attempt.parts + 1, batch + 1)
            parts = next((count for count in larger if batch % count == 0), None)
    return parts


def saved_epochs(task: Task) -> int:
    """Return how many epochs a training goes on from: the rows of its history, which count where a state is saved."""
    return len(task.store.read_history()) if checkpoint.exists(task.store.state) else 0
