"""Run one cell in this process, whichever executor started it; every error becomes the record of its cell."""

from __future__ import annotations

import functools
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench import atomic, devices
from bench.errors import BenchError, InputChanged
from bench.events import CellEnded, Event
from bench.execution import cell_lock
from bench.execution.stopping import Request
from bench.execution.task import Checked, Measurement, NetworkCheck, NetworkFault, Task, fail
from bench.training import memory
from bench.training.checkpoint import Stopped

if TYPE_CHECKING:
    from bench.plan.forecast import NetworkSpeed
    from bench.records.record import Record
    from bench.training.networks import NetworkCache

#: On a GPU, where an update of the study's networks takes 2 to 10 ms: what has been done is looked at often enough.
UPDATES_PER_DISPATCH = 16
OUT_OF_MEMORY = (
    "out of memory, even image by image; give it a GPU or a machine with more, or lower the size or a patch in the "
    "profile, then use --retry-failed"
)


def attempt(task: Task, emit: Callable[[Event], None], stop: Request | None = None) -> CellEnded:
    """Try one cell and return how it ended; ``emit`` gets its events on the way, ``stop`` may end it before.

    A cell whose input is no longer what was planned or built ends as failed without a record: nothing was done in its
    name, so it stays open and the same command runs it again. So does one that is stopped, with its state saved, one
    that ran out of memory beside other cells, and one that another process keeps for itself (``cell_lock``). A cell
    that has ended since it was chosen to run keeps its record.

    Raises:
        BrokenPipeError: nobody is there any more to take the events.
    """
    began = time.monotonic()
    try:
        with cell_lock.turn(task, emit):
            return _attempt(task, emit, stop, began)
    except cell_lock.EndedMeanwhile as ended:
        return CellEnded(task.id, ended.status, str(ended), time.monotonic() - began)
    except atomic.Busy as busy:
        return CellEnded(task.id, "failed", str(busy), time.monotonic() - began)


def _attempt(task: Task, emit: Callable[[Event], None], stop: Request | None, began: float) -> CellEnded:
    try:
        ended = _ended(task, emit, stop)
        message = "" if ended.status == "finished" else ended.attempts[-1].message
    except BrokenPipeError:
        raise
    except Stopped as stopped:
        return CellEnded(task.id, "stopped", _how_far(task, stopped.updates), time.monotonic() - began)
    except InputChanged as error:
        return CellEnded(task.id, "failed", str(error), time.monotonic() - began)
    except Exception as error:
        traceback.print_exc()
        message = str(error) if isinstance(error, BenchError) else _one_line(error)
        if memory.exhausted(error) and not task.alone:
            return CellEnded(task.id, "failed", message, time.monotonic() - began, crowded=True)
        ended = fail(task, message)
    return CellEnded(task.id, ended.status, message, time.monotonic() - began)


def _how_far(task: Task, updates: int) -> str:
    training = task.planned.spec.training
    assert training is not None
    return f"its state is saved, {updates} of {training.updates} updates"


def _ended(task: Task, emit: Callable[[Event], None], stop: Request | None) -> Record:
    if task.planned.spec.build is None:
        from bench.execution import scoring  # a row without a network needs no backend

        return scoring.without_network(task, emit)
    from bench.execution import cell  # here Keras and the backend come in

    if task.rescore:
        return cell.rescore(task, _networks(), emit)
    return cell.run(task, _networks(), emit, stop)


def check_networks(check: NetworkCheck) -> Checked:
    """Build each network once and return those that cannot be built, and what the backend sees."""
    from bench.training import networks  # here Keras and the backend come in

    faults = []
    for one in check.networks:
        try:
            networks.check(one.build, one.params, one.precision, one.code, one.sides)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            faults.append(NetworkFault(one.model, _reason(error)))
    return Checked(faults, devices.has_accelerator())


def measure(work: Measurement) -> NetworkSpeed | NetworkFault:
    """Return the speed of a network on this process's device, or why it could not be measured."""
    from bench.training import speed  # here Keras and the backend come in

    try:
        return speed.measure(
            work.cell, work.code, _networks(), slices=work.slices, seconds=work.seconds, began=work.began
        )
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return NetworkFault(work.cell.model, _reason(error))


@functools.cache
def _networks() -> NetworkCache:
    """Return the networks of this process: the cells of one model share what is traced."""
    from bench.training.networks import NetworkCache, jit_compiles

    updates = UPDATES_PER_DISPATCH if devices.has_accelerator() else 1
    return NetworkCache(jit_compile=jit_compiles(), updates_per_dispatch=updates)


def _reason(error: BaseException) -> str:
    """Return why a network cannot be used, without the place that whoever asks knows better."""
    parts = (error.message, error.remedy) if isinstance(error, BenchError) else ()
    return "; ".join(filter(None, parts)) or _one_line(error)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    if memory.exhausted(error):
        return OUT_OF_MEMORY
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
