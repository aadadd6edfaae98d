"""The terminal: events, lines of text and exit codes of all commands; the only code that prints or exits."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

import click

from bench.events import Event, RunEnded

Value = TypeVar("Value")

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
_GONE = (errno.EIO, errno.ENXIO)  # the terminal of the output was closed


def show(events: Generator[Event, None, object]) -> int:
    """Show every event and return how many cells did not finish; the events end with this call, however it ends."""
    from bench.cli.display import Bars, Lines

    bad = 0
    with Bars() if sys.stdout.isatty() else Lines(say) as display, closing(events):
        for event in events:
            display.show(event)
            if isinstance(event, RunEnded):
                bad += event.bad
    return bad


def result(events: Generator[Event, None, Value]) -> Value:
    """Show every event and return the value that the events end with."""
    values: list[Value] = []

    def keep() -> Generator[Event, None, None]:
        values.append((yield from events))

    show(keep())
    return values[0]


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


def leave(code: int) -> None:
    """End the command with this exit code."""
    raise click.exceptions.Exit(code)
