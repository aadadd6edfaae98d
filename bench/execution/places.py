"""Where cells run on this machine, how many at once and in which order."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Sequence

from bench import devices, environment, gpus
from bench.events import Event, Message
from bench.execution.machine import AUTO, Machine
from bench.execution.task import Task
from bench.gpus import Gpu
from bench.plan.cells import Cell

GPU_POLL_S = 20.0
SAY_AGAIN_S = 600.0
# Bytes: what a worker with TensorFlow and a small network takes (0.9 GB), and as much again.
WORKER_MEMORY = 2 << 30


def workers(chosen: int, threads: Sequence[int]) -> int:
    """Return how many cells run at once on the CPU, at least one.

    Args:
        chosen: By a person; 0: as many as the cores and the free memory carry.
        threads: Of each cell that is to run: no more workers than cells.
    """
    if not chosen:
        by_cores = environment.cores() // min(threads, default=1)
        chosen = min(by_cores, devices.free_memory() // WORKER_MEMORY)
    return max(1, min(chosen, len(threads)))


def slots(machine: Machine, free: Sequence[Gpu], cells: int) -> list[tuple[Gpu, int]]:
    """Return the GPUs that so many cells are dealt to, and how many run on each at once; AUTO begins with one."""
    each = 1 if machine.slots_per_gpu == AUTO else machine.slots_per_gpu
    in_all = max(1, min(machine.workers or each * len(free), cells))
    shares = [(gpu, len(range(index, in_all, len(free)))) for index, gpu in enumerate(free)]
    return [(gpu, share) for gpu, share in shares if share]


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


def free(machine: Machine, present: Sequence[Gpu]) -> list[Gpu]:
    """Return the GPUs that no other job uses, most free memory first; else, with --no-wait, the least used."""
    by_memory = sorted(present, key=lambda gpu: -gpu.free)
    unused = [gpu for gpu in by_memory if gpu.free_share >= machine.gpu_free]
    if not unused and not machine.wait:
        return sorted(by_memory, key=lambda gpu: -gpu.free_share)[:1]
    return unused


def free_gpus(machine: Machine) -> Generator[Event, None, list[Gpu]]:
    """Wait until a GPU is free of other jobs and return those that are; an empty list on a machine without any."""
    said, at = "", 0.0
    while True:
        present, _ = gpus.selected(machine.gpus)
        if not present or (unused := free(machine, present)):
            break
        who = "; ".join(f"{gpu.words} {sorted(one.pid for one in gpu.processes)}" for gpu in present)
        if who != said or time.monotonic() - at > SAY_AGAIN_S:  # the memory alone changes all the time
            said, at = who, time.monotonic()
            most = math.floor(100 * max(gpu.free_share for gpu in present)) / 100
            yield Message(
                f"waiting for a GPU with {machine.gpu_free:.0%} of its memory free: {in_use(present)}; "
                f"past it: --gpu-free {most:g}, or --no-wait for the least used"
            )
        time.sleep(GPU_POLL_S)
    return unused if present else []


def in_use(present: Sequence[Gpu]) -> str:
    """Return for a line who uses the GPUs."""
    return "; ".join(
        f"{gpu.words} has {gpu.free} of {gpu.total} MiB free ("
        + (", ".join(one.words for one in gpu.processes[:3]) or "by processes that the driver does not name")
        + ")"
        for gpu in present
    )


def bfloat16_remark(machine: Machine, cells: Iterable[Cell]) -> str:
    """Return one line where networks train in bfloat16 on a CPU that has no instructions for it; else nothing.

    Each product is then several operations in float32: an update of DnCNN took more than ten times as long (AVX2).
    """
    trainings = ((cell.model, cell.training) for cell in cells if cell.training is not None)
    models = dict.fromkeys(model for model, training in trainings if training.precision == "bfloat16")
    if not models or environment.has_bfloat16() is not False or gpus.selected(machine.gpus)[0]:
        return ""
    return (
        f"{', '.join(models)} train in bfloat16, for which this processor has no instructions: many times slower "
        "than float32; set precision: float32 in the profile"
    )
