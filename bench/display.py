"""How a run's events are shown: bars with the time left in a terminal, one dated line per event elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol

from bench.events import CellEnded, CellStarted, EpochEnded, Event, Message, Progress, RunEnded

Write = Callable[[str], None]
VERBS = {"build": "building", "train": "training", "score": "scoring"}
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
            gain = psnr - psnr_input
            return (
                f"{cell} epoch {epoch}/{epochs}: loss {loss:.4g}, "
                f"validation {psnr:.2f} dB ({gain:+.2f} over the input), {seconds:.0f} s"
            )
        case CellEnded(cell, status, message, seconds):
            return f"{cell} {status} after {duration(seconds)}" + (f": {message}" if message else "")
        case Message(text):
            return text
        case RunEnded(finished, bad):
            return f"{finished} cells finished" + (f", {bad} did not; try --retry-failed" if bad else "")
    return None


def duration(seconds: float) -> str:
    """Return ``seconds`` as a person says it: 41 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


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
        if event.stage != "build":
            return None  # a training has a line per epoch, a scoring is short
        step = (event.stage, event.subject, BUILD_LINES * event.done // max(1, event.total))
        if step == self._shown:
            return None
        self._shown = step
        return f"{VERBS[event.stage]} {event.subject}: {event.done} of {event.total} slices"


class Bars:
    """A bar for all cells and one for the stage at work, each with the time left, below the lines of events."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(highlight=False)
        columns = (
            TextColumn("{task.description}", table_column=None),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        )
        self._bars: Any = RichProgress(*columns, console=self._console, expand=True)
        self._all: Any = None
        self._stage: Any = None
        self._key: tuple[str, str] | None = None

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Move the bars, and print the line of ``event`` above them."""
        text = text_of(event)
        if text is not None:
            self._console.print(text, markup=False, soft_wrap=True)
        if isinstance(event, CellStarted) and self._all is None:
            self._all = self._bars.add_task("cells", total=event.count)
        elif isinstance(event, CellEnded) and self._all is not None:
            self._bars.advance(self._all)
        elif isinstance(event, Progress):
            self._move(event)

    def _move(self, event: Progress) -> None:
        if (event.stage, event.subject) != self._key:
            if self._stage is not None:
                self._bars.remove_task(self._stage)
            self._key = (event.stage, event.subject)
            self._stage = self._bars.add_task(VERBS[event.stage], total=event.total)
        self._bars.update(self._stage, completed=event.done)
