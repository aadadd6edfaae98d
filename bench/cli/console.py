"""The terminal: events, lines of text and exit codes of all commands; the only code that prints or exits."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from bench.events import CellEnded, Event, ReportWritten, RunEnded
from bench.execution.stopping import TO_BE_CONTINUED

Value = TypeVar("Value")

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
QUIET, VERBOSE = "bench.quiet", "bench.verbose"  # keys of a command's context
LOG_LINES = 20  # of a cell that failed, with -v
_GONE = (errno.EIO, errno.ENXIO)  # the terminal of the output was closed


@dataclass
class Shown:
    """What the events of a run have told: how many cells did not finish, and the tables."""

    bad: int = 0
    report: ReportWritten | None = None


def show(events: Generator[Event, None, object]) -> Shown:
    """Show every event; the events end with this call, however it ends."""
    from bench.cli.display import Bars, Lines, Quiet

    told = Shown()
    display = Quiet(say) if _given(QUIET) else Bars() if sys.stdout.isatty() else Lines(say)
    with display, closing(events):
        for event in events:
            display.show(event)
            if isinstance(event, CellEnded) and event.log and _given(VERBOSE):
                say(_tail(Path(event.log)))
            if isinstance(event, RunEnded):
                told.bad += event.bad
            elif isinstance(event, ReportWritten):
                told.report = event
    return told


def _given(key: str) -> bool:
    """Return whether ``-q`` or ``-v`` was given."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(key))


def _tail(log: Path) -> str:
    """Return the last lines of a log, indented."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])


def result(events: Generator[Event, None, Value]) -> Value:
    """Show every event and return the value that the events end with."""
    return told_and_result(events)[1]


def told_and_result(events: Generator[Event, None, Value]) -> tuple[Shown, Value]:
    """Show every event; return what they told, and the value that they end with."""
    values: list[Value] = []

    def keep() -> Generator[Event, None, None]:
        values.append((yield from events))

    return show(keep()), values[0]


def quietly(events: Generator[Event, None, Value]) -> Value:
    """Return the value that the events end with; nothing is shown, where only a document may be."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            value: Value = end.value
            return value


def say(text: str) -> None:
    """Print ``text`` and a line end."""
    try:
        click.echo(text)
    except BrokenPipeError:
        mute()
    except OSError as error:
        if error.errno not in _GONE:
            raise
        mute()


def mute() -> None:
    """Send all further output to the null device: a training goes on when the reader of its output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Interrupted(BaseException):
    """Ctrl-C, or a signal that asks this process to end; ``code`` is the exit code for it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = INTERRUPTED if number == signal.SIGINT else TO_BE_CONTINUED


def leave(code: int) -> None:
    """End the command with this exit code."""
    raise click.exceptions.Exit(code)
