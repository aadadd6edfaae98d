"""What ``bench verify`` found as a file that others read: JUnit XML, and a table in Markdown for a job's summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from bench.records.golden.differences import CAUSES, Checked, folded

NOT_HELD = "the golden file does not hold this cell"
MOST = 50  # differences that a summary lists; the log has them all
_NO_XML = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # characters that XML 1.0 cannot hold


def junit(profile: str, cells: Sequence[Checked]) -> str:
    """Return JUnit XML, one test case per cell: failed with its differences, skipped where the golden file lacks it."""
    failed = sum(bool(cell.differences) for cell in cells)
    skipped = sum(not cell.held and not cell.differences for cell in cells)
    counts = {"tests": str(len(cells)), "failures": str(failed), "skipped": str(skipped), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    seconds = f"{sum(cell.seconds for cell in cells):.3f}"
    attributes = {"name": f"bench verify {profile}", "time": seconds, **counts}
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    for cell in cells:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"bench.{profile}", name=cell.cell, time=f"{cell.seconds:.3f}"
        )
        if cell.differences:
            kind = cell.differences[0].kind
            message = f"{len(cell.differences)} not reproduced; likely {kind}: {CAUSES[kind]}"
            failure = ElementTree.SubElement(case, "failure", type=kind, message=message)
            failure.text = _NO_XML.sub("?", "\n".join(map(str, cell.differences)))
        elif not cell.held:
            ElementTree.SubElement(case, "skipped", message=NOT_HELD)
        elif cell.farthest:
            ElementTree.SubElement(case, "system-out").text = f"farthest: {_farthest(cell)} bands"
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.decode() + "\n"


def summary(profile: str, cells: Sequence[Checked], outcome: str) -> str:
    """Return Markdown: the ``outcome``, a row for each cell, and below them what is not reproduced."""
    from tabulate import tabulate  # here: a help needs no table

    heads = ("cell", "reproduced", "values that are not", "farthest score (in bands)")
    rows = [(cell.cell, _verdict(cell), len(cell.differences) or "", _farthest(cell)) for cell in cells]
    differences = folded(cells)
    lines = [f"- {one.kind}: {one}" for one in differences[:MOST]]
    if len(differences) > MOST:
        lines.append(f"- and {len(differences) - MOST} more")
    table = tabulate(rows, heads, "github", disable_numparse=True)
    return (
        "\n\n".join(filter(None, (f"### bench verify: {profile}", outcome, table, "\n".join(lines)))) + "\n"
    )


def _verdict(cell: Checked) -> str:
    if cell.differences:
        return f"**no**: {cell.differences[0].kind}"
    return "yes" if cell.held else "not in the golden file"


def _farthest(cell: Checked) -> str:
    return f"{cell.farthest[0]} {cell.farthest[1]:+.2g}" if cell.farthest else ""
