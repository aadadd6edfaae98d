"""The table as one self-contained HTML page: styles, images, curves and one script inline, no request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.values import Table

if TYPE_CHECKING:
    import jinja2


def render(table: Table) -> str:
    """Return the page."""
    return environment().get_template("page.html.j2").render(table=table)


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
