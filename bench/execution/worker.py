"""Where cells run: a worker process that keeps its network between cells and whose death costs one cell only."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import devices, environment
from bench.errors import BenchError
from bench.events import CellEnded, Event, Message
from bench.execution.task import Check, Task, fail
from bench.network_code.importing import CodeChanged

STOP_S = 5.0


class Worker:
    """A long-lived process for cells, started with the first of them and started again when it has died."""

    def __init__(self, threads: int, gpu: int | None = None) -> None:
        self.threads, self.gpu = threads, gpu
        self._process: Any = None
        self._pipe: Connection | None = None
        self._check: Check | None = None  # asked and not answered yet

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, check: Check) -> None:
        """Let the process build networks while this one does something else; ask ``checked`` before any cell."""
        with contextlib.suppress(ConnectionError):  # ``checked`` finds out
            self._start().send(check)
        self._check = check

    def checked(self) -> list[tuple[str, str]]:
        """Wait for what ``begin`` has asked for; return each model that cannot be built, and why."""
        check, self._check = self._check, None
        if check is None:
            return []
        try:
            assert self._pipe is not None
            return list(self._pipe.recv())
        except (EOFError, ConnectionError):
            message = f"the worker process died while it built the networks ({self._end()}); see {check.log}"
            return [(network.model, message) for network in check.networks]

    def run(self, task: Task) -> Iterator[Event]:
        """Run one cell and yield its events, ``CellEnded`` last, whatever happens to the process."""
        began = time.monotonic()
        pipe = self._start()
        try:
            pipe.send(task)
            while True:
                event = pipe.recv()
                yield event
                if isinstance(event, CellEnded):
                    return
        except (EOFError, ConnectionError):
            message = self._cause_of_death()
        ended = fail(task, message)
        yield Message("the worker process died and is started again for the next cell")
        yield CellEnded(task.planned.id, ended.status, message, time.monotonic() - began)

    def close(self) -> None:
        """End the process; what it has not saved is lost, what it has saved is whole."""
        if self._process is None:
            return
        self._process.terminate()
        self._forget()

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
        return code

    def _start(self) -> Connection:
        if self._process is not None and not self._process.is_alive():
            self._forget()
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            with _signals_later(), _environment(devices.environment_at_start()):
                process = context.Process(target=_serve, args=(theirs, self.threads, self.gpu), daemon=True)
                process.start()
                theirs.close()
                self._process, self._pipe = process, ours
        assert self._pipe is not None
        return self._pipe

    def _cause_of_death(self) -> str:
        name = self._end()
        if name == signal.SIGKILL.name:
            return "the worker was killed, most likely for want of memory; lower the batch and use --retry-failed"
        return f"the worker process died ({name}); see log.txt in the cell's folder, then use --retry-failed"

    def _end(self) -> str:
        """Return the signal or the exit code that the process has ended with."""
        code = self._forget()
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set until the block is done: a process started in it inherits them."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Hold Ctrl-C and requests to end back until the block is done; a process started in it has Ctrl-C blocked."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals never arrive here
        return
    came: list[int] = []
    resource_tracker.ensure_running()  # it would unblock the signals
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in numbers}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)


def _serve(pipe: Connection, threads: int, gpu: int | None) -> None:
    """Run tasks until the pipe closes. Ctrl-C is for the parent, which ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(devices.environment_variables(threads, gpu))
    devices.hold_to(threads)
    environment.describe()  # now: the commit is that of the code that is loaded
    bench = functools.cache(_workbench)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        log = task.log if isinstance(task, Check) else task.store.log
        with _output_to(log):
            pipe.send(_build(task) if isinstance(task, Check) else _run(task, bench, pipe))


def _workbench() -> Any:
    from bench.training.networks import Workbench

    return Workbench(jit_compile=devices.has_accelerator() or os.environ["KERAS_BACKEND"] == "jax")


def _build(check: Check) -> list[tuple[str, str]]:
    """Build each network once and return those that cannot be built, and why."""
    from bench.training import networks  # here Keras and the backend come in

    found = []
    for one in check.networks:
        try:
            networks.check(one.build, one.params, one.precision, one.code, one.sides)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            said = (
                "; ".join(filter(None, (error.message, error.remedy)))
                if isinstance(error, BenchError)
                else None
            )
            found.append((one.model, said or _one_line(error)))
    return found


def _run(task: Task, bench: Callable[[], Any], pipe: Connection) -> CellEnded:
    began = time.monotonic()
    try:
        from bench.execution import cell  # here Keras and the backend come in

        ended = cell.run(task, bench(), pipe.send)
        message = "" if ended.status == "finished" else ended.attempts[-1].message
    except BrokenPipeError:
        raise SystemExit(1) from None  # the parent is gone
    except CodeChanged as error:  # nothing was done in the cell's name, so it has no record and stays open
        return CellEnded(task.planned.id, "failed", str(error), time.monotonic() - began)
    except Exception as error:
        traceback.print_exc()
        message = str(error) if isinstance(error, BenchError) else _one_line(error)
        ended = fail(task, message)
    return CellEnded(task.planned.id, ended.status, message, time.monotonic() - began)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    if (
        "RESOURCE_EXHAUSTED" in text
        or "ResourceExhausted" in type(error).__name__
        or isinstance(error, MemoryError)
    ):
        return "out of memory; lower the batch of this model in the profile's training block"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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
