"""A time turned into slices, by hand."""

from __future__ import annotations

import pytest

from bench import words
from bench.plan.budget import slices_within
from bench.plan.forecast import forecast
from tests.plan.test_forecast import cells, speed


def test_what_is_fixed_comes_off_and_the_rest_is_shared_by_slices() -> None:
    # four cells, two at once; fixed: a start of 5 s, checks 4 x 18 s, scoring 4 x 25 + 20 s of the input, tracing
    # 2 x 8 s: (72 + 120 + 16) / 2 = 104 s. Of 1000 s are left 891 s on two workers, and a slice of each of the four
    # cells takes 1/2 s: 891 x 2 / (4 / 2) = 891 slices
    plan = cells("input", "unet", "unet", "unet", "unet")
    assert slices_within(1000, plan, {"unet": speed()}) == 891


def test_all_networks_see_as_many_slices_however_slow_one_is() -> None:
    # one at a time: 5 s of start, 2 x (18 + 25 + 8) s, and a slice takes 1/2 + 2 s: (1000 - 107) / 2.5 = 357.2
    speeds = {"unet": speed(at_once=1), "slow": speed(at_once=1, slices_per_s=0.5)}
    assert slices_within(1000, cells("unet", "slow"), speeds) == 357
    # two at once: the slow one alone needs 5 + 18 + 25 + 8 s and 2 s for a slice: (1000 - 56) / 2
    assert slices_within(1000, cells("unet", "slow"), speeds, workers=2) == 472


def test_a_time_that_the_rest_takes_leaves_no_slice() -> None:
    assert slices_within(99, cells("unet", "unet"), {"unet": speed(at_once=1)}) == 0


def test_a_network_without_a_speed_is_an_error() -> None:
    with pytest.raises(ValueError, match="not measured"):
        slices_within(100, cells("unet", "slow"), {"unet": speed()})


def test_the_forecast_of_the_slices_is_the_time() -> None:
    updates, plan = 250, cells("unet", "unet", "unet", updates_per_epoch=250)
    whole = forecast(plan, {"unet": speed()})
    assert whole is not None
    assert slices_within(whole.total, plan, {"unet": speed()}) == updates * 3 * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10h", ("10 h", 36000)),
        ("90m", ("90 min", 5400)),
        ("90 min", ("90 min", 5400)),
        ("1.5d", ("1.5 d", 129600)),
    ],
)
def test_a_time_is_read_in_minutes_hours_or_days(text: str, expected: tuple[str, float]) -> None:
    assert words.span(text) == expected


@pytest.mark.parametrize("text", ["", "10", "h", "0h", "-1h", "10hours", "1h30m", "inf h", "1e3h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 10h, 90m or 2d"):
        words.span(text)
