"""Images and curves of the page: HU slices to PNG, training histories to SVG. Nothing is written to disk."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.report.render import svg

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A display window in HU, and the error at which a difference image is fully coloured."""

    key: str
    label: str
    centre: float
    width: float
    error: float


WINDOWS = (Window("lung", "Lung", -600, 1500, 300), Window("soft", "Soft tissue", 40, 400, 100))

MIN_SPAN_DB = 0.5  # a curve that hardly moves is drawn flat
DIFFERENCE_STEPS = 15  # shades each side of zero: as many as an eye tells apart, at a third of the bytes


def slice_png(image: Image, window: Window) -> str:
    """Return an (H, W) image in HU, seen through ``window``, as a PNG data URI."""
    low = window.centre - window.width / 2
    return _png(np.clip((image - low) / window.width, 0.0, 1.0))


def difference_png(output: Image, reference: Image, window: Window) -> str:
    """Return ``output - reference`` (H, W) in HU as a PNG data URI: orange too high, blue too low."""
    share = np.clip((output - reference) / window.error, -1.0, 1.0)
    share = np.rint(share * DIFFERENCE_STEPS) / DIFFERENCE_STEPS
    return _png((share + 1.0) / 2.0, palette=_two_sided())


def _two_sided() -> bytes:
    steps = np.linspace(-1.0, 1.0, 256)[:, None]
    low, high = np.array([[88.0, 176.0, 255.0]]), np.array([[255.0, 158.0, 66.0]])
    colours = np.abs(steps) ** 0.8 * np.where(steps < 0, low, high)
    return np.rint(colours).astype(np.uint8).tobytes()


def _png(share: Image, palette: bytes | None = None) -> str:
    from PIL import Image as Pillow

    picture = Pillow.fromarray(np.rint(share * 255).astype(np.uint8))
    if palette is not None:
        picture.putpalette(palette)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@dataclass(frozen=True)
class Curve:
    """Validation PSNR in dB against the epoch; ``stopped`` marks a cell that was given up."""

    epochs: tuple[float, ...]
    psnr: tuple[float, ...]
    colour: int
    stopped: bool


def curves_svg(name: str, curves: Sequence[Curve], level: float | None) -> str:
    """Return the training curves of one condition as inline SVG, the untreated input as a dashed line.

    ``name`` keeps the ids inside the drawing apart from those of other drawings on the page.
    """
    from matplotlib.ticker import MaxNLocator

    with svg.canvas(name, 4.4, 2.7) as figure:
        axes = figure.add_subplot()
        for curve in curves:
            _draw(axes, curve)
        if level is not None and math.isfinite(level):
            axes.axhline(level, color=svg.INK, linewidth=1.0, linestyle=(0, (4, 3)), alpha=0.65)
        svg.dress(axes, "Epoch", "Validation PSNR (dB)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        axes.margins(x=0.03, y=0.08)
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        low, high = axes.get_ylim()
        axes.set_ylim(low - max(0.0, MIN_SPAN_DB - (high - low)), high)
        return svg.text(figure)


def _draw(axes: object, curve: Curve) -> None:
    paint = svg.PALETTE[curve.colour % len(svg.PALETTE)]
    marker = "o" if len(curve.epochs) == 1 else ""
    axes.plot(  # type: ignore[attr-defined]
        curve.epochs,
        curve.psnr,
        color=paint,
        linewidth=1.8,
        marker=marker,
        markersize=4,
        solid_capstyle="round",
    )
    shown = [(x, y) for x, y in zip(curve.epochs, curve.psnr, strict=True) if math.isfinite(y)]
    if curve.stopped and shown:
        axes.plot(*shown[-1], color=paint, marker="x", markersize=8, markeredgewidth=2)  # type: ignore[attr-defined]
