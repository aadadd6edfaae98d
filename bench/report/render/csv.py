"""The table as CSV in long form: one row for each cell (model, condition, seed, fold) and metric, unrounded."""

from __future__ import annotations

from dataclasses import fields

import pandas as pd

from bench.report.format import one_line
from bench.report.values import Score, Table


def render(table: Table) -> str:
    """Return the scores of ``table`` as CSV; an empty field means there is no value."""
    columns = [field.name for field in fields(Score)]
    frame = pd.DataFrame(table.scores, columns=columns, dtype=object)
    frame.insert(0, "profile", table.profile)
    return str(frame.map(_text).to_csv(index=False, lineterminator="\n"))


def _text(value: str | int | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    text = "" if value is None else one_line(str(value))  # one line, as in every other format
    return f"'{text}" if text[:1] in ("=", "+", "@") else text
