"""What a worker process does: it takes work from a pipe until that closes, or until it is asked to stop."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench import devices, environment
from bench.execution.attempt import attempt, check_networks, measure
from bench.execution.stopping import TO_BE_CONTINUED, Request
from bench.execution.task import Measurement, NetworkCheck, Task
from bench.execution.watch import beat


def serve(pipe: Connection, cores: tuple[int, ...], pulse: Any) -> None:
    """Run tasks until the pipe closes or the process is asked to stop. Ctrl-C is for the parent, which then asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Slurm warns all processes of a job by it; the job's own one asks this to stop
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    faulthandler.enable()  # a crash, and on request a hang, leave in the log where
    faulthandler.register(signal.SIGUSR1)
    stop = Request()
    stop.listen()
    beat(pulse)
    devices.hold_to(cores)
    environment.describe()  # now: the commit is that of the code that is loaded
    while True:
        try:
            work: NetworkCheck | Measurement | Task = pipe.recv()
        except EOFError:
            return
        with _output_to(work.log):
            try:
                answer = _answer(work, pipe, stop)
            except BrokenPipeError:
                raise SystemExit(1) from None  # the parent is gone
            pipe.send(answer)
        if stop.asked:
            os._exit(TO_BE_CONTINUED)


def _answer(work: NetworkCheck | Measurement | Task, pipe: Connection, stop: Request) -> Any:
    """Do some work and return its result; ``pipe`` takes the events of a cell on the way."""
    match work:
        case NetworkCheck():
            return check_networks(work)
        case Measurement():
            return measure(work)
    return attempt(work, pipe.send, stop)


@contextlib.contextmanager
def _output_to(file: Path) -> Iterator[None]:
    """Send what libraries print, from Python or from C, to the end of ``file``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with open(file, "a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
