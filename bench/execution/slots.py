"""A GPU or the CPU with the workers that run cells there, and whether one more cell at once makes a GPU faster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bench import gpus
from bench.events import Event, Message, Progress
from bench.execution.task import Task
from bench.execution.worker import Worker
from bench.gpus import Gpu
from bench.words import count

MEASURE_S = (
    120.0  # of training, before and after a cell is added: some checks of the validation patients lie within
)
GAIN = 1.05
MARGIN = 1.25  # a cell takes a little more as it is scored, and an allocator takes memory in large pieces


@dataclass(eq=False)
class Place:
    """Workers that share one memory; ``slots`` of them have a cell at most."""

    gpu: Gpu | None  # None: the CPU
    slots: int
    networks: bool | None = None  # only cells with a network, only rows without; None: both
    growth: Growth | None = None
    workers: list[Worker] = field(default_factory=list)

    @property
    def words(self) -> str:
        """For a line: ``GPU 0``."""
        return "the CPU" if self.gpu is None else self.gpu.words

    def takes(self, task: Task) -> bool:
        """Return whether a cell may run here."""
        return self.networks is None or self.networks == bool(task.network)

    def at_work(self) -> list[Task]:
        """Return the cells that run here."""
        return [worker.task for worker in self.workers if worker.task is not None]

    def idle(self) -> list[Worker]:
        """Return the workers that a cell may be given to; ends those that there is no slot for any more."""
        at_work = [worker for worker in self.workers if worker.task is not None]
        others = [worker for worker in self.workers if worker.task is None]
        left = max(0, self.slots - len(at_work))
        for worker in others[left:]:
            worker.close()
            self.workers.remove(worker)
        return others[:left]

    def is_alone(self, waiting: Sequence[Task]) -> bool:
        """Return whether a cell that begins now has this memory for itself to its end."""
        if self.at_work():
            return False
        return (self.slots == 1 and self.growth is None) or not any(map(self.takes, waiting))

    def fewer(self, task: Task) -> Message:
        """Run one cell less at once, since ``task`` ran out of memory beside others."""
        self.slots, self.growth = max(1, self.slots - 1), None
        at_once = count(self.slots, "cell")
        return Message(
            f"{task.id} ran out of memory beside others: it runs again, with {at_once} at once on {self.words}"
        )


@dataclass
class Growth:
    """Finds how many cells at once a GPU gains from: one more while memory allows, kept where updates/s rise by 5 %.

    Only cells of one network are compared, while the same cells run. A cell that turns out to be one too many is
    not ended: it runs to its end, and no other takes its slot.
    """

    clock: Callable[[], float] = time.monotonic
    before: float | None = None  # updates/s without the cell that is tried; None: none is
    _steps: dict[str, tuple[float, int, float, int]] = field(
        default_factory=dict
    )  # first and last time and update

    def note(self, event: Event) -> None:
        """Take a step of training."""
        if isinstance(event, Progress) and event.stage == "train":
            now = self.clock()
            began, first, *_ = self._steps.get(event.subject, (now, event.done))
            self._steps[event.subject] = (began, first, now, event.done)

    def rate(self, cells: Sequence[Task]) -> float | None:
        """Return the updates/s of all cells together, None until each has trained long enough beside the others."""
        names = [task.id for task in cells]
        if any(name not in names for name in self._steps):
            self._steps.clear()
        steps = [self._steps[name] for name in names if name in self._steps]
        if not steps or len(steps) < len(names):
            return None
        together = max(step[0] for step in steps)
        if together > min(step[0] for step in steps) + MEASURE_S / 10:  # one has just joined
            self._steps.clear()
            return None
        if min(step[2] for step in steps) - together < MEASURE_S:
            return None
        return sum((last - first) / (now - began) for began, first, now, last in steps)

    def step(self, place: Place, waiting: Sequence[Task]) -> Iterator[Message]:
        """Decide, once the speed is known, and say so."""
        cells = place.at_work()
        if len(cells) != place.slots or len({task.network for task in cells}) != 1:
            return
        rate = self.rate(cells)
        if rate is None:
            return
        self._steps.clear()
        speed = f"{place.words}: {rate:.3g} updates/s with {count(len(cells), 'cell')} at once"
        if self.before is not None and rate < GAIN * self.before:
            place.slots, place.growth = place.slots - 1, None
            yield Message(f"{speed}, {self.before:.3g} with one less: back to {count(place.slots, 'cell')}")
            return
        if self.before is not None:
            yield Message(f"{speed}, {self.before:.3g} with one less: kept")
        self.before = None
        if not any(task.network == cells[0].network for task in waiting):
            return
        needed, free = memory(place)
        if needed <= free:
            self.before = rate
            place.slots += 1
            yield Message(f"{speed}, {needed} MiB for a further one and {free} free: it is tried")
        else:
            place.growth = None
            yield Message(f"{speed}; {needed} MiB for a further one, {free} free: no more")


def memory(place: Place) -> tuple[int, int]:
    """Return what one more cell needs on a GPU, with a margin, and what is free there, in MiB.

    A process that the driver does not name (in a container) has its share of what is used since the run began.
    """
    began = place.gpu
    assert began is not None
    now = next((gpu for gpu in gpus.visible() if gpu.uuid == began.uuid), began)
    own = {worker.pid for worker in place.workers}
    told = [one.used for one in now.processes if one.pid in own and one.used is not None]
    each = max(told) if told else (now.used - began.used) // max(1, len(place.at_work()))
    return max(1, int(MARGIN * each)), now.free
