"""Numbers in words, case by case."""

from __future__ import annotations

import pytest

from bench.words import count, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.21, "4.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (7799, "2 h 10 min"),
        (90061, "25 h 01 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts() -> None:
    assert [count(number, "slice") for number in (0, 1, 2, 3554)] == [
        "0 slices",
        "1 slice",
        "2 slices",
        "3,554 slices",
    ]
