"""One printed cell as text: the same in Markdown and in LaTeX, but for the marks of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.report.values import Entry


@dataclass(frozen=True)
class Markup:
    """How a format escapes text and writes bold numbers, quiet states and footnote marks (``%s``: the text)."""

    escape: Callable[[str], str]
    bold: str
    quiet: str
    mark: str

    def write(self, entry: Entry) -> str:
        """Return a printed cell; its detail stands in brackets, unless it brings its own."""
        parts = [
            self.bold % self.escape(part.text) if part.best else self.escape(part.text)
            for part in entry.parts
        ]
        text = " / ".join(parts)
        if entry.kind in ("state", "missing") and len(text) > 1:
            text = self.quiet % text
        if entry.detail:
            detail = self.escape(entry.detail)
            text += f" {detail}" if entry.detail.startswith("[") else f" ({detail})"
        return text + "".join(self.mark % mark for mark in entry.marks)
