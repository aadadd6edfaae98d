"""What a run reports while it works: small values that the command line turns into bars and lines."""

from __future__ import annotations

from dataclasses import dataclass

CELL_STAGES = ("train", "tune", "score")  # stages of one cell; the others are of a source


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` units of one stage.

    ``fetch`` (slices), ``verify`` (arrays of the cache), ``build``, ``export``, ``audit``, ``denoise`` (slices),
    ``train`` (updates), ``tune`` (strengths of a classical method), ``score`` (slices).
    """

    stage: str
    subject: str  # a cell id, or the name of the source
    done: int
    total: int
    note: str = ""

    @property
    def cell(self) -> str | None:
        """The id of the cell at work; None for a stage of a source."""
        return self.subject if self.stage in CELL_STAGES else None


@dataclass(frozen=True)
class CellCost:
    """What a cell that is to run costs: ``updates`` (0: it is only scored), of which a part is done already.

    ``seconds`` is the forecast for the whole cell, None where its network was not measured.
    """

    cell: str
    network: str
    updates: int
    done: float  # share of the updates
    seconds: float | None


@dataclass(frozen=True)
class CellsPlanned:
    """The cells that are about to run, by what they cost; the first of them starts after it."""

    costs: tuple[CellCost, ...]


@dataclass(frozen=True)
class CellStarted:
    """A cell begins; ``number`` of ``count`` in this run, ``resumed`` at the epoch it continues from."""

    cell: str
    number: int
    count: int
    resumed: int = 0


@dataclass(frozen=True)
class EpochEnded:
    """One check on the validation patients; PSNR in dB of the output and of the untreated input."""

    cell: str
    epoch: int
    epochs: int
    loss: float
    psnr: float
    psnr_input: float
    seconds: float


@dataclass(frozen=True)
class CellEnded:
    """A cell ended as ``finished``, ``failed`` or ``diverged``; ``message`` says why where it did not finish.

    ``crowded``: it ran out of memory beside other cells and is to run again with fewer of them.
    """

    cell: str
    status: str
    message: str
    seconds: float
    crowded: bool = False
    log: str = ""  # the file with the reason, of a cell that did not finish


@dataclass(frozen=True)
class Message:
    """One line for the person: a source was read, a lock is waited for, a worker was restarted."""

    text: str


@dataclass(frozen=True)
class ReportWritten:
    """The tables are written: the page's path, and the rows of the score table as words, its headings first."""

    page: str
    scores: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class RunEnded:
    """The run is over and the tables are written; of the cells asked for, ``bad`` failed or diverged."""

    finished: int
    bad: int


Event = Progress | CellsPlanned | CellStarted | EpochEnded | CellEnded | Message | ReportWritten | RunEnded
