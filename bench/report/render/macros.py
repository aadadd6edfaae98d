r"""Single numbers as one LaTeX command with a key: ``\ldct{smoke/ldct_7e4/unet/psnr.slice_max}`` prints 33.28.

A command of its own for each number would have to spell digits and underscores of its name in letters, and a number
that is gone would stop the document. Here the key is the name, and one that does not exist prints ?? and warns, as a
reference does. The command expands to the number alone, so it may stand in captions, headings and formulas.
"""

from __future__ import annotations

import re

from bench.report.format import one_line
from bench.report.render.latex import OURS, escape
from bench.report.values import Table

HEAD = r"""% Numbers of the profile {profile}, {ours}.
% Use: \input{{numbers.tex}} in the preamble, then \ldct{{{example}}} in the text. Packages: none.
"""
COMMANDS = r"""\providecommand{\ldctletter}[2]{\ifdefined\Umathchar #1\else #2\fi}
\providecommand{\ldct}[1]{\ifcsname ldct:#1\endcsname\csname ldct:#1\endcsname\else\ldctmissing{#1}\fi}
\DeclareRobustCommand{\ldctmissing}[1]{\textbf{??}\GenericWarning{}{LaTeX Warning: no number `#1' in numbers.tex}}
"""


def render(table: Table) -> str:
    """Return all single numbers of a table as definitions behind that command."""
    named: dict[str, str] = {}
    for key, text in table.numbers:
        name = re.sub(r"[^A-Za-z0-9_.:/+-]", "-", one_line(key))
        if name in named:
            raise ValueError(f"two numbers have the key {name}")
        named[name] = escape(text).replace("$-$", r"\ensuremath{-}")
    example = next((name for name in named if name.count("/") > 1), "KEY")
    head = HEAD.format(profile=one_line(table.profile), ours=OURS, example=example)
    lines = (rf"\expandafter\def\csname ldct:{name}\endcsname{{{text}}}" for name, text in named.items())
    return head + COMMANDS + "\n".join(lines) + "\n"
