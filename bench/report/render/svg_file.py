"""A drawing of the page as an SVG file of its own: real colours, a font, a size, and its legend below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from bench.report.render.latex import OURS

#: The page's variables in its light scheme, on the white of paper (``templates/style.css.j2``).
COLOURS = {
    "line": "#e6e3dc", "series-1": "#2a6fbb", "series-2": "#cf6a1b", "series-3": "#3c8d5f", "series-4": "#8a5fc0",
    "series-5": "#b8396b", "series-6": "#74705f", "series-7": "#14848f", "series-8": "#5b5fa8",
}  # fmt: skip
INK = "#1f2328"
FONT = "DejaVu Sans, Arial, Helvetica, sans-serif"
SIZE, LINE, SAMPLE, LETTER = (
    9.0,
    15.0,
    18.0,
    5.6,
)  # of the legend, in points: text, line, sample, width of a letter
GAP = 6.0

Legend = Sequence[tuple[str, str]]  # text and CSS colour; no colour: a dashed line


def render(inline: str, legend: Legend, title: str) -> str:
    """Return the drawing ``inline`` (an ``<svg>`` element with a ``viewBox`` in points) as the text of a file."""
    match = re.search(r'viewBox="([^"]*)"', inline)
    if match is None:
        raise ValueError("a drawing has no viewBox")
    x, y, width, height = map(float, match.group(1).replace(",", " ").split())
    key, more = _legend(inline, legend, x, y + height, width)
    tall = height + more
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}pt" height="{tall:g}pt" '
        f'viewBox="{x:g} {y:g} {width:g} {tall:g}" font-family="{FONT}" color="{INK}">'
    )
    body = inline[inline.index(">", inline.index("<svg")) + 1 : inline.rindex("</svg>")]
    text = f"{head}\n<!-- {OURS} -->\n<title>{escape(title)}</title>\n{body.strip()}\n{key}</svg>\n"
    return re.sub(r"var\(--([\w-]+)\)", _colour, text).replace("currentColor", INK)


def _colour(match: re.Match[str]) -> str:
    return COLOURS.get(match.group(1), INK)


def _legend(inline: str, legend: Legend, x: float, y: float, width: float) -> tuple[str, float]:
    """Return the legend below a drawing, as many entries on a line as fit, and the height that it takes."""
    parts, left, base = [], x + GAP, y + LINE - 4
    for text, colour in legend:
        wide = SAMPLE + GAP + LETTER * len(text) + 2 * GAP
        if left > x + GAP and left + wide > x + width:
            left, base = x + GAP, base + LINE
        dash = _dash(inline, colour) if colour else "1.5,3"
        style = f"stroke: {colour or 'currentColor'}; stroke-width: 1.8" + (
            f"; stroke-dasharray: {dash}" if dash else ""
        )
        parts.append(
            f'<path d="M {left:g} {base - 3:g} L {left + SAMPLE:g} {base - 3:g}" style="fill: none; {style}"/>\n'
            f'<text x="{left + SAMPLE + GAP:g}" y="{base:g}" style="font-size: {SIZE:g}px; fill: currentColor">'
            f"{escape(text)}</text>\n"
        )
        left += wide
    return "".join(parts), base - y + GAP if parts else 0.0


def _dash(inline: str, colour: str) -> str:
    """Return the dashes with which a drawing shows a series; empty where its lines are solid, or it has none."""
    for style in re.findall(r'style="([^"]*)"', inline):
        if f"stroke: {colour}" in style and (dashes := re.search(r"stroke-dasharray: ([^;]*)", style)):
            return dashes.group(1)
    return ""
