"""The executor of one machine with one GPU or none: a single worker process, cells one after another."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from bench import devices
from bench.events import Event, Message
from bench.execution.task import NetworkCheck, NetworkFault, Task, started
from bench.execution.worker import Worker

GPU_POLL_S = 60.0
BUSY = -1  # in place of a GPU's index: there are some, and other jobs use them


class OneWorker:
    """One worker process on the GPU with most free memory, on the CPU where the machine has no GPU."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._stack = ExitStack()
        self._worker: Worker | None = None
        self._check: NetworkCheck | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def begin(self, check: NetworkCheck) -> None:
        """Let the worker build each network in the background; with all GPUs in use that waits for ``faults``."""
        self._check = check
        gpu = _gpu(devices.gpus())
        if gpu != BUSY:
            self._start(check, gpu)

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Return each network that cannot be built, and why; before that, wait until a GPU is free."""
        assert self._check is not None, "begin comes first"
        worker = self._worker or self._start(self._check, (yield from _free_gpu()))
        return worker.checked()

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run the tasks in their order; a worker that dies costs its cell only."""
        assert self._worker is not None, "faults comes first"
        for number, task in enumerate(tasks, start=1):
            yield started(task, number, len(tasks))
            yield from self._worker.run(task)

    def _start(self, check: NetworkCheck, gpu: int | None) -> Worker:
        self._worker = self._stack.enter_context(Worker(self._threads, gpu))
        if check.networks:
            self._worker.begin(check)
        return self._worker


def _gpu(gpus: Sequence[devices.Gpu]) -> int | None:
    """Return the GPU with most free memory that no other job uses, or BUSY; None on a machine without one."""
    free = [gpu for gpu in gpus if gpu.free]
    if free:
        return max(free, key=lambda gpu: gpu.total - gpu.used).index
    return BUSY if gpus else None


def _free_gpu() -> Generator[Event, None, int | None]:
    """Wait until a GPU is free of other jobs and return its index; None on a machine without one."""
    while (free := _gpu(gpus := devices.gpus())) == BUSY:
        used = ", ".join(f"GPU {gpu.index}: {gpu.used} of {gpu.total} MiB" for gpu in gpus)
        yield Message(f"waiting for a GPU that no other job uses ({used})")
        time.sleep(GPU_POLL_S)
    return free
