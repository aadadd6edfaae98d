"""A worker process: it keeps its networks between cells, and its death costs one cell only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator, Mapping
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from bench import devices
from bench.errors import BenchError
from bench.events import CellEnded, Event, Message
from bench.execution import serving
from bench.execution.machine import EVERYTHING, Machine
from bench.execution.stopping import TO_BE_CONTINUED
from bench.execution.task import Checked, Measurement, NetworkCheck, NetworkFault, Task, begun, fail
from bench.execution.watch import Overdue, Watch
from bench.plan.forecast import NetworkSpeed
from bench.records.record import Record

STOP_S = 5.0
POLL_S = 1.0
TRACE_S = 1.0  # in which a process that is stuck writes to its log where
STARTS = 3  # in a row that come to nothing
LEFT = (f"exit code {TO_BE_CONTINUED}", signal.SIGTERM.name)  # SIGTERM: before it could take it as a request
FROM_OUTSIDE = tuple(f"({name})" for name in (*LEFT, signal.SIGKILL.name))
STOPPED = "the next run continues it from its last saved state"


class Worker:
    """A long-lived process for cells, started with the first work and anew when it has died.

    It has one number of threads, which a backend reads as it is imported: for another it is started anew too.
    ``device`` is the GPU it works on, by its name for CUDA ("": none, None: those that a backend sees anyway).
    """

    def __init__(self, device: str | None = None, machine: Machine | None = None) -> None:
        self.device = device
        self.threads = 0
        self.cores: tuple[int, ...] = ()  # that the process is held to; empty: to none
        self.task: Task | None = None  # the cell at work
        self.traced = ""  # the network that the process has traced last, as ``Task.network``
        self._began = 0.0
        self._before: Record | None = None  # of the cell at work, when it was given
        self._starts = 0  # in a row that came to nothing
        self._stopping = False
        self._process: Any = None
        self._pipe: Connection | None = None
        self._pulse: Any = None
        self._watch = Watch(machine or EVERYTHING)
        self._check: NetworkCheck | None = None  # asked and not answered yet

    @property
    def pid(self) -> int | None:
        """The number of the process, None while there is none."""
        pid: int | None = self._process.pid if self._process is not None else None
        return pid

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

    def checked(self) -> Checked:
        """Return each network that cannot be built, and why: the answer to ``begin``, which is waited for."""
        check, self._check = self._check, None
        if check is None:
            return Checked([])
        for last in [False] * (STARTS - 1) + [True]:
            try:
                answer: Checked = self._recv()
                return answer
            except (EOFError, OSError, Overdue) as error:
                threads, cores = self.threads, self.cores
                words = self._words(error, "while it built the networks")
                if last or not words.endswith(FROM_OUTSIDE):
                    break
            self._send(check, threads, cores)
        message = f"{words}; see {check.log}"
        return Checked([NetworkFault(network.model, message) for network in check.networks])

    def ask(self, work: Measurement, threads: int, cores: tuple[int, ...] = ()) -> None:
        """Let the process measure a network; ``answer`` waits for its speed."""
        self._send(work, threads, cores)

    def answer(self, work: Measurement) -> NetworkSpeed | NetworkFault:
        """Return the speed that was asked for, or why there is none."""
        try:
            speed: NetworkSpeed | NetworkFault = self._recv()
            return speed
        except (EOFError, OSError, Overdue) as error:
            message = f"{self._words(error, 'while it was measured')}; see {work.log}"
            return NetworkFault(work.cell.model, message)

    def give(self, task: Task, cores: tuple[int, ...] = ()) -> None:
        """Let the process run a cell; ``receive`` has its events."""
        self.task = task = begun(task)
        self._began, self._before = time.monotonic(), task.store.read_record()
        self._send(task, task.threads, cores)
        self.traced = task.network or self.traced

    def signs(self) -> list[Any]:
        """Return what ``multiprocessing.connection.wait`` can wait for: ``receive`` does not block after it."""
        return [self._pipe, self._process.sentinel]

    def overdue(self, heard: bool) -> Overdue | None:
        """Return why the process is to be ended, which ``receive`` then does; ask about once a second."""
        return self._watch.overdue(self._pulse.value, heard)

    def receive(self) -> Iterator[Event]:
        """Wait for the cell at work and yield what comes next; ``CellEnded`` is last, even of a process that dies.

        Raises:
            BenchError: processes end before they take any work.
        """
        task = self.task
        assert task is not None
        try:
            event = self._recv()
        except (EOFError, OSError) as error:  # OSError: it died within a message
            if self._pulse.value == 0 and not self._stopping:
                self._start_again(task)
                return
            event = self._ended(task, error)
            if event.status != "stopped":
                yield Message("the worker process died and is started again for the next cell")
        except Overdue as error:
            event = self._ended(task, error)
            yield Message(
                f"{task.id}: {error}; its worker process is ended and started again for the next cell"
            )
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

    def leave(self, seconds: float) -> None:
        """Let the process save the cell at work, wait for that so many seconds, and end it."""
        self.stop()
        if self._process is not None:
            self._process.join(seconds)
            self.close()

    def _ended(self, task: Task, error: Exception) -> CellEnded:
        """Return how a cell ended whose process is gone: by its own record if it is there, as stopped or as failed."""
        asked, words = self._stopping, self._words(error, "")
        seconds, record = time.monotonic() - self._began, task.store.read_record()
        if record is not None and record != self._before and not task.rescore:
            last = record.attempts[-1].message if record.attempts else ""
            return CellEnded(task.id, record.status, last, seconds)
        if asked or (not isinstance(error, Overdue) and words.endswith(FROM_OUTSIDE[:-1])):
            return CellEnded(task.id, "stopped", STOPPED, seconds)  # no record: the cell stays open
        message = _cause_of_death(words)
        return CellEnded(task.id, fail(task, message).status, message, seconds)

    def _start_again(self, task: Task) -> None:
        """Give the cell to a new process: the one before ended as it started; at the third in a row, give up."""
        cores, end = self.cores, self._end()
        self._starts += 1
        if self._starts >= STARTS:
            message = f"worker processes end before they take any work ({end}), {STARTS} times in a row"
            raise BenchError(message, remedy="what they printed stands above; see docs/machines.md")
        self._send(task, task.threads, cores)

    def close(self) -> None:
        """End the process; what it has not saved is lost, what it has saved is whole."""
        if self._process is not None:
            if self._stopping:
                self._process.kill()  # it was asked before
            self._process.terminate()
            self._forget()

    def _recv(self) -> Any:
        """Return what the process says next.

        Raises:
            EOFError, OSError: it has died, even if a child of it lives.
            Overdue: it is to be ended.
        """
        assert self._pipe is not None
        heard = False
        while not heard:
            heard = bool(wait(self.signs(), POLL_S))
            if overdue := self.overdue(heard):
                raise overdue
        if not self._pipe.poll():
            raise EOFError
        said = self._pipe.recv()
        self._starts = 0
        return said

    def _send(self, work: NetworkCheck | Measurement | Task, threads: int, cores: tuple[int, ...]) -> None:
        with contextlib.suppress(ConnectionError):  # it has just died: ``_recv`` finds out
            pipe = self._start(threads, cores)
            self._watch.begin()
            pipe.send(work)

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
                **devices.environment_variables(threads, self.device),
            }
            self._pulse = context.Value("Q", 0, lock=False)
            with _signals_later(), _environment(variables), _without_main():
                process = context.Process(
                    target=serving.serve, args=(theirs, cores, self._pulse), daemon=True
                )
                process.start()
                theirs.close()
                self._process, self._pipe = process, ours
            self.threads, self.cores = threads, cores
        assert self._pipe is not None
        return self._pipe

    def _words(self, error: Exception, when: str) -> str:
        """End the process, by force where it is stuck, and return how it ended."""
        if not isinstance(error, Overdue):
            return " ".join(filter(None, ("the worker process died", when, f"({self._end()})")))
        if error.stuck:
            os.kill(self._process.pid, signal.SIGUSR1)  # where it stands, into its log
            self._process.join(TRACE_S)
            self._process.kill()
        self.close()
        return " ".join(filter(None, ("given up", when, f"because {error}")))

    def _end(self) -> str:
        """Return the signal or the exit code that the process has ended with."""
        code = self._forget()
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _cause_of_death(words: str) -> str:
    """Return for a record why a cell has failed whose process ended in these words."""
    if words.endswith(f"({signal.SIGKILL.name})"):
        return "the worker was killed, most likely for want of memory; lower the batch and use --retry-failed"
    return f"{words}; see log.txt in the cell's folder, then use --retry-failed"


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
def _without_main() -> Iterator[None]:
    """Hide the caller's main module until the block is done: a process started in it would execute a script anew."""
    own, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = own


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
