"""The table as CSV in long form: one row for each cell (model, condition, seed, fold) and metric, unrounded."""

from __future__ import annotations

from dataclasses import fields

from bench.csvtext import to_csv
from bench.report.values import Score, Table


def render(table: Table) -> str:
    """Return the scores of ``table`` as CSV; an empty field means there is no value."""
    columns = [field.name for field in fields(Score)]
    rows = [[table.profile, *(_text(getattr(score, name)) for name in columns)] for score in table.scores]
    return to_csv([["profile", *columns], *rows])


def _text(value: str | int | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "@") else text
