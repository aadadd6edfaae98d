"""When a worker process is to be given up: it has stopped, its cell stands still, or the cell's time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from bench.execution.machine import Machine
from bench.words import duration

BEAT_S = 2.0
# Without a beat for so long a process is stopped (SIGSTOP) or stuck within a library. Not less: while a library is
# loaded from a slow disk, no other thread of Python runs.
SILENT_S = 300.0
LOOK_S = 10.0  # the parent looks every second; more than this between two looks is sleep of its own (Ctrl-Z, a laptop)


def beat(pulse: Any) -> None:
    """Let a thread of this process count up ``pulse``, a number in shared memory, for as long as the process runs."""

    def count() -> None:
        while True:
            pulse.value += 1
            time.sleep(BEAT_S)

    threading.Thread(target=count, daemon=True, name="beat").start()


class Overdue(Exception):
    """A process has to be ended; the text says why. ``stuck``: it will not listen."""

    def __init__(self, why: str, *, stuck: bool) -> None:
        super().__init__(why)
        self.stuck = stuck


class Watch:
    """How long a process has been at one piece of work, and without a sign; by the time that this process is awake.

    So nothing is overdue because the parent itself was stopped, or waited for the terminal.
    """

    def __init__(self, machine: Machine, clock: Callable[[], float] = time.monotonic) -> None:
        self._machine, self._clock = machine, clock
        self._last, self._awake = clock(), 0.0
        self.begin()

    def begin(self) -> None:
        """Set all to zero: the process gets new work."""
        self._began = self._moved = self._beat = self._now()
        self._pulse = -1

    def overdue(self, pulse: int, heard: bool) -> Overdue | None:
        """Return why the process is to be ended, None while all is well.

        Args:
            pulse: What the process has counted.
            heard: It has said something since the last look, or has something to say.
        """
        now = self._now()
        if pulse != self._pulse:
            self._pulse, self._beat = pulse, now
        if heard:
            self._moved = self._beat = now
        most = self._machine.cell_limit * 3600
        if most and now - self._began > most:
            return Overdue(f"it took longer than {duration(most)} (--cell-limit)", stuck=False)
        if now - self._beat > SILENT_S:
            return Overdue(f"its process gave no sign for {duration(SILENT_S)}", stuck=True)
        most = self._machine.stall_limit * 60
        if most and now - self._moved > most:
            return Overdue(f"it made no progress for {duration(most)} (--stall-limit)", stuck=True)
        return None

    def _now(self) -> float:
        now = self._clock()
        self._awake += min(now - self._last, LOOK_S)
        self._last = now
        return self._awake
