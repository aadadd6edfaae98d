"""The files of a report, each whole: tables in four formats, raw scores, single numbers, tables and figures."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench import atomic
from bench.report.render import csv, html, latex, macros, markdown, pdf, svg_file
from bench.report.values import Table

FOLDERS = ("tex", "figures")  # of single tables and figures
SUFFIXES = (".tex", ".svg", ".pdf")  # in them


def write(table: Table, reports: Path) -> list[Path]:
    """Write all files of a table into the folder ``reports`` and return the paths of those at its top, and of folders.

    A single table or figure of an earlier report that is not part of this one is removed; files of other origin stay.

    Raises:
        BenchError: the disk is full or the folder may not be written.
    """
    texts = {
        "results.md": markdown.render(table),
        "results.html": html.render(table, reports),
        "results.csv": csv.render(table),
        "results.tex": latex.render(table),
        "slices.csv": csv.slices(table),
        "numbers.tex": macros.render(table),
    }
    for name, text in texts.items():
        atomic.write_text(reports / name, text)
    single = {f"tex/{name}.tex": text.encode("utf-8") for name, text in latex.grids(table).items()}
    for name, svg in _figures(table):
        single[f"figures/{name}.svg"] = svg.encode("utf-8")
        with suppress(pdf.Unknown):
            single[f"figures/{name}.pdf"] = pdf.render(svg)
    for name, content in single.items():
        atomic.write_bytes(reports / name, content)
    _remove_others(reports, {reports / name for name in single})
    return [reports / name for name in (*texts, *(name for name in FOLDERS if (reports / name).is_dir()))]


def _figures(table: Table) -> Iterator[tuple[str, str]]:
    """Yield name and SVG of each drawing: ``curves-60-views``; numbered where two names are equal."""
    names: set[str] = set()
    for figure in table.figures:
        for number, drawing in enumerate(figure.drawings, 1):
            plain = unicodedata.normalize("NFKD", drawing.title).encode("ascii", "ignore").decode().lower()
            slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60]
            name = f"{figure.name}-{slug}" if slug else figure.name
            name = f"{name}-{number}" if name in names else name
            names.add(name)
            title = ": ".join(filter(None, (figure.title, drawing.title)))
            yield name, svg_file.render(drawing.svg, figure.legend, title)


def _remove_others(reports: Path, written: set[Path]) -> None:
    for folder in FOLDERS:
        for path in (reports / folder).glob("*.*"):
            earlier = path.suffix in SUFFIXES and path not in written and path.is_file()
            if earlier and latex.OURS.encode() in path.read_bytes():
                atomic.remove(path)
        atomic.remove_leftovers(reports / folder)
