"""The executor of one machine: worker processes on a GPU, or side by side on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import wait
from statistics import mode
from types import TracebackType
from typing import Self

from bench import devices, environment
from bench.events import Event, Message
from bench.execution import places
from bench.execution.task import NetworkCheck, NetworkFault, Task, started
from bench.execution.worker import Worker


class Local:
    """Workers on the GPU with most free memory, one unless more are asked for; on the CPU where there is no GPU.

    Beside a GPU, rows without a network have a worker of their own and hold none up.
    """

    def __init__(self, workers: int = 0) -> None:
        self._chosen = workers  # 0: as many as the machine carries
        self._stack = ExitStack()
        self._gpu: int | None = None
        self._workers: list[Worker] = []
        self._stopped = False
        self._asked: tuple[NetworkCheck, Sequence[int]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def begin(self, check: NetworkCheck, threads: Sequence[int]) -> None:
        """Share the networks out to workers that build them in the background; with all GPUs in use later."""
        self._asked = (check, threads)
        gpu = places.freest(devices.gpus())
        if gpu != places.BUSY:
            self._start(gpu)

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Return each network that cannot be built, and why; before that, wait until a GPU is free."""
        assert self._asked is not None, "begin comes first"
        if not self._workers:
            self._start((yield from places.free_gpu()))
        order = [network.model for network in self._asked[0].networks]
        faults = [fault for worker in self._workers for fault in worker.checked()]
        return sorted(faults, key=lambda fault: order.index(fault.model))

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run the tasks, a worker's next one by ``places.next_task``; a worker that dies costs its cell only."""
        assert self._workers, "faults comes first"
        self._add([task.threads for task in tasks if task.network or self._gpu is None])
        if self._gpu is not None and any(not task.network for task in tasks):
            self._workers.append(self._stack.enter_context(Worker()))
        if len(self._workers) > 1:
            yield Message(f"up to {len(self._workers)} cells at once")
        waiting, number = list(tasks), 0
        while self._at_work() or (waiting and not self._stopped):
            for worker in self._workers:
                if self._stopped:
                    break
                if worker.task is None and (task := self._next(worker, waiting)) is not None:
                    waiting.remove(task)
                    number += 1
                    yield started(task, number, len(tasks))
                    worker.give(task, self._cores(worker, task.threads))
            if self._stopped:  # in a moment when a worker was started
                self.stop()
            for worker in self._heard():
                yield from worker.receive()

    def stop(self) -> None:
        """Ask the cells at work to save their state and end; no other begins."""
        self._stopped = True
        for worker in self._workers:
            worker.stop()

    def _start(self, gpu: int | None) -> None:
        assert self._asked is not None
        check, threads = self._asked
        self._gpu = gpu
        self._add(threads)
        usual, count = mode(threads) if threads else 1, len(self._workers)
        for index, worker in enumerate(self._workers):
            if check.networks:  # rows without a network need no backend
                share = replace(check, networks=check.networks[index::count])
                worker.begin(share, usual, self._cores(worker, usual))

    def _add(self, threads: Sequence[int]) -> None:
        """Have as many workers as there are places for cells with so many threads each."""
        while len(self._workers) < places.workers(self._chosen, threads, self._gpu):
            self._workers.append(self._stack.enter_context(Worker(self._gpu)))

    def _next(self, worker: Worker, waiting: Sequence[Task]) -> Task | None:
        if self._gpu is not None:
            waiting = [task for task in waiting if (worker.gpu is None) == (task.network == "")]
        limit = None if self._chosen or self._gpu is not None else environment.cores()
        return places.next_task(waiting, worker.traced, self._at_work(), limit)

    def _at_work(self) -> list[Task]:
        return [worker.task for worker in self._workers if worker.task is not None]

    def _heard(self) -> list[Worker]:
        """Wait until workers at a cell have said something or have died, and return them."""
        by_sign = {sign: worker for worker in self._workers if worker.task for sign in worker.signs()}
        return list(dict.fromkeys(by_sign[sign] for sign in wait(list(by_sign))))

    def _cores(self, worker: Worker, threads: int) -> tuple[int, ...]:
        """Return the cores that a worker is held to, those that fewest others are; empty: it need not be held."""
        if not devices.must_be_held(worker.gpu):
            return ()
        held = Counter(core for other in self._workers if other is not worker for core in other.cores)
        return tuple(sorted(devices.allowed_cores(), key=lambda core: (held[core], core))[:threads])
