"""How a run's events are shown: bars with the time left in a terminal, one dated line per event elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol

from bench.events import CellEnded, CellStarted, EpochEnded, Event, Message, Progress, RunEnded
from bench.words import duration

Write = Callable[[str], None]
VERBS = {
    "fetch": "fetching",
    "verify": "checking pairs of",
    "build": "building",
    "audit": "looking for leaks in",
    "export": "exporting",
    "train": "training",
    "score": "scoring",
}
LOGGED = ("fetch", "build", "export")  # stages of a source's slices that have lines in a log
SPEED_OVER_S = 7 * 24 * 3600.0  # a cell may take hours: no step is too old to tell the speed
BUILD_LINES = 10  # lines per stage in a log that nobody watches


class Display(Protocol):
    """Shows events; a context manager, so that a terminal is left as it was."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, event: Event) -> None:
        """Show one event."""


def text_of(event: Event) -> str | None:
    """Return the line that stands for ``event``, or None for a mere step of progress."""
    match event:
        case CellStarted(cell, number, count, resumed):
            return f"[{number}/{count}] {cell}" + (f", continued after epoch {resumed}" if resumed else "")
        case EpochEnded(cell, epoch, epochs, loss, psnr, psnr_input, seconds):
            return (
                f"{short(cell)} epoch {epoch}/{epochs}: {psnr:.2f} dB "
                f"({psnr - psnr_input:+.2f}), loss {loss:.3g}, {duration(seconds)}"
            )
        case CellEnded(cell, status, message, seconds):
            return f"{short(cell)} {status} after {duration(seconds)}" + (f": {message}" if message else "")
        case Message(text):
            return text
        case RunEnded(finished, bad):
            return f"{finished} cells finished" + (f", {bad} did not; try --retry-failed" if bad else "")
    return None


def short(cell: str) -> str:
    """Return the readable part of a cell's id: model, condition and seed without the hash."""
    return cell.rpartition("-")[0] or cell


class Lines:
    """One plain dated line per event; progress at every tenth of a stage that takes long."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._shown: tuple[str, str, int] | None = None

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, event: Event) -> None:
        """Write the line of ``event``."""
        text = self._progress(event) if isinstance(event, Progress) else text_of(event)
        if text is not None:
            self._write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}")

    def _progress(self, event: Progress) -> str | None:
        if event.stage not in LOGGED:
            return None  # a training has a line per epoch, a scoring is short
        step = (event.stage, event.subject, BUILD_LINES * event.done // max(1, event.total))
        if step == self._shown:
            return None
        self._shown = step
        return f"{VERBS[event.stage]} {event.subject}: {event.done} of {event.total} slices"


class Bars:
    """A bar for all cells and one for the stage at work, each with the time left, below the lines of events."""

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        self._console = console or Console(highlight=False)
        columns = (
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
            MofNCompleteColumn(table_column=Column(no_wrap=True, justify="right")),
            TimeRemainingColumn(elapsed_when_finished=True, table_column=Column(no_wrap=True)),
        )
        self._bars: Any = RichProgress(
            *columns, console=self._console, expand=True, speed_estimate_period=SPEED_OVER_S
        )
        self._all: Any = None
        self._ended = 0
        self._stage: Any = None
        self._key: tuple[str, str] | None = None

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop_stage()
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Move the bars, and print the line of ``event`` above them."""
        text = text_of(event)
        if text is not None:
            self._console.print(text, markup=False, soft_wrap=True)
        if isinstance(event, CellStarted):
            self._drop_stage()
            if self._all is None:
                self._all = self._bars.add_task("all cells", total=event.count)
            self._ended = event.number - 1
        elif isinstance(event, CellEnded) and self._all is not None:
            self._drop_stage()
            self._bars.update(self._all, completed=self._ended + 1)
        elif isinstance(event, Progress):
            self._move(event)

    def _move(self, event: Progress) -> None:
        if (event.stage, event.subject) != self._key:
            self._drop_stage()
            self._key = (event.stage, event.subject)
            subject = short(event.subject) if event.stage in ("train", "score") else event.subject
            self._stage = self._bars.add_task(
                f"{VERBS[event.stage]} {subject}", total=event.total, completed=event.done
            )
        self._bars.update(self._stage, completed=event.done)
        if event.stage == "train":
            self._bars.update(self._all, completed=self._ended + event.done / event.total)

    def _drop_stage(self) -> None:
        if self._stage is not None:
            self._bars.remove_task(self._stage)
        self._stage = self._key = None
