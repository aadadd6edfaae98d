"""Simple plots as inline SVG, written directly: a page has a dozen of them, and a drawing library takes 0.2 s for each.

Lengths are points, the origin is the upper left corner. Only ``path`` and ``text`` are used, with colours that follow
the page's light or dark scheme and a dash and a marker for each series, so that no two are told apart by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from bench.report.render.svg import colour

INK, GRID = "currentColor", "var(--line)"
DASHES = ("", "6 3", "9 3 2 3", "12 4", "5 2 1 2", "1.8 2.6", "1 2.4", "9 2 1.5 2 1.5 2")
LEVEL = "1.5 3"  # of the untreated input
MARKERS = "osdtvpxh"  # circle, square, diamond, triangle, the same on its head, plus, cross, hexagon
SIZE, LETTER = 10.0, 5.7  # of text: its height, and the mean width of a letter

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``, with a printed text for each of ``ticks``; ``log``: in equal ratios."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    label: str = ""
    log: bool = False

    def share(self, value: float) -> float:
        """Return where ``value`` stands: 0 at ``low``, 1 at ``high``."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (at - low) / (high - low)


def linear(values: Iterable[float], label: str, *, span: float = 0.0, whole: bool = False) -> Axis:
    """Return an axis around finite ``values``, at least ``span`` long, with about five round ticks."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known), max(known)
    low -= max(0.0, (span or 1e-9) - (high - low))
    room = 0.07 * (high - low)
    low, high = low - room, high + room
    step = _round((high - low) / 5)
    if whole:
        step = max(1.0, float(round(step)))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = ((at * step + 0.0, f"{at * step + 0.0:,.{decimals}f}") for at in range(first, last + 1))
    return Axis(low, high, tuple(ticks), label)


def logarithmic(values: Iterable[float], label: str, *, left: float = 0.06, right: float = 0.06) -> Axis:
    """Return a logarithmic axis with a tick at 1, 2 and 5 times each power of ten; room as a share of the span."""
    known = sorted(values)
    span = math.log10(max(known[-1] / known[0], 3.0))
    low, high = known[0] / 10 ** (left * span), known[-1] * 10 ** (right * span)
    factors = (1, 2, 5) if math.log10(high / low) < 2.5 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    return Axis(
        low, high, tuple((tick, f"{tick:,.10g}") for tick in ticks if low <= tick <= high), label, log=True
    )


def _round(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= step * 0.75)


def dash(series: int) -> str:
    """Return the dash array of a series; empty: a solid line."""
    return DASHES[series % len(DASHES)]


def dashes() -> dict[str, str]:
    """Return the dash array of each series by its CSS colour."""
    return {colour(at): dash(at) for at in range(len(DASHES))}


def legend(models: Iterable[str], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the printed name and the CSS colour of each network, in the order in which they are drawn."""
    return [(names[model], colour(at)) for at, model in enumerate(models)]


@dataclass
class Plot:
    """A plot of ``width`` x ``height`` that is filled by its methods; ``svg`` returns it."""

    width: float
    height: float
    x: Axis
    y: Axis
    grid: str = "y"  # the axes whose ticks have a line
    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        widest = max((len(text) for _, text in self.y.ticks), default=0) * LETTER
        self.left = widest + (SIZE + 12 if self.y.label else 8)
        self.bottom = self.height - (SIZE * 2 + 13 if self.x.label else SIZE + 8)
        self.right, self.top = self.width - 8, 6.0

    def at(self, point: Point) -> Point:
        """Return the place of a point in the drawing."""
        across = self.left + self.x.share(point[0]) * (self.right - self.left)
        return across, self.bottom - self.y.share(point[1]) * (self.bottom - self.top)

    def line(
        self, points: Sequence[Point], paint: str, width: float = 1.8, dash: str = "", opacity: float = 1
    ) -> None:
        """Draw the line through ``points``, broken where one is not finite."""
        text, pen = [], "M"
        for point in points:
            if all(map(math.isfinite, point)):
                text.append(f"{pen} {_place(self.at(point))}")
                pen = "L"
            else:
                pen = "M"
        style = f"fill: none; stroke: {paint}; stroke-width: {width:g}; stroke-linecap: butt"
        style += f"; stroke-dasharray: {dash}" if dash else ""
        style += f"; opacity: {opacity:g}" if opacity < 1 else ""
        self.parts.append(f'<path d="{" ".join(text)}" style="{style}"/>')

    def marker(
        self, point: Point, paint: str, shape: str = "o", size: float = 3.0, opacity: float = 1.0
    ) -> None:
        """Draw a filled marker of half-width ``size``; ``O`` is a ring, ``x`` and ``p`` are strokes."""
        across, down = self.at(point)
        path = " ".join(
            f"{letter} " + " ".join(f"{across + size * dx:.2f} {down + size * dy:.2f}" for dx, dy in corners)
            if corners
            else letter
            for letter, corners in _SHAPES[shape]
        )
        open_ = shape in "Oxp"
        style = f"fill: none; stroke: {paint}; stroke-width: 1.7" if open_ else f"fill: {paint}; stroke: none"
        style += f"; opacity: {opacity:g}" if opacity < 1 else ""
        self.parts.append(f'<path d="{path}" style="{style}"/>')

    def text(self, place: Point, text: str, anchor: str = "start", turned: bool = False) -> None:
        """Write a text whose baseline begins, ends or has its middle at a place of the drawing."""
        across, down = (f"{number:.2f}" for number in place)
        turn = f' transform="rotate(-90 {across} {down})"' if turned else ""
        style = f"font-size: {SIZE:g}px; fill: {INK}; text-anchor: {anchor}"
        self.parts.append(f'<text x="{across}" y="{down}"{turn} style="{style}">{escape(text)}</text>')

    def svg(self) -> str:
        """Return the plot with its grid, ticks and labels as one ``<svg>`` element."""
        over, self.parts = self.parts, []
        for value, text in self.x.ticks:
            if "x" in self.grid:
                self.line(((value, self.y.low), (value, self.y.high)), GRID, 0.8)
            self.text((self.at((value, self.y.low))[0], self.bottom + SIZE + 4), text, "middle")
        for value, text in self.y.ticks:
            if "y" in self.grid:
                self.line(((self.x.low, value), (self.x.high, value)), GRID, 0.8)
            self.text((self.left - 5, self.at((self.x.low, value))[1] + SIZE / 3), text, "end")
        if self.x.label:
            self.text(((self.left + self.right) / 2, self.height - 4), self.x.label, "middle")
        if self.y.label:
            self.text((SIZE, (self.top + self.bottom) / 2), self.y.label, "middle", turned=True)
        parts, self.parts = "\n".join((*self.parts, *over)), over
        return f'<svg viewBox="0 0 {self.width:g} {self.height:g}">\n{parts}\n</svg>'


def _place(point: Point) -> str:
    return f"{point[0]:.2f} {point[1]:.2f}"


def _polygon(corners: Sequence[Point]) -> list[tuple[str, tuple[Point, ...]]]:
    return [("M", (corners[0],)), *(("L", (corner,)) for corner in corners[1:]), ("z", ())]


def _turned(count: int, start: float, radius: float) -> list[Point]:
    angles = (start + 2 * math.pi * at / count for at in range(count))
    return [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


def _strokes(one: Point, other: Point) -> list[tuple[str, tuple[Point, ...]]]:
    """Return two strokes through the middle, from a point to the one opposite."""
    return [(letter, (place,)) for x, y in (one, other) for letter, place in (("M", (x, y)), ("L", (-x, -y)))]


_K = 0.5523  # control points that make a cubic curve a quarter of a circle
_CIRCLE: list[tuple[str, tuple[Point, ...]]] = [
    ("M", ((1.0, 0.0),)),
    ("C", ((1.0, _K), (_K, 1.0), (0.0, 1.0))),
    ("C", ((-_K, 1.0), (-1.0, _K), (-1.0, 0.0))),
    ("C", ((-1.0, -_K), (-_K, -1.0), (0.0, -1.0))),
    ("C", ((_K, -1.0), (1.0, -_K), (1.0, 0.0))),
    ("z", ()),
]
_SHAPES = {
    "o": _CIRCLE,
    "O": _CIRCLE,
    "s": _polygon([(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
    "d": _polygon(_turned(4, 0.0, 1.25)),
    "t": _polygon(_turned(3, -math.pi / 2, 1.3)),
    "v": _polygon(_turned(3, math.pi / 2, 1.3)),
    "h": _polygon(_turned(6, 0.0, 1.1)),
    "p": _strokes((1.1, 0.0), (0.0, 1.1)),
    "x": _strokes((0.9, 0.9), (0.9, -0.9)),
}
