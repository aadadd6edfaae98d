"""Tables as CSV text that reads back to the very same values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return ``rows`` as CSV with a line feed after each, also after the last.

    A value that holds a comma, a quote, a line feed or a carriage return stands in quotes. Written with the
    line end that is wanted, Python 3.11 leaves a carriage return bare, and a reader takes it for a line end.
    """
    return "".join(f"{_line(row)}\n" for row in rows)


def _line(row: Iterable[object]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerow(row)
    return buffer.getvalue().removesuffix("\r\n")
