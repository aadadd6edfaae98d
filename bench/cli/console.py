"""What all commands do with their options and with the events they get: the only code that prints or exits."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def request(**options: Any) -> Any:
    """Return what a person asked for, from the options of a command."""
    from bench.execution.resolve import Request

    return Request(**{"reports": Path("reports"), **options})


def show(events: Generator[Any, None, None]) -> int:
    """Show every event and return how many cells did not finish; the events end with this call, however it ends."""
    from bench.cli.display import Bars, Lines
    from bench.events import RunEnded

    bad = 0
    with Bars() if sys.stdout.isatty() else Lines(say) as display, closing(events):
        for event in events:
            display.show(event)
            if isinstance(event, RunEnded):
                bad += event.bad
    return bad


def result(events: Generator[Any, None, Any]) -> Any:
    """Show every event and return what the events end with."""
    kept = []

    def keep() -> Generator[Any, None, None]:
        kept.append((yield from events))

    show(keep())
    return kept[0]


def say(text: str) -> None:
    """Print ``text`` and a line end."""
    try:
        click.echo(text)
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Write to nobody from here on: who read our output has gone, and a training goes on without."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(code: int) -> None:
    """End the command with this exit code."""
    raise click.exceptions.Exit(code)
