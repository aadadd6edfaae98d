"""The table as one self-contained HTML page: styles, script, images and curves inline, no request.

Everything is there without the script; it adds the choice of a metric, sorting, and folded parts in print.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench.report.render import plot
from bench.report.values import Table

if TYPE_CHECKING:
    import jinja2


def render(table: Table, folder: Path | None = None) -> str:
    """Return the page; ``folder`` is where it will lie: without it files of cells are named, but not linked."""

    def link(path: Path) -> str:
        return _relative(path, folder.absolute()) if folder is not None else ""

    page = environment().get_template("page.html.j2")
    return page.render(table=table, dashes=plot.dashes(), link=link)


def _relative(path: Path, folder: Path) -> str:
    """Return the link that leads from ``folder`` to ``path``; empty where none does, as to another drive."""
    try:
        return quote(os.path.relpath(path, folder).replace(os.sep, "/"))
    except ValueError:
        return ""


def environment(*packages: str) -> jinja2.Environment:
    """Return where templates are found: in the folders ``templates`` of ``packages``, then in that of this package."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in (*packages, "bench.report")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
