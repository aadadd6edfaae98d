"""A worker process: it keeps its networks between cells, and its death costs one cell only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import devices, environment
from bench.events import CellEnded, Event, Message
from bench.execution import run_lock
from bench.execution.attempt import attempt, check_networks, measure
from bench.execution.stopping import TO_BE_CONTINUED, Request
from bench.execution.task import Measurement, NetworkCheck, NetworkFault, Task, fail
from bench.plan.forecast import NetworkSpeed

STOP_S = 5.0
LEFT = (f"exit code {TO_BE_CONTINUED}", signal.SIGTERM.name)  # SIGTERM: before it could take it as a request
STOPPED = "the next run continues it from its last saved state"


class Worker:
    """A long-lived process for cells, started with the first work and anew when it has died.

    It has one number of threads, which a backend reads as it is imported: for another it is started anew too.
    """

    def __init__(self, gpu: int | None = None) -> None:
        self.gpu = gpu
        self.threads = 0
        self.cores: tuple[int, ...] = ()  # that the process is held to; empty: to none
        self.task: Task | None = None  # the cell at work
        self.traced = ""  # the network that the process has traced last, as ``Task.network``
        self._began = 0.0
        self._stopping = False
        self._process: Any = None
        self._pipe: Connection | None = None
        self._check: NetworkCheck | None = None  # asked and not answered yet

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, check: NetworkCheck, threads: int, cores: tuple[int, ...] = ()) -> None:
        """Let the process import its backend and build networks in the background; ask ``checked`` before any cell."""
        self._check = check
        self._send(check, threads, cores)

    def checked(self) -> list[NetworkFault]:
        """Return each network that cannot be built, and why: the answer to ``begin``, which is waited for."""
        check, self._check = self._check, None
        if check is None:
            return []
        try:
            return list(self._recv())
        except (EOFError, OSError):
            message = f"the worker process died while it built the networks ({self._end()}); see {check.log}"
            return [NetworkFault(network.model, message) for network in check.networks]

    def ask(self, work: Measurement, threads: int, cores: tuple[int, ...] = ()) -> None:
        """Let the process measure a network; ``answer`` waits for its speed."""
        self._send(work, threads, cores)

    def answer(self, work: Measurement) -> NetworkSpeed | NetworkFault:
        """Return the speed that was asked for, or why there is none."""
        try:
            speed: NetworkSpeed | NetworkFault = self._recv()
            return speed
        except (EOFError, OSError):
            message = f"the worker process died while it was measured ({self._end()}); see {work.log}"
            return NetworkFault(work.cell.model, message)

    def give(self, task: Task, cores: tuple[int, ...] = ()) -> None:
        """Let the process run a cell; ``receive`` has its events."""
        self.task, self._began = task, time.monotonic()
        self._send(task, task.threads, cores)
        self.traced = task.network or self.traced

    def signs(self) -> list[Any]:
        """Return what ``multiprocessing.connection.wait`` can wait for: ``receive`` does not block after it."""
        return [self._pipe, self._process.sentinel]

    def receive(self) -> Iterator[Event]:
        """Wait for the cell at work and yield what comes next; ``CellEnded`` is last, even of a process that dies."""
        task = self.task
        assert task is not None
        try:
            event = self._recv()
        except (EOFError, OSError):  # OSError: it died within a message
            asked, name = self._stopping, self._end()
            if asked or name in LEFT:
                status, message = "stopped", STOPPED  # no record: the cell stays open
            else:
                message = _cause_of_death(name)
                status = fail(task, message).status
                yield Message("the worker process died and is started again for the next cell")
            event = CellEnded(task.id, status, message, time.monotonic() - self._began)
        if isinstance(event, CellEnded):
            self.task = None
            if event.status == "stopped" and self._process is not None:
                self._forget()  # it leaves; the next cell has another
        yield event

    def stop(self) -> None:
        """Ask the process to save the cell at work and leave; ``receive`` then ends it as stopped."""
        if self._process is not None and self._process.is_alive():
            self._stopping = True
            self._process.terminate()

    def close(self) -> None:
        """End the process; what it has not saved is lost, what it has saved is whole."""
        if self._process is not None:
            if self._stopping:
                self._process.kill()  # it was asked before
            self._process.terminate()
            self._forget()

    def _recv(self) -> Any:
        """Return what the process says next; EOFError or OSError: it has died, even if a child of it lives."""
        assert self._pipe is not None
        wait(self.signs())
        if not self._pipe.poll():
            raise EOFError
        return self._pipe.recv()

    def _send(self, work: NetworkCheck | Measurement | Task, threads: int, cores: tuple[int, ...]) -> None:
        with contextlib.suppress(ConnectionError):  # it has just died: ``_recv`` finds out
            self._start(threads, cores).send(work)

    def _forget(self) -> int | None:
        """Wait for the end of the process, force it where it takes long, and return its exit code."""
        self._process.join(STOP_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code: int | None = self._process.exitcode
        if self._pipe is not None:
            self._pipe.close()
        self._process, self._pipe, self._stopping = None, None, False
        self.cores, self.traced = (), ""
        return code

    def _start(self, threads: int, cores: tuple[int, ...] = ()) -> Connection:
        if self._process is not None and (not self._process.is_alive() or threads != self.threads):
            self.close()
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            variables = {
                **devices.environment_at_start(),
                **devices.environment_variables(threads, self.gpu),
            }
            with _signals_later(), _environment(variables):
                process = context.Process(target=_serve, args=(theirs, cores), daemon=True)
                process.start()
                theirs.close()
                self._process, self._pipe = process, ours
            self.threads, self.cores = threads, cores
        assert self._pipe is not None
        return self._pipe

    def _end(self) -> str:
        """Return the signal or the exit code that the process has ended with."""
        code = self._forget()
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _cause_of_death(name: str) -> str:
    if name == signal.SIGKILL.name:
        return "the worker was killed, most likely for want of memory; lower the batch and use --retry-failed"
    return f"the worker process died ({name}); see log.txt in the cell's folder, then use --retry-failed"


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables until the block is done: a process started in it inherits them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Hold Ctrl-C and requests to end back until the block is done; a process started in it has Ctrl-C blocked."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals never arrive here
        return
    arrived: list[int] = []
    resource_tracker.ensure_running()  # it would unblock the signals
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda n, _: arrived.append(n)) for number in numbers}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in arrived:
        signal.raise_signal(late)


def _serve(pipe: Connection, cores: tuple[int, ...]) -> None:
    """Run tasks until the pipe closes or the process is asked to stop. Ctrl-C is for the parent, which then asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = Request()
    stop.listen()
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
    with run_lock.shared(work.store.folder.parent):
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
