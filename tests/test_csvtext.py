"""CSV text against Python's own reader."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.csvtext import read, to_csv
from bench.errors import BenchError


@given(rows=st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2), max_size=4))
def test_every_text_reads_back(rows: list[list[str]]) -> None:
    assert list(csv.reader(io.StringIO(to_csv(rows), newline=""), strict=True)) == rows


@pytest.mark.parametrize("value", ["\r", "a\rb", "\n", "\r\n", ",", '"', '\r"\n,'])
def test_a_line_end_within_a_value_ends_no_line(value: str) -> None:
    text = to_csv([["name", "x"], [value, 1]])
    assert text.startswith("name,x\n")
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [["name", "x"], [value, "1"]]


def test_a_file_is_read_with_the_numbers_of_its_lines(tmp_path: Path) -> None:
    """A byte order mark, blanks around the names, lines without content, and a value over two lines."""
    file = tmp_path / "a.csv"
    file.write_bytes('\ufefffile, patient\r\na.npy,"Müller,\nK."\r\n,\r\n\r\n b ,X\r\n'.encode())
    table = read(file)
    assert table.columns == ("file", "patient")
    assert [(line.number, line.values) for line in table.lines] == [
        (3, {"file": "a.npy", "patient": "Müller,\nK."}),
        (6, {"file": " b ", "patient": "X"}),
    ]
    with pytest.raises(BenchError, match=r"a\.csv:1: has no column slice; name it"):
        table.require(("file", "slice"), "name it")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n3\n", r"a\.csv:3: has 1 fields, the first line 2; put a name with a comma in quotes"),
        (b"a,b\n1,2,3\n", r"a\.csv:2: has 3 fields"),
        (b"a,b\n1,\xff\n", r"a\.csv: is not UTF-8; save it as CSV in UTF-8"),
        (b'a,b\n1,"2\n', r"a\.csv: cannot be read \(unexpected end of data\); see to it"),
    ],
)
def test_what_is_no_table_is_named_by_file_and_line(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BenchError, match=words):
        [line.values for line in read(tmp_path / "a.csv", "see to it").lines]
