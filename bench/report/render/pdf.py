"""An SVG file of ours as PDF: its paths and texts put on a page by matplotlib, letters as outlines.

Without a font in it no journal refuses it, and it is written in a third of the time: choosing the letters of a font
took the rest. The text that can be searched and edited is in the SVG.

It knows the part of SVG that the drawings of the page have: ``path`` (M, L, Q, C, z in absolute numbers), ``use`` of a
path, ``rect`` as a clip, ``text``; presentation in ``style``, turned by ``rotate``. Anything else is an error: a figure
of which something is missing would not be seen as such. The report then leaves the PDF of that drawing out.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from bench.report.format import one_line
from bench.report.render.latex import OURS

NAMES = "{http://www.w3.org/2000/svg}"
_POINTS = {"M": 1, "L": 1, "Q": 2, "C": 3}  # of each letter of a path
_ANCHORS = {"start": 0.0, "middle": 0.5, "end": 1.0}  # share of a text that stands before its place
_INHERITED = ("fill", "stroke", "stroke-width", "font-size", "text-anchor", "clip-path", "opacity", "color")
_SILENT = ("title", "style", "metadata", "desc", "defs")

Style = dict[str, str]


def render(svg: str) -> bytes:
    """Return an SVG file of ``svg_file`` as PDF of the same size; equal drawings give equal bytes.

    Raises:
        Unknown: it holds something that is not drawn here.
    """
    from matplotlib.figure import Figure

    root = ElementTree.fromstring(svg)
    x, y, width, height = map(float, root.attrib["viewBox"].split())
    figure = Figure(figsize=(width / 72, height / 72))
    figure.patch.set_visible(False)
    _Page(figure, root, (x, y, width, height)).draw(root, {})
    dates = dict.fromkeys(("CreationDate", "ModDate", "Producer"))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf", metadata={**dates, "Creator": OURS})
    return buffer.getvalue()


class Unknown(ValueError):
    """A drawing holds something that is not drawn here."""


class _Page:
    """A figure whose unit is that of the SVG, and the elements that others refer to."""

    def __init__(self, figure: Any, root: ElementTree.Element, box: tuple[float, ...]) -> None:
        from matplotlib.transforms import Affine2D

        x, y, width, height = box
        self._figure = figure
        flat = Affine2D().translate(-x, -y).scale(1 / width, -1 / height).translate(0, 1)
        self._place = flat + figure.transFigure
        self._known = {element.get("id", ""): element for element in root.iter()}

    def draw(self, element: ElementTree.Element, above: Style) -> None:
        """Draw an element and what is in it, in the style of what it is in."""
        name, style = element.tag.removeprefix(NAMES), _style(element, above)
        if name in ("svg", "g"):
            for child in element:
                self.draw(child, style)
        elif name == "path":
            self._path(element.get("d", ""), style, (0.0, 0.0))
        elif name == "rect":
            self._path(_rectangle(element), style, (0.0, 0.0))
        elif name == "use":
            path = self._known[element.get("href", "").lstrip("#")]
            at = float(element.get("x", 0)), float(element.get("y", 0))
            self._path(path.get("d", ""), {**_style(path, {}), **style}, at)
        elif name == "text":
            self._text(element, style)
        elif name not in _SILENT:
            raise Unknown(f"<{name}> of a drawing cannot be put into a PDF")

    def _path(self, data: str, style: Mapping[str, str], at: tuple[float, float]) -> None:
        from matplotlib.path import Path
        from matplotlib.transforms import Affine2D

        points, codes = _points(data)
        fill, stroke = style.get("fill", "#000000"), style.get("stroke", "none")
        if points and style.get("opacity") != "0" and (fill, stroke) != ("none", "none"):
            width = float(style.get("stroke-width", 1)) if stroke != "none" else 0.0
            self._add(Path(points, codes), Affine2D().translate(*at), style, stroke, width)

    def _add(self, path: Any, place: Any, style: Mapping[str, str], stroke: str, width: float) -> None:
        """Add a path with its paint; ``place`` takes it to the units of the SVG."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        dashes = [
            float(part) / (width or 1) for part in re.findall(r"[\d.]+", style.get("stroke-dasharray", ""))
        ]
        cap, whole = style.get("stroke-linecap", "butt"), float(style.get("opacity", 1))
        patch = PathPatch(
            path,
            transform=place + self._place,
            facecolor=_paint(style.get("fill", "#000000"), whole * float(style.get("fill-opacity", 1))),
            edgecolor=_paint(stroke, whole * float(style.get("stroke-opacity", 1))),
            linewidth=width,
            linestyle=(0, dashes) if dashes else "-",
            capstyle="projecting" if cap == "square" else cap,
            joinstyle=style.get("stroke-linejoin", "round"),
        )
        self._figure.add_artist(patch)
        if clip := self._known.get(style.get("clip-path", "").removeprefix("url(#").rstrip(")")):
            left, top, wide, tall = (float(clip[0].get(key, 0)) for key in ("x", "y", "width", "height"))
            corners = [
                (left, top),
                (left + wide, top),
                (left + wide, top + tall),
                (left, top + tall),
                (left, top),
            ]
            patch.set_clip_path(Path(corners), self._place)

    def _text(self, element: ElementTree.Element, style: Mapping[str, str]) -> None:
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import TextPath, text_to_path
        from matplotlib.transforms import Affine2D

        if len(element):
            raise Unknown("a text of several pieces cannot be put into a PDF")
        text, size = one_line("".join(element.itertext())), float(style["font-size"].removesuffix("px"))
        if not text:
            return
        font = FontProperties(family="DejaVu Sans", size=size)
        turned = re.match(r"rotate\((-?[\d.]+)", element.get("transform", ""))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # it is a box on the page
            width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
            before = _ANCHORS[style.get("text-anchor", "start")] * width
            letters = TextPath((-before, 0), text.replace("$", r"\$"), prop=font)
        place = Affine2D().scale(1, -1).rotate_deg(float(turned.group(1)) if turned else 0.0)
        place = place.translate(float(element.get("x", 0)), float(element.get("y", 0)))
        self._add(letters, place, style, "none", 0.0)


def _style(element: ElementTree.Element, above: Mapping[str, str]) -> Style:
    """Return the presentation of an element: its own, and what it inherits."""
    pairs = (part.partition(":") for part in element.get("style", "").split(";"))
    own = {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
    attributes = {key: element.attrib[key] for key in _INHERITED if key in element.attrib}
    return {**{key: above[key] for key in _INHERITED if key in above}, **attributes, **own}


def _rectangle(element: ElementTree.Element) -> str:
    """Return a rectangle as the data of a path."""
    try:
        x, y, width, height = (float(element.get(key, 0)) for key in ("x", "y", "width", "height"))
    except ValueError:
        raise Unknown("a rectangle without numbers cannot be put into a PDF") from None
    return f"M {x} {y} L {x + width} {y} L {x + width} {y + height} L {x} {y + height} z"


def _points(data: str) -> tuple[list[tuple[float, float]], list[Any]]:
    """Return the points of a path and what each is to matplotlib."""
    from matplotlib.path import Path

    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for letter, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", re.sub(r"[eE]([-+]?\d)", r"e\1", data)):
        numbers = [float(number) for number in text.replace(",", " ").split()]
        if letter in ("z", "Z"):
            points.append(points[-1])
            codes.append(Path.CLOSEPOLY)
            continue
        if letter not in _POINTS or len(numbers) % (2 * _POINTS[letter]) or not numbers:
            raise Unknown(f"{letter}{text.rstrip()} of a path cannot be put into a PDF")
        here = list(zip(numbers[::2], numbers[1::2], strict=True))
        code = {"M": Path.MOVETO, "L": Path.LINETO, "Q": Path.CURVE3, "C": Path.CURVE4}[letter]
        points += here
        codes += [code] * len(here)
    return points, codes


def _paint(colour: str, opacity: float) -> Any:
    return "none" if colour == "none" else (colour, opacity)
