"""One lock per cell: whatever runs a cell holds it, so no two commands or engines ever work on the same one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from bench import atomic
from bench.events import Event, Message
from bench.execution.task import Task
from bench.records.record import Status
from bench.records.store import CellStore

# A worker whose command has been killed notices it and leaves within this time: the next run waits so long. Longer, and
# a place would stand idle for a cell that another command runs.
WAIT_S = 60.0
POLL_S = 0.2


class EndedMeanwhile(Exception):
    """The cell has got a record since it was chosen to run: by another command, or by an earlier try of an engine."""

    def __init__(self, status: Status) -> None:
        super().__init__(
            "it has ended meanwhile" if status == "finished" else "it has ended meanwhile; see its record"
        )
        self.status = status


def held(store: CellStore) -> AbstractContextManager[None]:
    """Hold the lock of a cell.

    Raises:
        Busy: another process works on the cell.
    """
    return atomic.lock(store.lock, what=store.folder, busy="wait until it has ended, or stop it")


@contextmanager
def turn(task: Task, emit: Callable[[Event], None]) -> Iterator[None]:
    """Hold the lock of a task's cell, for which an ended command's worker is waited for a while.

    Raises:
        Busy: another process works on the cell.
        EndedMeanwhile: there is nothing left to do.
    """
    ends, said = time.monotonic() + WAIT_S, False
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(task.store))
                break
            except atomic.Busy as busy:
                if time.monotonic() > ends:
                    raise atomic.Busy(f"left alone: {busy.message}", remedy="run again later") from None
                if not said:
                    said = True
                    emit(Message(f"{task.id}: waiting up to {WAIT_S:.0f} s; {busy.message}"))
            time.sleep(POLL_S)
        record = task.store.read_record()
        if record is not None and task.before not in (None, task.store.record_sha256()):
            raise EndedMeanwhile(record.status)
        yield
