"""The tables as LaTeX: booktabs tables to include in a document."""

from __future__ import annotations

from bench.report.format import one_line
from bench.report.render.entry import Markup
from bench.report.values import Grid, Table

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
    head = HEAD.format(profile=one_line(table.profile))
    facts = "; ".join(f"{key}: {text}" for key, text in table.facts)
    return head + "\n".join(_grid(grid, "" if at else facts) for at, grid in enumerate(table.grids))


def escape(text: str) -> str:
    """Return ``text`` so that LaTeX prints it as it is, on one line."""
    return "".join(_SPECIAL.get(letter, letter) for letter in one_line(text))


def _grid(grid: Grid, facts: str) -> str:
    columns = "".join("l" if index in grid.texts else "r" for index in range(len(grid.headings)))
    caption = " ".join(part for part in (f"{grid.title}.", grid.lead, facts and f"{facts}.") if part)
    body = [" & ".join(escape(heading) for heading in grid.headings) + r" \\", r"\midrule"]
    body += [" & ".join(ENTRY.write(entry) for entry in row) + r" \\" for row in grid.rows]
    under = [*ENTRY.legend(grid), *(escape(note) for note in grid.notes)]
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


ENTRY = Markup(
    escape,
    bold=r"\textbf{%s}",
    quiet=r"\emph{%s}",
    mark=r"\textsuperscript{%s}",
    claimed=r"\textsuperscript{*}",
)
