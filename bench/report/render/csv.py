"""The scores as CSV, unrounded: one row for each cell and metric, and one for each slice."""

from __future__ import annotations

from dataclasses import astuple, fields

from bench.csvtext import to_csv
from bench.report.format import one_line
from bench.report.values import Score, Table


def render(table: Table) -> str:
    """Return the scores of each cell (model, condition, seed, fold) and metric; an empty field: no value."""
    columns = ("profile", *(field.name for field in fields(Score)))
    return to_csv([columns, *(map(_text, (table.profile, *astuple(score))) for score in table.scores)])


def slices(table: Table) -> str:
    """Return the scores of every slice, a column for each metric; an empty field: not scored by it."""
    return to_csv([table.slices.columns, *map(_line, table.slices.rows)])


def _line(row: tuple[str | int | float | None, ...]) -> list[str | int | float | None]:
    return [
        _text(value) if isinstance(value, str) else value for value in row
    ]  # numbers: as ``repr`` says them


def _text(value: str | int | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    text = "" if value is None else one_line(str(value))  # one line, as in every other format
    return f"'{text}" if text[:1] in ("=", "+", "@") else text
