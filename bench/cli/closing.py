"""How a command that writes tables ends: the scores in the terminal, and the page as a link."""

from __future__ import annotations

import shutil
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from bench.cli.console import say

Rows = Sequence[Sequence[str]]


def show(scores: Rows, page: str | Path, open_page: bool = False) -> None:
    """Print the score table and where the page lies; open it in the browser where asked."""
    say("")
    for line in table(scores, shutil.get_terminal_size().columns):
        say(line)
    say("")
    uri = Path(page).absolute().as_uri()
    say(f"page: {linked(str(page), uri) if sys.stdout.isatty() else page}")
    if open_page:
        webbrowser.open(uri)


def table(scores: Rows, width: int) -> list[str]:
    """Return the lines of the table, turned where it is too wide, and with a line for each number where both are."""
    turned = [list(column) for column in zip(*scores, strict=True)]
    pairs = [
        (row[0], name, score)
        for row in scores[1:]
        for name, score in zip(scores[0][1:], row[1:], strict=True)
    ]
    options = (scores, turned, [(scores[0][0], "Network", "PSNR (dB) / SSIM"), *pairs])
    texts = [tabulate(rows[1:], rows[0], "simple", disable_numparse=True).splitlines() for rows in options]
    chosen = next((lines for lines in texts if max(map(len, lines)) <= width), texts[-1])
    return [*chosen, "PSNR in dB / SSIM, means over the test slices; * the best of its condition"]


def linked(text: str, uri: str) -> str:
    """Return ``text`` as a link of a terminal (OSC 8); one that knows none shows the text."""
    return f"\033]8;;{uri}\033\\{text}\033]8;;\033\\"
