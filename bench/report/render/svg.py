"""Drawings as inline SVG: no fixed size, no font, colours that follow the page's light or dark scheme."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Stand-ins that become CSS colours of the page, so that one drawing serves the light and the dark scheme.
INK, GRID = "#010203", "#040506"
PALETTE = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06", "#0a0b07", "#0a0b08")


def colour(index: int) -> str:
    """Return the CSS colour of the series at ``index``."""
    return f"var(--series-{index % len(PALETTE) + 1})"


@contextmanager
def canvas(name: str, width: float, height: float) -> Iterator[Any]:
    """Yield an empty matplotlib figure of ``width`` x ``height`` inches; draw and call ``text`` inside the block.

    ``name`` keeps the ids inside the drawing apart from those of other drawings on the page.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": 9.0,
        "axes.unicode_minus": False,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0.0)
        yield figure


def dress(axes: Any, x: str, y: str, grid: str = "y") -> None:
    """Label the axes and leave only a quiet grid of their frame."""
    axes.patch.set_alpha(0.0)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(which="both", colors=INK, length=0)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def text(figure: Any) -> str:
    """Return the bare ``<svg>`` element: no prologue, no metadata, no fixed size, colours from the page."""
    buffer = io.StringIO()
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")  # done: saving would draw once for it and then lay out again
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href=", "href=")
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r"font(?:-family)?:([^;\"]*?)'DejaVu Sans'[^;\"]*", _font, svg)
    svg = svg.replace(INK, "currentColor").replace(GRID, "var(--line)")
    for index, stand_in in enumerate(PALETTE):
        svg = svg.replace(stand_in, colour(index))
    return svg.strip()


def _font(match: re.Match[str]) -> str:
    size = re.search(r"[\d.]+px", match.group(1))
    return f"font-size: {size.group()}" if size else ""
