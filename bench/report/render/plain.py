"""A grid as plain words, for a terminal."""

from __future__ import annotations

from bench.report.values import Entry, Grid


def rows(grid: Grid) -> tuple[tuple[str, ...], ...]:
    """Return headings and rows; a heading or label without what stands in brackets, an asterisk at what is best."""
    headings = tuple(_short(heading) for heading in grid.headings)
    return headings, *((_short(_words(row[0])), *map(_words, row[1:])) for row in grid.rows)


def _words(entry: Entry) -> str:
    return " / ".join(part.text + "*" * part.best for part in entry.parts)


def _short(label: str) -> str:
    return label.partition(" (")[0]
