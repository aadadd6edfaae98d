"""What a job of an engine does on its node: one cell in a worker process, as on the machine of a person."""

from __future__ import annotations

import functools
import hashlib
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import bench
from bench import devices, gpus
from bench.data.pairs.pairs import PairFiles
from bench.errors import BenchError
from bench.events import CellEnded, Message
from bench.execution.event_file import EventFile
from bench.execution.machine import Machine
from bench.execution.task import NetworkCheck, Task, started
from bench.execution.worker import Worker
from bench.records.store import CellStore

SAVE_S = (
    60.0  # for an update and a state; Slurm gives 90 s before the end of a job's time (submitit's default)
)
STATUS_STOPPED = "stopped"


class Stopped(Exception):
    """The engine has stopped the job: the cell stays open and goes on from its saved state."""


@dataclass(frozen=True)
class Job:
    """A cell on its way to a node; all its paths are absolute."""

    task: Task
    number: int
    count: int
    gpu: bool  # the engine gives it one, or a share of one
    machine: Machine
    program: str  # that of the submitting machine

    @property
    def id(self) -> str:
        """The cell's id."""
        return self.task.id

    @property
    def events(self) -> Path:
        """The file that takes the job's events."""
        return self.task.store.folder.parent / ".events" / f"{self.id}.jsonl"


def job(task: Task, number: int, count: int, *, gpu: bool, machine: Machine) -> Job:
    """Return the job of a cell, and make the cell's folder: a node that does not see it is told from one that does."""
    here = replace(
        task,
        store=CellStore(task.store.folder.absolute()),
        files=_absolute(task.files),
        second=_absolute(task.second) if task.second else None,
        code=replace(task.code, base=str(Path(task.code.base).absolute())),
    )
    here.store.folder.mkdir(parents=True, exist_ok=True)
    return Job(here, number, count, gpu, machine, program())


def _absolute(files: PairFiles) -> PairFiles:
    return replace(files, folder=str(Path(files.folder).absolute()), proofs=())


@functools.cache
def program() -> str:
    """Return the SHA-256 of this program's code."""
    root, digest = Path(bench.__file__).parent, hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def refusal(job: Job) -> str:
    """Return why this node cannot run a job, in one line; empty: it can."""
    host, runs = socket.gethostname(), job.task.store.folder.parent
    if program() != job.program:
        place = Path(bench.__file__).parent
        return f"{host} has another version of this program in {place}; install the same on every node"
    pairs = Path(job.task.files.folder)
    for folder, place, option in ((job.task.store.folder, runs, "--runs"), (pairs, pairs, "--cache")):
        if not folder.is_dir():
            return f"{host} does not see {place}; name a folder that all nodes share with {option}"
    return ""


def run(job: Job) -> None:
    """Run a cell here; its events go to ``Job.events``, ``CellEnded`` last.

    Raises:
        Stopped: the engine has stopped it.
    """
    events, began = EventFile(job.events), time.monotonic()
    events.append(started(job.task, job.number, job.count))
    try:
        ended = _ended(job, events)
    except BenchError as error:  # no record: nothing was done in the cell's name
        ended = CellEnded(job.id, "failed", str(error), time.monotonic() - began)
    if ended.status == STATUS_STOPPED:
        events.append(Message(f"{job.id}: stopped by the engine; it goes on from its last saved state"))
        raise Stopped(job.id)
    events.append(ended)


def stop() -> None:
    """Let the cell that runs in this process save its state, if there is one, and end its worker."""
    for worker in list(_workers):
        worker.leave(SAVE_S)


def _ended(job: Job, events: EventFile) -> CellEnded:
    if why := refusal(job):
        raise BenchError(why)
    device = ""
    if job.gpu:
        visible = gpus.visible()
        if not visible:
            raise BenchError(f"{socket.gethostname()}: the engine gives a GPU, but the driver shows none")
        device = visible[0].device
    with _at_work(Worker(device, job.machine)) as worker:
        if job.gpu:
            worker.begin(NetworkCheck((), job.task.log), job.task.threads)
            if worker.checked().sees_gpu is False:
                raise BenchError(
                    f"{socket.gethostname()}: {visible[0].words} is given, but {devices.backend()} sees none"
                )
        worker.give(job.task, _cores(worker, job.task.threads))
        while True:
            for event in worker.receive():
                if isinstance(event, CellEnded):
                    return event
                events.append(event)


def _cores(worker: Worker, threads: int) -> tuple[int, ...]:
    """Return the cores that a worker is held to, any that it may use: an engine tells cells of others nothing."""
    cores = devices.allowed_cores() if devices.must_be_held(worker.device) else []
    return tuple(random.sample(cores, min(threads, len(cores))))


@contextmanager
def _at_work(worker: Worker) -> Iterator[Worker]:
    """Use a worker, which ``stop`` reaches until the block is done."""
    with worker:
        _workers.append(worker)
        try:
            yield worker
        finally:
            _workers.remove(worker)


_workers: list[Worker] = []  # in this process, one at most
