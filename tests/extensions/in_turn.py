"""An executor: one cell after the other in this process, the last first."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Self

from bench.events import Event
from bench.execution.attempt import attempt, check_networks
from bench.execution.machine import Machine
from bench.execution.stopping import Request
from bench.execution.task import NetworkCheck, NetworkFault, Task, started


class InTurn:
    """Runs cells where the runner runs."""

    def __init__(self, machine: Machine) -> None:
        self._faults: list[NetworkFault] = []
        self._request = Request()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, check: NetworkCheck, threads: Sequence[int]) -> None:
        """Build each network once."""
        self._faults = check_networks(check).faults

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Return the networks that cannot be built."""
        yield from ()
        return self._faults

    def stop(self) -> None:
        """Let the cell at work save its state and end, and begin no other."""
        self._request.asked = True

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run the tasks."""
        for number, task in enumerate(reversed(tasks), start=1):
            if self._request.asked:
                return
            yield started(task, number, len(tasks))
            events: list[Event] = []
            ended = attempt(task, events.append, self._request)
            yield from (*events, ended)
