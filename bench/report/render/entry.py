"""One printed cell as text: the same in Markdown and in LaTeX, but for the marks of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.report.values import Entry, Grid, Part


@dataclass(frozen=True)
class Markup:
    """How a format escapes text and writes bold numbers, quiet states and footnote marks (``%s``: the text).

    ``claimed``, ``same`` and ``open`` stand behind a number: a best one that is claimed, and others that are not told
    from the best.
    """

    escape: Callable[[str], str]
    bold: str
    quiet: str
    mark: str
    claimed: str
    same: str = "="
    open: str = "?"

    def write(self, entry: Entry) -> str:
        """Return a printed cell; its detail stands in brackets, unless it brings its own."""
        text = " / ".join(map(self._part, entry.parts))
        if entry.kind in ("state", "missing") and len(text) > 1:
            text = self.quiet % text
        if entry.detail:
            detail = self.escape(entry.detail)
            text += f" {detail}" if entry.detail.startswith("[") else f" ({detail})"
        return text + "".join(self.mark % mark for mark in entry.marks)

    def legend(self, grid: Grid) -> tuple[str, ...]:
        """Return what the marks behind the numbers of a table mean, those that it has; nothing without any."""
        parts = [part for row in grid.rows for entry in row for part in entry.parts]
        told = {
            f"{self.claimed} significantly better than every other network": any(p.claimed for p in parts),
            f"{self.same} the same as the best within the margin": any(p.tied == "same" for p in parts),
            f"{self.open} cannot be told from the best": any(p.tied == "open" for p in parts),
        }
        texts = "; ".join(text for text, there in told.items() if there)
        return (f"Behind a number: {texts}.",) if texts else ()

    def _part(self, part: Part) -> str:
        text = self.escape(part.text)
        tied = {"": "", "same": self.same, "open": self.open}[part.tied]
        return (self.bold % text if part.best else text) + (self.claimed if part.claimed else tied)
