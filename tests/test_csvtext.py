"""CSV text against Python's own reader."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.csvtext import to_csv


@given(rows=st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2), max_size=4))
def test_every_text_reads_back(rows: list[list[str]]) -> None:
    assert list(csv.reader(io.StringIO(to_csv(rows), newline=""), strict=True)) == rows


@pytest.mark.parametrize("value", ["\r", "a\rb", "\n", "\r\n", ",", '"', '\r"\n,'])
def test_a_line_end_within_a_value_ends_no_line(value: str) -> None:
    text = to_csv([["name", "x"], [value, 1]])
    assert text.startswith("name,x\n")
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [["name", "x"], [value, "1"]]
