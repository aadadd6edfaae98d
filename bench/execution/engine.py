"""What the executors by an engine have in common: cells as jobs, whose events are followed through files."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, NamedTuple, Self

from bench import gpus
from bench.errors import BenchError
from bench.events import CellEnded, Event, Message
from bench.execution import node
from bench.execution.event_file import EventFile
from bench.execution.machine import AUTO, Machine
from bench.execution.node import Job
from bench.execution.task import NetworkCheck, NetworkFault, Task
from bench.execution.worker import Worker

POLL_S = 1.0


class Gone(NamedTuple):
    """A job that is over: how the engine says it, and whether it may be submitted again where its cell has no end."""

    words: str
    again: bool


@dataclass
class _Submitted:
    job: Job
    handle: Any  # the engine's
    file: EventFile
    tries: int = 1


class Engine(ABC):
    """An executor whose cells are jobs of an engine: it places them, starts lost ones again and kills what is left.

    The networks are built once on the submitting machine, on its CPU. What a job says is read from its event file, so
    the folders of runs and pairs are shared by all machines.
    """

    name: str
    tries = 5  # submissions of one cell, where the engine loses its jobs

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.gpu = False  # cells with a network get one, or a share of one
        self._checker: Worker | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._checker is not None:
            self._checker.close()

    @abstractmethod
    def connect(self) -> None:
        """Reach the engine, and say in ``gpu`` whether it has GPUs.

        Raises:
            BenchError: it is not installed, cannot be reached or does not know an option.
        """

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> Generator[Event, None, dict[str, Any]]:
        """Give jobs to the engine and return a handle of each by its cell."""

    @abstractmethod
    def gone(self, handle: Any) -> Gone | None:
        """Return how a job is over; None: it waits or runs."""

    @abstractmethod
    def leave(self, handles: Sequence[Any]) -> None:
        """Let go of jobs that are not over, since the command is to stop."""

    def begin(self, check: NetworkCheck, threads: Sequence[int]) -> None:
        """Connect, and let a worker build the networks in the background.

        Raises:
            BenchError: the engine cannot be used as asked.
        """
        if not (self.machine.gpus is None or gpus.is_none(self.machine.gpus)):
            raise BenchError(f"--gpus names GPUs of this machine; {self.name} gives each cell its own")
        if self.machine.slots_per_gpu == AUTO:
            raise BenchError("--slots-per-gpu auto is for the executor local", remedy="give a number")
        self.connect()
        if check.networks:
            self._checker = Worker("", self.machine)
            self._checker.begin(check, max(threads, default=1))

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Return each network that cannot be built, and why."""
        yield from ()
        if self._checker is None:
            return []
        faults = self._checker.checked().faults
        self._checker.close()
        return faults

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Submit the tasks, rows without a network first, and follow them to their ends."""
        first = sorted(tasks, key=lambda task: task.network != "")
        waiting = [
            node.job(
                replace(task, alone=not self.shares(task)),
                number,
                len(tasks),
                gpu=self.gpu and task.network != "",
                machine=self.machine,
            )
            for number, task in enumerate(first, start=1)
        ]
        submitted = yield from self._submitted(waiting)
        try:
            while submitted and not self._stopped:
                time.sleep(POLL_S)
                for one in list(submitted.values()):
                    yield from self._follow(one, submitted)
        finally:
            self.leave([one.handle for one in submitted.values()])

    def shares(self, task: Task) -> bool:
        """Return whether other cells are on the GPU of a task."""
        return self.gpu and task.network != "" and self.machine.slots_per_gpu > 1

    def stop(self) -> None:
        """Follow the jobs no longer; what becomes of them is the engine's (``leave``)."""
        self._stopped = True

    def _submitted(self, jobs: Sequence[Job]) -> Generator[Event, None, dict[str, _Submitted]]:
        handles = yield from self.submit(jobs)
        return {job.id: _Submitted(job, handles[job.id], EventFile(job.events)) for job in jobs}

    def _follow(self, one: _Submitted, submitted: dict[str, _Submitted]) -> Iterator[Event]:
        """Yield what a job has said; when it is over and its cell has no end, submit it again or give the cell up."""
        gone = self.gone(one.handle)  # before reading: all that a job has said is there once it is over
        for event in one.file.read_new():
            if isinstance(event, CellEnded):
                del submitted[one.job.id]
                if event.crowded:
                    yield Message(f"{one.job.id}: out of memory beside others; it gets a GPU to itself")
                    alone = replace(one.job, task=replace(one.job.task, alone=True))
                    submitted |= yield from self._submitted([alone])
                else:
                    yield event
                return
            yield event
        if gone is None:
            return
        if gone.again and one.tries < self.tries:
            yield Message(f"{one.job.id}: its job ended ({gone.words}) and is submitted again")
            one.handle = (yield from self.submit([one.job]))[one.job.id]
            one.file, one.tries = EventFile(one.job.events), one.tries + 1
        else:
            del submitted[one.job.id]
            yield CellEnded(one.job.id, "failed", f"its job ended without a result: {gone.words}", 0.0)
