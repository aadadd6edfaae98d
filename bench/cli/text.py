"""Lines and tables of at most 80 columns, as every command prints them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

PAGE, GAP = 80, "  "


def folded(text: str, indent: str = "  ", width: int = PAGE, first: str = "") -> str:
    """Return ``text`` on lines of at most ``width`` columns, but for a word that is longer, as a path."""
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns side by side; the last one is folded where it would go beyond the page."""
    *widths, _ = (max(map(len, column)) for column in zip(header, *rows, strict=True))
    start = sum(widths) + len(GAP) * len(widths)
    lines = []
    for row in (header, ["-" * len(name) for name in header], *rows):
        first = GAP.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
        last = folded(row[-1], "", max(20, PAGE - start)).replace("\n", "\n" + " " * start)
        lines.append((first + GAP + last).rstrip())
    return "\n".join(lines)
