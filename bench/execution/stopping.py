"""How a run is asked to stop: the wish in the process of the command, and the request in a worker.

A worker is asked by SIGTERM, whoever sends it. One that trains ends its update, saves and leaves; one that does
anything else has nothing to save, so it leaves at once: whatever it was writing appears whole or not at all.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import wait
from types import FrameType

#: Exit code of a worker that was asked to stop, and of a command that a signal has ended: EX_TEMPFAIL of sysexits.h.
TO_BE_CONTINUED = 75
ORPHANED = 1


class Wish:
    """Whether a run is to stop soon; a signal handler calls ``ask``."""

    def __init__(self) -> None:
        self.signal = 0  # by which it was asked; 0: it was not
        self._act: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        """Whether a signal has asked for it."""
        return self.signal != 0

    @contextmanager
    def heeded(self, act: Callable[[], None]) -> Iterator[None]:
        """Let ``ask`` call ``act`` until the block is done."""
        self._act = act
        try:
            yield
        finally:
            self._act = None

    def ask(self, number: int) -> bool:
        """Return whether the cells now come to their own end: False where none are at work, or at a second signal."""
        if self.asked or self._act is None:
            return False
        self.signal = number
        self._act()
        return True


class Request:
    """In a worker: whether it was asked to stop. Until ``listen`` is called it never is."""

    def __init__(self) -> None:
        self.asked = False
        self._training = False

    def listen(self) -> None:
        """Take SIGTERM as a request to stop, and leave when the parent process has died: nobody takes the events."""
        signal.signal(signal.SIGTERM, self._take)
        threading.Thread(target=_leave_after_parent, daemon=True, name="parent").start()

    @contextmanager
    def training(self) -> Iterator[None]:
        """In the block, only note a request: the training saves its state and ends by itself."""
        self._training = True
        try:
            yield
        finally:
            self._training = False

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self._training:
            os._exit(TO_BE_CONTINUED)


def _leave_after_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(ORPHANED)
