"""The tables as LaTeX: booktabs tables to include in a document, all in one file or one a file.

Text is written so that pdfLaTeX with T1 fonts prints it; a letter that those fonts do not have is printed by LuaLaTeX
and XeLaTeX, and named by its code point elsewhere.
"""

from __future__ import annotations

import re
import unicodedata

from bench.report.format import one_line
from bench.report.render.entry import Markup
from bench.report.values import Grid, Table

#: A file of tables or figures that holds these words has been written by this program and may be removed by it.
OURS = "made from records by ldct-denoising-benchmark"
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_",
    "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "*": "{*}",  # after \\ LaTeX reads [ and * as its own
    "\N{EN DASH}": r"\textendash{}", "\N{EM DASH}": r"\textemdash{}", "\N{NON-BREAKING HYPHEN}": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": r"\textquoteleft{}", "\N{RIGHT SINGLE QUOTATION MARK}": r"\textquoteright{}",
    "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}", "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}", "\N{DEGREE SIGN}": r"\textdegree{}",
    "\N{SECTION SIGN}": r"\S{}", "\N{COPYRIGHT SIGN}": r"\textcopyright{}", "\N{BULLET}": r"\textbullet{}",
    "\N{DOUBLE LOW-9 QUOTATION MARK}": r"\quotedblbase{}", "\N{SINGLE LOW-9 QUOTATION MARK}": r"\quotesinglbase{}",
    "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}": r"\guillemotleft{}",
    "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}": r"\guillemotright{}",
    "\N{REGISTERED SIGN}": r"\textregistered{}", "\N{TRADE MARK SIGN}": r"\texttrademark{}",
}  # fmt: skip
_MATHS = {
    "\N{MULTIPLICATION SIGN}": r"\times", "\N{PLUS-MINUS SIGN}": r"\pm", "\N{MICRO SIGN}": r"\mu",
    "\N{MINUS SIGN}": "-",
    "\N{LESS-THAN OR EQUAL TO}": r"\leq", "\N{GREATER-THAN OR EQUAL TO}": r"\geq", "\N{DIVISION SIGN}": r"\div",
    "\N{ALMOST EQUAL TO}": r"\approx", "\N{NOT EQUAL TO}": r"\neq", "\N{RIGHTWARDS ARROW}": r"\rightarrow",
    "\N{LEFTWARDS ARROW}": r"\leftarrow", "\N{INFINITY}": r"\infty", "\N{MIDDLE DOT}": r"\cdot",
}  # fmt: skip
_GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
_CAPITALS = ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega")
_LAMDA = {"lambda": "lamda"}  # as Unicode spells it
_MATHS |= {
    unicodedata.lookup(f"GREEK SMALL LETTER {_LAMDA.get(name, name)}"): rf"\{name}" for name in _GREEK
} | {
    unicodedata.lookup(f"GREEK CAPITAL LETTER {_LAMDA.get(name, name)}"): rf"\{name.capitalize()}"
    for name in _CAPITALS
}
_SPECIAL |= {letter: f"${command}$" for letter, command in _MATHS.items()}
_RAISED = {"<super>": r"\textsuperscript{%s}", "<sub>": r"\textsubscript{%s}"}  # of digits in Unicode
_LETTERS = range(0xC0, 0x180)  # of Latin alphabets: T1 fonts have these but for
_ABSENT = {0x126, 0x127, 0x138, 0x13F, 0x140, 0x149, 0x166, 0x167, 0x17F}

PACKAGES = ("[T1]{fontenc}", "{textcomp}", "{booktabs}", "{graphicx}")
HEAD = """\
% {what} of the profile {profile}, {ours}.
% Packages: {packages}
% (LuaLaTeX and XeLaTeX: without fontenc; they print letters that T1 fonts lack, pdfLaTeX their code points.)
\\providecommand{{\\ldctletter}}[2]{{\\ifdefined\\Umathchar #1\\else #2\\fi}}
"""


#: What a table that is read without the page must say of its run; of the facts at the page's head.
IN_CAPTION = ("Profile", "Source", "Tested on", "Scan", "Split", "Settings", "Seeds")


def render(table: Table) -> str:
    """Return the tables as LaTeX floats, to be included in the body of a document.

    Without the provenance, and without what the page folds away: more lines than a page has.
    """
    floats = _floats(table)
    return _head(table, "Tables") + "\n".join(floats[grid.name] for grid in table.grids if not grid.folded)


def grids(table: Table) -> dict[str, str]:
    """Return each of these tables by its name as a file of its own."""
    return {name: _head(table, "Table") + text for name, text in _floats(table).items()}


def _head(table: Table, what: str) -> str:
    packages = " ".join(rf"\usepackage{name}" for name in PACKAGES)
    return HEAD.format(what=what, profile=one_line(table.profile), ours=OURS, packages=packages)


def _floats(table: Table) -> dict[str, str]:
    facts = "; ".join(f"{key}: {text}" for key, text in table.facts if key in IN_CAPTION)
    return {grid.name: _grid(grid, "" if at else facts) for at, grid in enumerate(table.grids)}


def escape(text: str) -> str:
    """Return ``text`` so that LaTeX prints it as it is, on one line; a hyphen before a number becomes a minus sign."""
    text = one_line(unicodedata.normalize("NFC", text))
    text = re.sub(r"(?<![\w.)\]-])-(?=\.?\d)", "\N{MINUS SIGN}", text)
    written = "".join(map(_letter, text))
    return re.sub(r"([-,])(?=\1)", r"\1{}", written)  # two of them are another letter in T1 fonts


def _letter(letter: str) -> str:
    code = ord(letter)
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if code < 0x7F or (code in _LETTERS and code not in _ABSENT):
        return letter if letter.isprintable() else ""
    form, _, plain = unicodedata.decomposition(letter).partition(" ")
    if form in _RAISED and chr(int(plain.split()[0], 16)).isdecimal():
        return _RAISED[form] % chr(int(plain.split()[0], 16))
    return rf"\ldctletter{{{letter}}}{{{{[}}U+{code:04X}{{]}}}}" if letter.isprintable() else ""


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
        rf"\caption[{{{escape(grid.title)}}}]{{{escape(caption)}}}",
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
