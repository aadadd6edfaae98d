"""The executor of a run: where its cells are trained and scored.

Another one is a class with these methods and a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from bench.errors import BenchError
from bench.events import Event
from bench.execution.local import Local
from bench.execution.machine import Machine
from bench.execution.ray_cluster import RayCluster
from bench.execution.slurm import Slurm
from bench.execution.task import NetworkCheck, NetworkFault, Task
from bench.names import suggestion


class Executor(Protocol):
    """Runs cells; a context manager, so that the processes that it has started end with it.

    The plan, the pairs, the leak gate and the tables are the runner's. Every event of a cell carries the cell's id,
    so the events of several cells may come in any mixture.
    """

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, check: NetworkCheck, threads: Sequence[int]) -> None:
        """Start to build each network once, while the runner builds the pairs; return at once.

        ``threads`` are those of each cell with a network that is to run.
        """

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Wait for what ``begin`` has started and return each network that cannot be built, and why."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run the tasks; ``CellStarted`` is the first and ``CellEnded`` the last event of each, whatever happens to it.

        A cell that ran out of memory beside others (``CellEnded.crowded``) has not ended: it begins again later.

        A cell runs on ``Task.threads`` threads: its bits depend on their number.
        A cell has ended once its record is on disk (``attempt.attempt`` writes it, or ``task.fail``).
        """

    def stop(self) -> None:
        """Let the cells at work save their state and end as ``stopped``, and begin no other: ``run`` then ends soon.

        A signal handler calls it, at any moment.
        """


#: By name, each made from what a person asked for of the machine.
EXECUTORS: dict[str, Callable[[Machine], Executor]] = {
    "local": Local,
    "ray": RayCluster,
    "slurm": Slurm,
}


def executor_of(name: str) -> Callable[[Machine], Executor]:
    """Return what makes the executor ``name``; ``BenchError`` where there is none."""
    if name not in EXECUTORS:
        raise BenchError(f"unknown executor {name!r}", remedy=suggestion(name, EXECUTORS))
    return EXECUTORS[name]
