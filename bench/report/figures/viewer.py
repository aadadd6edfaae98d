"""Sample slices for the viewer: untreated input, reference and networks, each image in HU once.

Which slices a cell keeps is decided when it is scored (``training.evaluate.sample_rows``); here each gets its place in
the order of the untreated input's PSNR, also those of cells that kept theirs by an earlier rule.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from bench.config.schema import INPUT
from bench.metrics import PSNR, SSIM
from bench.records.store import TEXT_COLUMNS, Lesions, Samples
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.render import pixels, png
from bench.report.rows import Row
from bench.report.values import Figure, Gallery, HuImage, Lesion, Panel, Sample, Window
from bench.words import count

#: The CT presets of the OHIF viewer.
WINDOWS = (
    Window("lung", "Lung", -600, 1500),
    Window("soft", "Soft tissue", 40, 400),
    Window("bone", "Bone", 480, 2500),
    Window("liver", "Liver", 90, 150),
    Window("brain", "Brain", 40, 80),
)
PRESETS = "CT presets of the OHIF viewer"
SCALE_HU = 100.0  # a difference is fully coloured from here on, at the start and in print
MOST_BYTES = 27_000_000  # of all images together, so that a page stays below 30 MB
PREVIEW_SIDE = 192  # pixels of the images that stand in the page without script
CRISP_BELOW = 300  # pixels a side: smaller slices are enlarged without smoothing


def figure(board: Scoreboard) -> Figure:
    """Return the sample slices of each condition; those of a restricted source are left out, and it says so.

    Raises:
        BenchError: a file of samples is broken.
    """
    title = "Sample slices"
    if board.plan.source.get("restricted"):
        lead = "No image is shown: the source is marked as restricted, its slices may not be passed on. "
        return Figure(name="images", title=title, lead=lead + board.credit)
    with ThreadPoolExecutor(
        os.cpu_count()
    ) as pool:  # files are unpacked and previews packed outside of Python
        slices = [one for row in pool.map(lambda row: list(_slices(board, row)), board.rows) for one in row]
    if not slices:
        return Figure(name="images", title=title, lead="No cell has stored sample slices yet.")
    samples, images = _encoded(slices)
    fold = " of the first fold" if len(board.plan.folds) > 1 else ""
    lead = (
        f"Test slices{fold} chosen by the PSNR of the untreated input, so the same for every network. "
        "The numbers are PSNR / SSIM of that slice."
    )
    if left_out := len(slices) - len(samples):
        lead += f" {count(left_out, 'slice')} left out to keep the page small."
    crisp = max(cell.size for cell in board.plan.cells) < CRISP_BELOW
    gallery = Gallery(samples, images, WINDOWS, PRESETS, SCALE_HU, board.credit, crisp)
    return Figure(name="images", title=title, lead=lead, gallery=gallery)


@dataclass(frozen=True)
class _Slice:
    """A sample without its images, which are ``hu``, panel by panel; None where there is none.

    ``importance`` counts from 0, the most important; ``rank`` from 1, the slice of the best input.
    """

    sample: Sample
    hu: tuple[np.ndarray | None, ...]
    importance: int
    rank: int


def _encoded(slices: list[_Slice]) -> tuple[tuple[Sample, ...], tuple[HuImage, ...]]:
    """Return samples with places of their images, condition by condition and best input first, and these images.

    The most important slice of every condition comes first, then the second of every one, as far as they fit.
    """
    images: list[HuImage] = []
    places: dict[bytes, int] = {}
    kept: list[_Slice] = []
    for _, group in groupby(sorted(slices, key=lambda one: one.importance), key=lambda one: one.importance):
        level = list(group)
        whole = [None if hu is None else pixels.rounded(hu) for one in level for hu in one.hu]
        fresh = {hu.tobytes(): hu for hu in whole if hu is not None and hu.tobytes() not in places}
        texts = pixels.encode_all(fresh.values())
        if kept and sum(len(image.data) for image in images + texts) > MOST_BYTES:
            break
        places |= {key: len(images) + at for at, key in enumerate(fresh)}
        images += texts
        found = iter(None if hu is None else places[hu.tobytes()] for hu in whole)
        kept += [replace(one, sample=_placed(one, found)) for one in level]
    conditions = list(dict.fromkeys(one.sample.condition for one in slices))
    kept.sort(key=lambda one: (conditions.index(one.sample.condition), one.rank))
    return tuple(one.sample for one in kept), tuple(images)


def _placed(one: _Slice, places: Iterator[int | None]) -> Sample:
    """Return the sample with the next of ``places`` in each panel."""
    return replace(
        one.sample, panels=tuple(replace(panel, image=next(places)) for panel in one.sample.panels)
    )


def _slices(board: Scoreboard, row: Row) -> Iterator[_Slice]:
    """Yield the slices that any cell of the row has kept, the most important first."""
    stored = {model: _read(group, ()) for model, group in row.groups.items()}
    holders: dict[str, str] = {}  # slice: the first model that has its input and reference
    for model, samples in stored.items():
        for name in samples.names if samples else ():
            holders.setdefault(name, model)
    if not holders:
        return
    pairs = {model: _read(row.groups[model], ("input", "reference")) for model in set(holders.values())}
    outputs = {
        model: _read(group, ("output",))
        for model, group in row.groups.items()
        if model != INPUT and stored[model]
    }
    ranks = _ranks(row.groups.get(INPUT))
    for importance, (name, holder) in enumerate(holders.items()):
        pair = pairs[holder]
        assert pair is not None
        at = pair.names.index(name)
        reference = pair.images["reference"][at]
        panels: list[tuple[Panel, np.ndarray | None]] = [
            (_panel(board, row.groups, INPUT, name, "Input"), pair.images["input"][at]),
            (Panel("Reference", "normal dose"), reference),
        ]
        for model, group in row.groups.items():
            if model == INPUT:
                continue
            samples = outputs.get(model)
            if samples is not None and name in samples.names:
                output = samples.images["output"][samples.names.index(name)]
                panels.append((_panel(board, row.groups, model, name, board.names[model]), output))
            else:
                panels.append((Panel(board.names[model], group.state or "no sample"), None))
        rank, of = ranks.get(name, (importance + 1, 0))
        lesions = tuple(_lesions(pair.lesions[at]))
        label = _label(rank, of, len(lesions), importance)
        if importance == 0:
            panels = [(_previewed(panel, hu, reference), hu) for panel, hu in panels]
        sample = Sample(label, name, board.condition(row), tuple(panel for panel, _ in panels), lesions)
        yield _Slice(sample, tuple(hu for _, hu in panels), importance, rank)


def _previewed(panel: Panel, hu: np.ndarray | None, reference: np.ndarray) -> Panel:
    """Return the panel with what is shown of it without script."""
    if hu is None:
        return panel
    difference = "" if hu is reference else png.difference_png(hu, reference, SCALE_HU, PREVIEW_SIDE)
    return replace(panel, preview=png.slice_png(hu, WINDOWS[0], PREVIEW_SIDE), difference=difference)


def _read(group: Group, keys: Iterable[str]) -> Samples | None:
    return group.finished[0].results[0].folder.read_samples(keys) if group.finished else None


def _panel(board: Scoreboard, groups: Mapping[str, Group], model: str, name: str, title: str) -> Panel:
    return Panel(title, _slice_scores(board, groups[model], name) if model in groups else "")


def _slice_scores(board: Scoreboard, group: Group, name: str) -> str:
    for row in group.finished[0].results[0].scores if group.finished else ():
        if name in (f"{row['patient']}/{row['slice']}", row["slice"]):
            return " / ".join(board.text(float(row[m]), m) for m in (PSNR, SSIM) if m in row)
    return ""


def _ranks(group: Group | None) -> dict[str, tuple[int, int]]:
    """Return the place of each slice by the PSNR of the untreated input, from 1 = best, and their number."""
    rows = group.finished[0].results[0].scores if group and group.finished else []
    rows = [row for row in rows if PSNR in row]
    rows = sorted(rows, key=lambda row: (-float(row[PSNR]), *(str(row[key]) for key in TEXT_COLUMNS)))
    return {f"{row['patient']}/{row['slice']}": (at, len(rows)) for at, row in enumerate(rows, 1)}


def _label(rank: int, of: int, lesions: int, importance: int) -> str:
    """Return what a slice shows: ``worst of 354``; for one that is neither, ``rank 7 of 354, 3 lesions``."""
    if not of:
        return f"slice {importance + 1}"
    names = {rank: f"rank {rank}", (of + 1) // 2: "median", of: "worst", 1: "best"}
    places = [names[rank] + f" of {of}"] if of > 1 else ["the only slice"]
    return ", ".join(places + ([count(lesions, "lesion")] if lesions else []))


def _lesions(rows: Lesions) -> Iterator[Lesion]:
    for row in rows:
        column, line, radius = (float(row[key]) for key in ("x_px", "y_px", "radius_px"))
        if math.isfinite(radius):  # the source says how wide a pixel is
            words = f"{row['kind']}, {float(row['diameter_mm']):.1f} mm, {float(row['contrast_hu']):+.0f} HU"
            yield Lesion(column, line, radius, words)
