"""The table as CSV in long form: one row for each cell (model, condition, seed, fold) and metric, unrounded."""

from __future__ import annotations

import csv
import io
from dataclasses import fields

from bench.report.values import Score, Table


def render(table: Table) -> str:
    """Return the scores of ``table`` as CSV; an empty field means there is no value."""
    buffer = io.StringIO()
    columns = [field.name for field in fields(Score)]
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["profile", *columns])
    for score in table.scores:
        writer.writerow([table.profile, *(_text(getattr(score, name)) for name in columns)])
    return buffer.getvalue()


def _text(value: str | int | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "@") else text
