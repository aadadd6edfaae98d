"""One run at a time per folder of results, and none while a worker of a killed run still writes there."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from pathlib import Path

from bench import atomic
from bench.errors import BenchError

WAIT_S = 60.0
_NAME = ".lock"
_WORKERS = ".lock.workers"


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the folder of a run, once the workers of an earlier run have left it: a killed command's see that and end.

    Raises:
        BenchError: another command holds it, or a worker of a killed one does not end.
    """
    with atomic.lock(root / _NAME):
        path, ends = root / _WORKERS, time.monotonic() + WAIT_S
        with atomic.explained(path), open(path, "a", encoding="utf-8") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > ends:
                        message = "a worker process of a killed run still uses this folder"
                        remedy = f"end it (fuser {path} names it)"
                        raise BenchError(message, file=root, remedy=remedy) from None
                    time.sleep(0.1)
        yield


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """In a worker: keep the next run out of the folder until the block is done, however the command ends.

    Raises:
        BrokenPipeError: the command has died before.
    """
    path = root / _WORKERS
    with atomic.explained(path):
        root.mkdir(parents=True, exist_ok=True)
        file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - what the block raises is not explained
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        parent = parent_process()
        if parent is not None and not parent.is_alive():
            raise BrokenPipeError
        yield
