"""Where cells run on this machine, how many at once and in which order."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

from bench import devices, environment
from bench.events import Event, Message
from bench.execution.task import Task

GPU_POLL_S = 60.0
BUSY = -1  # in place of a GPU's index: there are some, and other jobs use them
# Bytes: what a worker with TensorFlow and a small network takes (0.9 GB), and as much again.
WORKER_MEMORY = 2 << 30


def workers(chosen: int, threads: Sequence[int], gpu: int | None) -> int:
    """Return how many cells run at once, at least one.

    Args:
        chosen: By a person; 0: one on a GPU, on a CPU as many as its cores and its free memory carry.
        threads: Of each cell that is to run: no more workers than cells.
        gpu: The GPU in use; None: the CPU.
    """
    if not chosen and gpu is None:
        by_cores = environment.cores() // min(threads, default=1)
        chosen = min(by_cores, devices.free_memory() // WORKER_MEMORY)
    return max(1, min(chosen, len(threads)))


def next_task(
    waiting: Sequence[Task], traced: str, at_work: Sequence[Task], cores: int | None = None
) -> Task | None:
    """Return the cell that a worker is to run next, None where none of those that wait may begin.

    Rows without a network come first: they are short, and a table needs its untreated row. Then a cell of the network
    that this worker has traced, since tracing costs tens of seconds; then one of the network with most cells waiting
    for each worker that is at it, so that no network is left to the end.

    Args:
        waiting: In the order of the plan.
        traced: The network that the worker has traced, as ``Task.network``.
        at_work: The cells that run.
        cores: The cells that run have no more threads than this; None: any number.
    """
    if cores is not None and at_work:
        free = cores - sum(task.threads for task in at_work)
        waiting = [task for task in waiting if task.threads <= free]
    cells: dict[str, list[Task]] = {}
    for task in waiting:
        cells.setdefault(task.network, []).append(task)
    if not cells:
        return None
    for network in ("", traced):
        if network in cells:
            return cells[network][0]
    running = [task.network for task in at_work]
    return max(cells.values(), key=lambda same: len(same) / (1 + running.count(same[0].network)))[0]


def freest(gpus: Sequence[devices.Gpu]) -> int | None:
    """Return the GPU with most free memory that no other job uses, or BUSY; None on a machine without one."""
    free = [gpu for gpu in gpus if gpu.free]
    if free:
        return max(free, key=lambda gpu: gpu.total - gpu.used).index
    return BUSY if gpus else None


def free_gpu() -> Generator[Event, None, int | None]:
    """Wait until a GPU is free of other jobs and return its index; None on a machine without one."""
    while (free := freest(gpus := devices.gpus())) == BUSY:
        used = ", ".join(f"GPU {gpu.index}: {gpu.used} of {gpu.total} MiB" for gpu in gpus)
        yield Message(f"waiting for a GPU that no other job uses ({used})")
        time.sleep(GPU_POLL_S)
    return free
