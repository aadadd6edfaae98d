from __future__ import annotations

import pickle

import pytest

from bench.errors import BenchError, BenchErrors


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "bad"),
        ({"file": "a.yaml"}, "a.yaml: bad"),
        ({"file": "a.yaml", "line": 3, "key": "x.y", "remedy": "fix it"}, "a.yaml:3: x.y: bad; fix it"),
        ({"key": "x"}, "x: bad"),
        ({"remedy": "fix\nit"}, "bad; fix it"),
    ],
)
def test_text_leaves_absent_parts_out_and_stays_on_one_line(parts: dict[str, object], text: str) -> None:
    assert str(BenchError("bad", **parts)) == text  # type: ignore[arg-type]


def test_error_survives_the_pipe_of_a_worker() -> None:
    error = BenchError("bad", file="f", line=2, key="k", remedy="r")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is BenchError
    assert (copy.message, copy.file, copy.line, copy.key, copy.remedy) == ("bad", "f", 2, "k", "r")


def test_several_errors_are_one_line_each_also_after_pickling() -> None:
    errors = BenchErrors([BenchError("one", file="f"), BenchError("two\nlines")])
    assert str(pickle.loads(pickle.dumps(errors))) == str(errors) == "f: one\ntwo lines"
