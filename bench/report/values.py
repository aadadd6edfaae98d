"""The table as a value: what is printed where, before anything is drawn.

``Table`` holds grids of entries. The modules of ``render`` differ only in how they write bold, footnotes and
escapes; ``csv`` writes the raw ``scores``, and only ``html`` shows the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["label", "value", "state", "missing"]  # state: why there is no value; missing: not there yet


QUIET = ("", "–", "not run yet", "not planned", "unknown")  # noqa: RUF001


@dataclass(frozen=True)
class Part:
    """One printed number or word.

    ``best`` marks the winner of its row and metric, ``claimed`` one better than every other network by more than
    chance; ``tied`` another network that is not told from the winner: the same within the margin, or open.
    """

    text: str
    best: bool = False
    claimed: bool = False
    tied: Literal["", "same", "open"] = ""


@dataclass(frozen=True)
class Entry:
    """One printed cell. ``detail`` is a second, quieter text; ``marks`` are footnote numbers from 1.

    ``link`` is the anchor of what it is a number of, ``order`` what it is sorted by where that is not its text.
    """

    parts: tuple[Part, ...]
    kind: Kind = "value"
    marks: tuple[int, ...] = ()
    detail: str = ""
    link: str = ""
    order: float | None = None


@dataclass(frozen=True)
class Choice:
    """What a table shows instead where the reader chooses another metric: its rows, and what they mean."""

    metric: str
    label: str
    family: str  # metrics of one family differ in their convention only
    meaning: str
    rows: tuple[tuple[Entry, ...], ...]
    footnotes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One titled table: ``lead`` stands above it, ``notes`` and numbered ``footnotes`` below.

    ``folded``: the page shows its title only until it is opened. ``choices`` are for the page alone.
    """

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    lead: str = ""
    notes: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()
    texts: tuple[int, ...] = (0,)  # columns that hold text and are aligned left
    folded: bool = False
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """One inline SVG with its heading and caption; ``anchor`` is what links lead to, ``wide`` takes the whole line."""

    title: str
    svg: str
    caption: str
    anchor: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Window:
    """A display window in HU, and the error at which a difference image is fully coloured."""

    key: str
    label: str
    centre: float
    width: float
    error: float


@dataclass(frozen=True)
class Panel:
    """One image and what stands above it; ``images`` and ``differences`` are data URIs by window."""

    name: str
    text: str
    images: Mapping[str, str]
    differences: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """One slice of one condition, counted from 1: input, networks, reference."""

    number: int
    name: str
    condition: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Gallery:
    """Images between which the reader switches by window and by slice; ``crisp``: enlarged without smoothing."""

    samples: tuple[Sample, ...]
    windows: tuple[Window, ...]
    credit: str
    crisp: bool

    @property
    def slices(self) -> tuple[int, ...]:
        """The numbers of the slices, each once."""
        return tuple(sorted({sample.number for sample in self.samples}))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One titled figure: ``drawings`` with a ``legend`` (text and CSS colour; no colour: a dashed line), or images.

    ``dashed``: each colour has its own dash too, for eyes and printers that do not tell colours apart.
    """

    name: str
    title: str
    lead: str
    drawings: tuple[Drawing, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    gallery: Gallery | None = None
    dashed: bool = False


@dataclass(frozen=True)
class CellFolder:
    """One planned cell: its id, how it ended, and those of its files that a reader may open."""

    cell: str
    status: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Card:
    """All there is of one network on one condition: what a number of the tables leads to.

    ``curve`` is the anchor of its training curve, empty where there is none; ``patients`` its value of each patient.
    """

    anchor: str
    condition: str
    network: str
    score: str
    curve: str
    folders: tuple[CellFolder, ...]
    patients: Grid | None


@dataclass(frozen=True)
class Score:
    """One metric of one cell (model, condition, seed, fold), unrounded; None where there is no value."""

    cell: str
    condition: str
    model: str
    seed: int
    fold: int | None  # None: the split has no folds
    status: str
    metric: str
    unit: str
    direction: str
    mean: float | None
    sd_patients: float | None
    slices: int  # that have a finite score and are counted
    patients: int | None  # None: unknown
    mean_over_folds: float | None  # over the slices of all folds of this seed
    mean_over_seeds: float | None
    winner: bool
    p_weights: float | None  # of the best network only, after Holm: these weights, this method
    p_method: float | None
    gain: float | None
    output_is_input: bool | None  # None: the untreated input itself
    published: float | None
    comparable: bool
    leaky: str  # why the split is leaky; empty: it is clean


@dataclass(frozen=True)
class Table:
    """Everything that the report prints, in the order it is printed."""

    title: str
    profile: str
    facts: tuple[tuple[str, str], ...]
    conventions: tuple[str, ...]
    notices: tuple[str, ...]
    grids: tuple[Grid, ...]
    figures: tuple[Figure, ...]
    provenance: tuple[Grid, ...]
    scores: tuple[Score, ...]
    credit: str
    verdict: str = ""  # in one sentence: which network is best, and how sure that is
    cards: tuple[Card, ...] = ()


def label(text: str, detail: str = "") -> Entry:
    """Return an entry that names its row."""
    return Entry((Part(text),), "label", (), detail)


def value(*texts: str, best: tuple[bool, ...] = (), marks: tuple[int, ...] = ()) -> Entry:
    """Return an entry of one or several values, e.g. PSNR and SSIM."""
    flags = best or (False,) * len(texts)
    return Entry(tuple(Part(text, flag) for text, flag in zip(texts, flags, strict=True)), "value", marks)


def state(text: str, marks: tuple[int, ...] = ()) -> Entry:
    """Return an entry that says why there is no value: a failure, or no more than a gap."""
    return Entry((Part(text),), "missing" if text in QUIET else "state", marks)
