"""The executor of one machine: worker processes on its GPUs, or side by side on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import wait
from statistics import mode
from types import TracebackType
from typing import Self

from bench import devices, environment, gpus
from bench.errors import BenchError
from bench.events import CellEnded, Event, Message
from bench.execution import places
from bench.execution.machine import AUTO, EVERYTHING, Machine
from bench.execution.slots import Growth, Place
from bench.execution.task import NetworkCheck, NetworkFault, Task, started
from bench.execution.worker import POLL_S, Worker
from bench.gpus import Gpu

BACKENDS = {
    "tensorflow": ("TensorFlow", "pip install 'ldct-denoising-benchmark[gpu]'"),
    "jax": ("JAX", "pip install 'jax[cuda12]'"),
}


#: How often a cell whose worker was ended by SIGTERM is given to another one: a guard of the memory ends it for ever.
GIVEN_AGAIN = 5


class Local:
    """Workers on every GPU that no other job uses, one on each unless more are asked for; else on the CPU.

    Beside GPUs, rows without a network have a worker of their own and hold none up.
    """

    def __init__(self, machine: Machine | None = None) -> None:
        self._machine = machine or EVERYTHING
        self._stack = ExitStack()
        self._places: list[Place] = []
        self._stopped = False
        self._asked: tuple[NetworkCheck, Sequence[int]] | None = None
        self._remarks: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def begin(self, check: NetworkCheck, threads: Sequence[int]) -> None:
        """Share the networks out to workers that build them in the background; with all GPUs in use later.

        Raises:
            BenchError: ``--gpus`` names one that is not there.
        """
        self._asked = (check, threads)
        present, self._remarks = gpus.selected(self._machine.gpus)
        free = places.free(self._machine, present)
        if not present or not threads:  # rows without a network wait for no GPU
            self._start([])
        elif free:
            self._start(free)
            if used := [gpu for gpu in present if gpu not in free]:
                self._remarks.append(f"left to others: {places.in_use(used)}")

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Return each network that cannot be built, and why; before that, wait until a GPU is free.

        Raises:
            BenchError: the backend does not see the GPU that it was given.
        """
        assert self._asked is not None, "begin comes first"
        yield from map(Message, self._remarks)
        if not self._places:
            self._start((yield from places.free_gpus(self._machine)))
        faults: list[NetworkFault] = []
        for place in self._places:
            for worker in place.workers:
                answer = worker.checked()
                faults += answer.faults
                if place.gpu is not None and answer.sees_gpu is False:
                    raise _unseen(place.gpu)
        order = [network.model for network in self._asked[0].networks]
        return sorted(faults, key=lambda fault: order.index(fault.model))

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run the tasks, a worker's next one by ``places.next_task``; a worker that dies costs its cell only."""
        assert self._places, "faults comes first"
        self._add_places(tasks)
        if (most := sum(place.slots for place in self._places)) > 1:
            yield Message(f"up to {most} cells at once")
        waiting, numbers, left = list(tasks), dict[str, int](), Counter[str]()
        while self._at_work() or (waiting and not self._stopped):
            for place in self._places:
                self._fill(place)
                for worker in place.idle():
                    if not self._stopped and (task := self._next(place, worker, waiting)) is not None:
                        waiting.remove(task)
                        number = numbers.setdefault(task.id, len(numbers) + 1)
                        yield started(task, number, len(tasks))
                        alone = place.is_alone(waiting)
                        worker.give(replace(task, alone=alone), self._cores(worker, task.threads))
            if self._stopped:  # in a moment when a worker was started
                self.stop()
            for place, worker in self._heard():
                task = worker.task
                for event in worker.receive():
                    if task is not None and isinstance(event, CellEnded) and event.crowded:
                        waiting.insert(0, task)
                        yield place.fewer(task)
                    elif task is not None and self._left(event) and left[task.id] < GIVEN_AGAIN:
                        left[task.id] += 1
                        waiting.insert(0, task)
                        yield Message(
                            f"{task.id}: its worker process was asked to end (SIGTERM); another goes on with the cell"
                        )
                    else:
                        yield event
                        if place.growth:
                            place.growth.note(event)
                if place.growth:
                    yield from place.growth.step(place, waiting)

    def stop(self) -> None:
        """Ask the cells at work to save their state and end; no other begins."""
        self._stopped = True
        for place in self._places:
            for worker in place.workers:
                worker.stop()

    def _left(self, event: Event) -> bool:
        """Return whether a cell has stopped though nobody has asked the run to."""
        return isinstance(event, CellEnded) and event.status == "stopped" and not self._stopped

    def _start(self, free: Sequence[Gpu]) -> None:
        """Make the places of cells with a network and let their workers build the networks."""
        assert self._asked is not None
        check, threads = self._asked
        if free:
            for gpu, slots in places.slots(self._machine, free, len(threads)):
                auto = self._machine.slots_per_gpu == AUTO and not self._machine.workers
                self._places.append(Place(gpu, slots, networks=True, growth=Growth() if auto else None))
        else:
            self._places.append(Place(None, places.workers(self._machine.workers, threads)))
        for place in self._places:
            self._fill(place)
        workers = [worker for place in self._places for worker in place.workers]
        usual = mode(threads) if threads else 1
        for index, worker in enumerate(workers):
            if check.networks:  # rows without a network need no backend
                share = replace(check, networks=check.networks[index :: len(workers)])
                worker.begin(share, usual, self._cores(worker, usual))

    def _add_places(self, tasks: Sequence[Task]) -> None:
        """Have room for the rows without a network too: on the CPU beside the others, beside GPUs apart."""
        first = self._places[0]
        if first.gpu is None:
            each = [task.threads for task in tasks]
            first.slots = max(first.slots, places.workers(self._machine.workers, each))
        elif any(not task.network for task in tasks):
            self._places.append(Place(None, 1, networks=False))

    def _fill(self, place: Place) -> None:
        """Have as many workers at a place as there are slots."""
        device = place.gpu.device if place.gpu else self._machine.device_without_gpu
        while len(place.workers) < place.slots:
            place.workers.append(self._stack.enter_context(Worker(device, self._machine)))

    def _next(self, place: Place, worker: Worker, waiting: Sequence[Task]) -> Task | None:
        """Return the next cell for a worker; one more than usual at a GPU is to be of the network that runs there."""
        waiting = [task for task in waiting if place.takes(task)]
        tried = place.growth is not None and place.growth.before is not None
        traced = place.at_work()[0].network if tried and place.at_work() else worker.traced
        limit = None if self._machine.workers or place.gpu is not None else environment.cores()
        return places.next_task(waiting, traced, self._at_work(), limit)

    def _at_work(self) -> list[Task]:
        return [task for place in self._places for task in place.at_work()]

    def _heard(self) -> list[tuple[Place, Worker]]:
        """Wait until workers at a cell have said something, have died or are overdue, and return them."""
        busy = [(place, worker) for place in self._places for worker in place.workers if worker.task]
        signs = set(wait([sign for _, worker in busy for sign in worker.signs()], POLL_S))
        heard = [(pair, any(sign in signs for sign in pair[1].signs())) for pair in busy]
        return [pair for pair, spoke in heard if spoke or pair[1].overdue(heard=False)]

    def _cores(self, worker: Worker, threads: int) -> tuple[int, ...]:
        """Return the cores that a worker is held to, those that fewest others are; empty: it need not be held."""
        if not devices.must_be_held(worker.device):
            return ()
        others = [other for place in self._places for other in place.workers if other is not worker]
        held = Counter(core for other in others for core in other.cores)
        return tuple(sorted(devices.allowed_cores(), key=lambda core: (held[core], core))[:threads])


def _unseen(gpu: Gpu) -> BenchError:
    """Return that the backend has no use of a GPU: a week on the CPU that nobody asked for is worse than a stop."""
    backend, install = BACKENDS.get(devices.backend(), (devices.backend(), "install it with CUDA"))
    return BenchError(
        f"{gpu.words} ({gpu.name}) is free, but {backend} sees none",
        remedy=f"{install}, or --gpus none to train on the CPU on purpose",
    )
