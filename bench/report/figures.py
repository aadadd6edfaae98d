"""Images and curves of the page: HU slices to PNG, training histories to SVG. Nothing is written to disk."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

# Stand-ins that become CSS colours of the page, so that one drawing serves the light and the dark scheme.
_INK, _GRID = "#010203", "#040506"
_PALETTE = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")


def colour(index: int) -> str:
    """Return the CSS colour of the network at ``index``."""
    return f"var(--series-{index % len(_PALETTE) + 1})"


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
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": 9.0,
        "axes.unicode_minus": False,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(4.4, 2.7), layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        for curve in curves:
            _draw(axes, curve)
        if level is not None and math.isfinite(level):
            axes.axhline(level, color=_INK, linewidth=1.0, linestyle=(0, (4, 3)), alpha=0.65)
        axes.set_xlabel("Epoch", color=_INK)
        axes.set_ylabel("Validation PSNR (dB)", color=_INK)
        axes.tick_params(colors=_INK, length=0)
        axes.grid(axis="y", color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        axes.margins(x=0.03, y=0.08)
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        low, high = axes.get_ylim()
        axes.set_ylim(low - max(0.0, MIN_SPAN_DB - (high - low)), high)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue())


def _draw(axes: object, curve: Curve) -> None:
    paint = _PALETTE[curve.colour % len(_PALETTE)]
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


def _inline(svg: str) -> str:
    """Return the bare ``<svg>`` element: no prologue, no metadata, no fixed size, colours from the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href=", "href=")
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r"font(?:-family)?:([^;\"]*?)'DejaVu Sans'[^;\"]*", _font, svg)
    svg = svg.replace(_INK, "currentColor").replace(_GRID, "var(--line)")
    for index, stand_in in enumerate(_PALETTE):
        svg = svg.replace(stand_in, colour(index))
    return svg.strip()


def _font(found: re.Match[str]) -> str:
    size = re.search(r"[\d.]+px", found.group(1))
    return f"font-size: {size.group()}" if size else ""
