"""The audit as lines of text of at most 80 columns, one for each check as it ends."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bench.audit.check import Check
from bench.audit.simulator import Setup

PAGE = 80
_WIDTHS = (27, 10, 25)


def head(profile: str, setup: Setup) -> str:
    """Return what is audited and the heading of the table."""
    scan = setup.geometry
    text = (
        f"profile {profile}: {scan.filter}, "
        f"{len(setup.conditions)} conditions, audited at {scan.size} x {scan.size} pixels"
    )
    titles = _row("check", "measured", "bound", "verdict")
    return "\n".join(
        [
            *map(_fill, [text, *setup.views.lines]),
            "",
            titles,
            _row(*("-" * width for width in _WIDTHS), "-------"),
        ]
    )


def row(check: Check) -> str:
    """Return the line of one check; a long name has a line of its own."""
    bound = f"{check.bound} {check.unit}".strip()
    rest = check.value, bound, "passed" if check.passed else "failed"
    if len(check.name) <= _WIDTHS[0]:
        return _row(check.name, *rest)
    return f"{textwrap.shorten(check.name, PAGE)}\n{_row('', *rest)}"


def foot(checks: Sequence[Check]) -> str:
    """Return what each failed check compares, and how many failed."""
    failed = [check for check in checks if not check.passed]
    lines = [_fill(f"{check.name}: {check.law}") for check in failed]
    last = f"{len(failed)} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed"
    return "\n".join(["", *lines, last])


def _fill(text: str) -> str:
    return textwrap.fill(text, PAGE, subsequent_indent="  ")


def _row(*cells: str) -> str:
    first, *numbers, verdict = cells
    texts = [f"{first:<{_WIDTHS[0]}}", f"{numbers[0]:>{_WIDTHS[1]}}", f"{numbers[1]:<{_WIDTHS[2]}}", verdict]
    return "  ".join(texts).rstrip()
