"""A worker process: it keeps its networks between cells, and its death costs one cell only."""

from __future__ import annotations

import contextlib
import faulthandler
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
from bench.errors import BenchError
from bench.events import CellEnded, Event, Message
from bench.execution.attempt import attempt, check_networks, measure
from bench.execution.machine import EVERYTHING, Machine
from bench.execution.task import Checked, Measurement, NetworkCheck, NetworkFault, Task, fail
from bench.execution.watch import Overdue, Watch, beat
from bench.plan.forecast import NetworkSpeed
from bench.records.record import Record

STOP_S = 5.0
POLL_S = 1.0
TRACE_S = 1.0  # in which a process that is stuck writes to its log where
STARTS = 3  # in a row that come to nothing


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
        try:
            answer: Checked = self._recv()
            return answer
        except (EOFError, OSError, Overdue) as error:
            message = f"{self._words(error, 'while it built the networks')}; see {check.log}"
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
        self.task, self._began, self._before = task, time.monotonic(), task.store.read_record()
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
            if self._pulse.value == 0:
                self._start_again(task)
                return
            event = self._ended(task, self._cause_of_death(error))
            yield Message("the worker process died and is started again for the next cell")
        except Overdue as error:
            event = self._ended(task, self._cause_of_death(error))
            yield Message(
                f"{task.id}: {error}; its worker process is ended and started again for the next cell"
            )
        if isinstance(event, CellEnded):
            self.task = None
        yield event

    def _ended(self, task: Task, message: str) -> CellEnded:
        """Return how a cell ended whose process is gone: by its own record if it is there, else as failed."""
        seconds, record = time.monotonic() - self._began, task.store.read_record()
        if record is None or record == self._before or task.rescore:
            return CellEnded(task.id, fail(task, message).status, message, seconds)
        last = record.attempts[-1].message if record.attempts else ""
        return CellEnded(task.id, record.status, last, seconds)

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
        self._process = self._pipe = None
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
            with _signals_later(), _environment(variables):
                process = context.Process(target=_serve, args=(theirs, cores, self._pulse), daemon=True)
                process.start()
                theirs.close()
                self._process, self._pipe = process, ours
            self.threads, self.cores = threads, cores
        assert self._pipe is not None
        return self._pipe

    def _cause_of_death(self, error: Exception) -> str:
        """End the process and return for a record why the cell at work has failed."""
        words = self._words(error, "")
        if words.endswith(f"({signal.SIGKILL.name})"):
            return "the worker was killed, most likely for want of memory; lower the batch and use --retry-failed"
        return f"{words}; see log.txt in the cell's folder, then use --retry-failed"

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


def _serve(pipe: Connection, cores: tuple[int, ...], pulse: Any) -> None:
    """Run tasks until the pipe closes. Ctrl-C is for the parent, which ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm warns all processes of a job; its own one ends this
    faulthandler.enable()  # a crash, and on request a hang, leave in the log where
    faulthandler.register(signal.SIGUSR1)
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
                answer = _answer(work, pipe)
            except BrokenPipeError:
                raise SystemExit(1) from None  # the parent is gone
            pipe.send(answer)


def _answer(work: NetworkCheck | Measurement | Task, pipe: Connection) -> Any:
    """Do some work and return its result; ``pipe`` takes the events of a cell on the way."""
    match work:
        case NetworkCheck():
            return check_networks(work)
        case Measurement():
            return measure(work)
    return attempt(work, pipe.send)


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
