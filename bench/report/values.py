"""The table as a value: what is printed where, before anything is drawn.

``Table`` holds grids of entries. The modules of ``render`` differ only in how they write bold, footnotes and
escapes; ``csv`` writes the raw ``scores`` and ``slices``, ``macros`` the ``numbers``, and ``html`` shows the figures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

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
    folded: bool = False  # shown on request only, where the format can
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
    """A display window in HU: black half a width below the centre, white half a width above."""

    key: str
    label: str
    centre: float
    width: float


@dataclass(frozen=True)
class HuImage:
    """One image in whole HU as text, in the encoding of ``render.pixels``."""

    rows: int
    columns: int
    data: str


@dataclass(frozen=True)
class Panel:
    """One image of a slice, named, with its scores or why there is none.

    ``image`` is its place among the images of the gallery. ``preview`` and ``difference`` (from the reference) are PNG
    data URIs, for whoever reads the page without script or prints it; empty where the slice has none.
    """

    name: str
    text: str
    image: int | None = None
    preview: str = ""
    difference: str = ""


@dataclass(frozen=True)
class Lesion:
    """A known lesion in a slice: centre and radius in pixels (0 = centre of the first), and what it is."""

    column: float
    row: float
    radius: float
    text: str


@dataclass(frozen=True)
class Sample:
    """One slice of one condition: untreated input, reference, networks. ``label`` is its place: ``worst of 354``."""

    label: str
    name: str
    condition: str
    panels: tuple[Panel, ...]
    lesions: tuple[Lesion, ...] = ()

    @property
    def previewed(self) -> bool:
        """Whether it stands in the page without script, too."""
        return any(panel.preview for panel in self.panels)


@dataclass(frozen=True)
class Gallery:
    """The slices of all conditions for the viewer, each image once in ``images``.

    ``window`` and ``scale`` (HU at which a difference is fully coloured) are those at the start and of the previews;
    ``presets`` says where the windows come from; ``crisp``: enlarged without smoothing.
    """

    samples: tuple[Sample, ...]
    images: tuple[HuImage, ...]
    windows: tuple[Window, ...]
    presets: str
    scale: float
    credit: str
    crisp: bool

    @property
    def window(self) -> Window:
        """The window at the start."""
        return self.windows[0]

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that have slices, each once."""
        return tuple(dict.fromkeys(sample.condition for sample in self.samples))

    @property
    def index(self) -> dict[str, Any]:
        """What the viewer knows: windows, and the slices by condition, with places instead of images."""
        samples = [asdict(sample) for sample in self.samples]
        for sample in samples:
            for panel in sample["panels"]:
                del panel["preview"], panel["difference"]
        for sample, value in zip(samples, self.samples, strict=True):
            sample["start"] = value.previewed
        return {
            "windows": [asdict(window) for window in self.windows],
            "scale": self.scale,
            "crisp": self.crisp,
            "conditions": [
                [sample for sample in samples if sample["condition"] == name] for name in self.conditions
            ],
        }


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
    condition_label: str
    model_label: str
    metric_label: str
    low: float | None  # the 95 % t interval of the mean over patients, each patient's slices averaged first
    high: float | None
    parameters: int | None
    updates: int | None  # that were done
    train_s: float | None
    ms_per_slice: float | None
    trained_by: str  # who says how a submitted method was trained; empty: trained here, or the input


@dataclass(frozen=True)
class SliceTable:
    """Every score of every test slice of the finished cells, a row for each cell and slice."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]


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
    slices: SliceTable
    numbers: tuple[tuple[str, str], ...]  # single numbers for a text: key and what is printed
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
