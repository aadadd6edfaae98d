"""The table as a value: what is printed where, before anything is drawn.

``Table`` holds grids of entries. The drawing modules (``markdown``, ``html``, ``latex``) differ only in how
they write bold, footnotes and escapes; ``csvout`` writes the raw ``scores``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["label", "value", "state", "missing"]  # state: why there is no value; missing: not there yet


QUIET = ("", "–", "not run yet", "not planned", "unknown")  # noqa: RUF001


@dataclass(frozen=True)
class Part:
    """One printed number or word; ``best`` marks the winner of its row and metric."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Entry:
    """One printed cell. ``detail`` is a second, quieter text; ``marks`` are footnote numbers from 1."""

    parts: tuple[Part, ...]
    kind: Kind = "value"
    marks: tuple[int, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Grid:
    """One titled table: ``lead`` stands above it, ``notes`` and numbered ``footnotes`` below."""

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    lead: str = ""
    notes: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()
    texts: tuple[int, ...] = (0,)  # columns that hold text and are aligned left


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
    provenance: tuple[Grid, ...]
    scores: tuple[Score, ...]


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
