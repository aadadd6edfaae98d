"""The tables as LaTeX: booktabs tables to include in a document."""

from __future__ import annotations

import re

from bench.report.values import Entry, Grid, Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_",
    "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}",
    "[": "{[}", "]": "{]}", "\N{MULTIPLICATION SIGN}": r"\(\times\)", "\N{PLUS-MINUS SIGN}": r"\(\pm\)",
    "\N{EN DASH}": "--", "\N{MINUS SIGN}": r"\(-\)", "\N{MICRO SIGN}": r"\(\mu\)",
    "\N{GREEK SMALL LETTER MU}": r"\(\mu\)", "\N{LESS-THAN OR EQUAL TO}": r"\(\leq\)",
    "\N{GREATER-THAN OR EQUAL TO}": r"\(\geq\)", "\N{SUPERSCRIPT TWO}": r"\textsuperscript{2}",
}  # fmt: skip

HEAD = """\
% Tables of the profile {profile}, made from records by the benchmark.
% Include them with \\input{{results.tex}}. Packages:
% \\usepackage[T1]{{fontenc}} \\usepackage{{textcomp}} \\usepackage{{booktabs}} \\usepackage{{graphicx}}
"""


def render(table: Table) -> str:
    """Return all tables but the provenance as LaTeX floats, to be included in the body of a document."""
    head = HEAD.format(profile=re.sub(r"\s+", " ", table.profile))
    facts = "; ".join(f"{key}: {text}" for key, text in table.facts)
    return head + "\n".join(_grid(grid, facts if grid.name == "scores" else "") for grid in table.grids)


def escape(text: str) -> str:
    """Return ``text`` so that LaTeX prints it as it is, on one line."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


def _grid(grid: Grid, facts: str) -> str:
    columns = "".join("l" if index in grid.texts else "r" for index in range(len(grid.headings)))
    caption = " ".join(part for part in (f"{grid.title}.", grid.lead, facts and f"{facts}.") if part)
    body = [" & ".join(escape(heading) for heading in grid.headings) + r" \\", r"\midrule"]
    body += [" & ".join(_entry(entry) for entry in row) + r" \\" for row in grid.rows]
    under = [escape(note) for note in grid.notes]
    under += [
        rf"\textsuperscript{{{number}}} {escape(text)}" for number, text in enumerate(grid.footnotes, 1)
    ]
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{tab:{grid.name}}}",
        rf"\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        *(rf"\par\smallskip\footnotesize {text}" for text in under),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _entry(entry: Entry) -> str:
    parts = [rf"\textbf{{{escape(part.text)}}}" if part.best else escape(part.text) for part in entry.parts]
    text = " / ".join(parts)
    if entry.kind in ("state", "missing") and len(text) > 1:
        text = rf"\emph{{{text}}}"
    if entry.detail:
        text += f" {escape(entry.detail)}" if entry.detail.startswith("[") else f" ({escape(entry.detail)})"
    return text + "".join(rf"\textsuperscript{{{mark}}}" for mark in entry.marks)
