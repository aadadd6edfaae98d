"""What LaTeX would stop at, found without LaTeX: commands of no named package, braces, environments, columns of rows.

It is not LaTeX: it knows the packages of ``latex.PACKAGES`` and the letters of T1 fonts, and not what fits a page.
"""

from __future__ import annotations

import re

_KERNEL = (
    "begin end caption label centering textbf emph textsuperscript textsubscript par smallskip footnotesize width"
    " linewidth ifdim else fi ifdefined providecommand DeclareRobustCommand csname endcsname ifcsname expandafter def"
    " GenericWarning ensuremath ldct ldctletter ldctmissing Umathchar ldots S"
)
T1 = {"textquotedbl", "textquotesingle", "textasciigrave"}  # the first of fontenc, the others of textcomp too
_TEXT = (
    "textbackslash textasciitilde textasciicircum textless textgreater textbar textendash textemdash textquoteleft"
    " textquoteright textquotedblleft textquotedblright textdegree textcopyright textregistered texttrademark"
    " textbullet quotedblbase quotesinglbase guillemotleft guillemotright"
)
_MATHS = (
    "times pm mu leq geq div approx neq rightarrow leftarrow infty cdot alpha beta gamma delta epsilon zeta eta theta"
    " iota kappa lambda nu xi pi rho sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon"
    " Phi Psi Omega"
)
PACKAGES = {"toprule", "midrule", "bottomrule", "resizebox"}  # booktabs, graphicx
KERNEL, TEXT, MATHS = (set(names.split()) for names in (_KERNEL, _TEXT, _MATHS))
KNOWN = KERNEL | T1 | TEXT | MATHS | PACKAGES


def faults(text: str) -> list[str]:
    """Return what is wrong with a LaTeX file; an empty list where nothing is."""
    lines = [line for line in text.split("\n") if not line.startswith("%")]
    body = "\n".join(lines)
    found = [f"unknown \\{name}" for name in re.findall(r"\\([A-Za-z]+)", body) if name not in KNOWN]
    found += [f"bare {letter}" for letter in re.findall(r"(?<!\\)[%~^\"|<]", body.replace(r"\width>", ""))]
    found += [
        f"letter {a!r} outside of T1" for a in re.findall(r"[^\x00-\u017f]", re.sub(r"letter\{.\}", "", body))
    ]
    depth = 0
    for sign in re.findall(r"(?<!\\)(?:\\\\)*[{}]", re.sub(r"\\[{}]", "", body)):
        depth += 1 if sign.endswith("{") else -1
        found += ["} before {"] if depth < 0 else []
    found += [f"{depth} open braces"] if depth else []
    if len(re.findall(r"(?<!\\)\$", body)) % 2:
        found.append("an open formula")
    for command in re.findall(r"\\([A-Za-z]+)(?=[^$\n]*\$)", "\n".join(re.findall(r"\$[^$]*\$", body))):
        found += [f"\\{command} is no maths"] if command not in MATHS else []
    stack: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            stack.append(name)
        elif not stack or stack.pop() != name:
            found.append(f"\\end{{{name}}} without its begin")
    found += [f"{name} is not ended" for name in stack]
    for columns, rows in re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", body, re.DOTALL):
        for row in rows.split("\n"):
            count = len(re.findall(r"(?<!\\)&", row)) + 1
            if row.endswith(r"\\") and count != len(columns):
                found.append(f"{count} cells in {len(columns)} columns: {row}")
            found += [f"a row is not ended: {row}"] if row and not row.endswith((r"\\", "rule")) else []
            found += [f"LaTeX reads {row[0]} as its own"] if row[:1] in "[*" and row else []
    return found
