"""Sample slices: input, networks and reference side by side, below each its difference from the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bench.config.schema import INPUT
from bench.metrics import PSNR, SSIM
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.render import png
from bench.report.rows import Row
from bench.report.values import Figure, Gallery, Panel, Sample

MOST_SAMPLES = 3
MOST_PIXELS = 40_000_000  # of all images on the page together
CRISP_BELOW = 300  # pixels a side: smaller slices are enlarged without smoothing

Samples = tuple[list[str], dict[str, np.ndarray]]


def figure(board: Scoreboard) -> Figure:
    """Return the sample slices of each condition; those of a restricted source are left out, and it says so.

    Raises:
        BenchError: a file of samples is broken.
    """
    restricted = bool(board.plan.source.get("restricted"))
    samples = () if restricted else tuple(sample for row in board.rows for sample in _samples(board, row))
    fold = " of the first fold" if len(board.plan.folds) > 1 else ""
    lead = (
        f"Test slices{fold} fixed by rule, the same for every network. Above the image, below its difference from "
        "the reference. The numbers are PSNR / SSIM of that slice."
    )
    if restricted:
        lead = (
            "No image is shown: the source is marked as restricted, its slices may not be passed on. "
            f"{board.credit}"
        )
    elif not samples:
        lead = "No cell has stored sample slices yet."
    sides = [cell.size for cell in board.plan.cells]
    crisp = bool(sides) and max(sides) < CRISP_BELOW
    gallery = Gallery(samples, png.WINDOWS, board.credit, crisp) if samples else None
    return Figure(name="images", title="Sample slices", lead=lead, gallery=gallery)


def _samples(board: Scoreboard, row: Row) -> Iterator[Sample]:
    stored = {model: _read(group) for model, group in row.groups.items()}
    first = next((samples for samples in stored.values() if samples is not None), None)
    if first is None:
        return
    names, arrays = first
    pixels = 2 * (2 * len(stored) + 1) * len(board.rows) * arrays["reference"][0].size
    most = min(MOST_SAMPLES, max(1, MOST_PIXELS // pixels))
    for at, name in enumerate(names[:most]):
        panels = _panels(board, row, stored, name, {key: images[at] for key, images in arrays.items()})
        yield Sample(at + 1, name, board.condition(row), panels)


def _read(group: Group) -> Samples | None:
    return group.finished[0].results[0].folder.read_samples() if group.finished else None


def _panels(
    board: Scoreboard,
    row: Row,
    stored: Mapping[str, Samples | None],
    name: str,
    images: Mapping[str, np.ndarray],
) -> tuple[Panel, ...]:
    """Return the panels of one slice; ``images`` (H, W) in HU are its ``input`` and its ``reference``."""
    reference, panels = images["reference"], []
    for model, group in row.groups.items():
        samples = stored[model]
        if model == INPUT:
            output = images["input"]
        elif samples is not None and name in samples[0]:
            output = samples[1]["output"][samples[0].index(name)]
        else:
            panels.append(Panel(board.names[model], group.state or "no sample", {}, {}))
            continue
        panels.append(
            Panel(
                "Input" if model == INPUT else board.names[model],
                _slice_scores(board, group, name),
                {window.key: png.slice_png(output, window) for window in png.WINDOWS},
                {window.key: png.difference_png(output, reference, window) for window in png.WINDOWS},
            )
        )
    whole = {window.key: png.slice_png(reference, window) for window in png.WINDOWS}
    return (*panels, Panel("Reference", "normal dose", whole, {}))


def _slice_scores(board: Scoreboard, group: Group, name: str) -> str:
    for row in group.finished[0].results[0].scores if group.finished else ():
        if name in (f"{row['patient']}/{row['slice']}", row["slice"]):
            return " / ".join(board.text(float(row[m]), m) for m in (PSNR, SSIM) if m in row)
    return ""
