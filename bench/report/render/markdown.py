"""The table as Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

from bench.report.format import one_line
from bench.report.render.entry import Markup
from bench.report.values import Grid, Table


def render(table: Table) -> str:
    """Return the whole table as Markdown text."""
    blocks = [f"# {escape(table.title)}", "\n".join(f"- {escape(k)}: {escape(v)}" for k, v in table.facts)]
    blocks += [f"> {escape(notice)}" for notice in table.notices]
    for index, grid in enumerate(table.grids):
        blocks += _grid(grid, "##")
        if index == 0 and table.conventions:
            blocks.append("Metrics: " + "; ".join(escape(text) for text in table.conventions) + ".")
    blocks.append("## Provenance")
    for grid in table.provenance:
        blocks += _grid(grid, "###")
    return "\n\n".join(blocks) + "\n"


def body(grid: Grid) -> str:
    """Return one table of the report with what stands below it, without title and lead."""
    return "\n\n".join(_grid(replace(grid, lead=""), "")[1:])


def escape(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is: one line, nothing bold, no markup, no column."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[|~#$])", r"\\\1", text)


def _grid(grid: Grid, hashes: str) -> list[str]:
    from tabulate import tabulate  # type: ignore[import-untyped, unused-ignore]

    title = escape(grid.title)
    blocks = [f"<details><summary>{title}</summary>" if grid.folded else f"{hashes} {title}"]
    if grid.lead:
        blocks.append(escape(grid.lead))
    if grid.rows:
        align = ["left" if column in grid.texts else "right" for column in range(len(grid.headings))]
        rows = [[ENTRY.write(entry) for entry in row] for row in grid.rows]
        heads = [escape(heading) for heading in grid.headings]
        blocks.append(tabulate(rows, heads, tablefmt="pipe", colalign=align, disable_numparse=True))
    blocks += [*ENTRY.legend(grid), *(escape(note) for note in grid.notes)]
    blocks += [f"<sup>{number}</sup> {escape(text)}" for number, text in enumerate(grid.footnotes, 1)]
    return [*blocks, "</details>"] if grid.folded else blocks


ENTRY = Markup(escape, bold="**%s**", quiet="*%s*", mark="<sup>%s</sup>", claimed=r"\*")
