"""How a run's events are shown: bars with the time left in a terminal, one dated line per event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Protocol, Self

from bench.cli.remaining import Remaining
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
    "tune": "tuning",
    "score": "scoring",
    "denoise": "denoising by",
}
LOGGED = ("fetch", "build", "export")  # stages of a source's slices that have lines in a log
SPEED_OVER_S = 7 * 24 * 3600.0  # a cell may take hours: no step is too old to tell the speed
BUILD_LINES = 10  # lines per stage in a log that nobody watches
SAY_LEFT_S = 600.0  # how often a log says how long it goes on, besides after each cell


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
            why = "".join(f"{mark}{text}" for mark, text in ((": ", message), ("; log: ", event.log)) if text)
            return f"{short(cell)} {status} after {duration(seconds)}{why}"
        case Message(text):
            return text
        case RunEnded(finished, bad):
            return f"{finished} cells finished" + (f", {bad} did not; try --retry-failed" if bad else "")
    return None


def is_bad(event: Event) -> bool:
    """Return whether an event tells of a cell that did not finish."""
    match event:
        case CellEnded(_, status):
            return status != "finished"
        case RunEnded(_, bad):
            return bad > 0
    return False


def short(cell: str) -> str:
    """Return the readable part of a cell's id: model, condition and seed without the hash."""
    return cell.rpartition("-")[0] or cell


class _Plain:
    """What writes whole lines leaves nothing to tidy up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Lines(_Plain):
    """One plain dated line per event; progress at every tenth of a stage that takes long, and the time left."""

    def __init__(self, write: Write, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._shown: tuple[str, str, int] | None = None
        self._left, self._said = Remaining(clock), clock()

    def show(self, event: Event) -> None:
        """Write the line of ``event``."""
        text = self._progress(event) if isinstance(event, Progress) else text_of(event)
        if text is not None:
            self._line(text)
        self._left.note(event)
        late = isinstance(event, Progress | EpochEnded) and self._clock() - self._said > SAY_LEFT_S
        if self._left.is_known and (late or isinstance(event, CellEnded)):
            self._said = self._clock()
            self._line(self._left.words())

    def _line(self, text: str) -> None:
        self._write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}")

    def _progress(self, event: Progress) -> str | None:
        if event.stage not in LOGGED:
            return None  # a training has a line per epoch, a scoring is short
        step = (event.stage, event.subject, BUILD_LINES * event.done // max(1, event.total))
        if step == self._shown:
            return None
        self._shown = step
        return f"{VERBS[event.stage]} {event.subject}: {event.done} of {event.total} slices"


class Quiet(_Plain):
    """A line for each cell that does not finish, and nothing else."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def show(self, event: Event) -> None:
        """Write the line of a failure."""
        text = text_of(event)
        if text is not None and is_bad(event):
            self._write(text)


@dataclass
class _Bar:
    """The bar of one cell at work, or of a stage of a source."""

    key: tuple[str, str]  # stage and subject
    bar: Any  # rich's TaskID
    trained: float = 0.0  # share of the cell's training


class Bars:
    """A bar for all cells and one for each that is at work, below the lines of events; below them the time left."""

    def __init__(self, console: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console, RenderableType
        from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column
        from rich.text import Text

        left = self._left = Remaining(clock)

        class TimeLeft(TimeRemainingColumn):
            """Of one stage by its speed, of all cells by their cost."""

            def render(self, task: Task) -> Text:
                if not task.fields.get("all_cells"):
                    return super().render(task)
                seconds, _ = left.seconds()
                return Text("-:--:--" if seconds is None else str(timedelta(seconds=round(seconds))))

        class WithTime(RichProgress):
            """The bars with a line below them."""

            def get_renderables(self) -> Iterable[RenderableType]:
                yield from super().get_renderables()
                if left.is_known:
                    yield Text(left.words(), no_wrap=True, overflow="ellipsis")

        self._console = console or Console(highlight=False)
        columns = (
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
            MofNCompleteColumn(table_column=Column(no_wrap=True, justify="right")),
            TimeLeft(elapsed_when_finished=True, table_column=Column(no_wrap=True)),
        )
        self._bars: Any = WithTime(
            *columns, console=self._console, expand=True, speed_estimate_period=SPEED_OVER_S
        )
        self._all: Any = None
        self._ended = 0
        self._working: dict[str | None, _Bar] = {}  # by cell; None: a stage of a source

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for cell in list(self._working):
            self._drop(cell)
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Move the bars, and print the line of ``event`` above them."""
        self._left.note(event)
        text = text_of(event)
        if text is not None:
            style = "red" if is_bad(event) else None
            self._console.print(text, markup=False, soft_wrap=True, style=style)
        if isinstance(event, CellStarted):
            self._drop(None)
            if self._all is None:
                self._all = self._bars.add_task("all cells", total=event.count, all_cells=True)
        elif isinstance(event, CellEnded):
            self._drop(event.cell)
            self._ended += 1
            self._move_all()
        elif isinstance(event, Progress):
            self._move(event)

    def _move(self, event: Progress) -> None:
        cell, key = event.cell, (event.stage, event.subject)
        working = self._working.get(cell)
        if working is None or working.key != key:
            self._drop(cell)
            name = event.subject if cell is None else short(cell)
            bar = self._bars.add_task(f"{VERBS[event.stage]} {name}", total=event.total, completed=event.done)
            trained = 1.0 if event.stage == "score" else 0.0
            working = self._working[cell] = _Bar(key, bar, trained)
        self._bars.update(working.bar, completed=event.done)
        if event.stage == "train":
            working.trained = event.done / event.total
        self._move_all()

    def _move_all(self) -> None:
        """Let the bar of all cells stand at those that have ended and the shares that the others have trained."""
        if self._all is not None:
            at_work = sum(working.trained for working in self._working.values())
            self._bars.update(self._all, completed=self._ended + at_work)

    def _drop(self, cell: str | None) -> None:
        working = self._working.pop(cell, None)
        if working is not None:
            self._bars.remove_task(working.bar)
