"""When a training is given up, on histories written by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bench.config.schema import Guard
from bench.training.divergence import Divergence, diverged


def history(psnr: Sequence[float], inputs: float = 33.0, loss: float = 0.1) -> list[dict[str, float]]:
    return [
        {"epoch": float(i), "loss": loss, "psnr": value, "psnr_input": inputs}
        for i, value in enumerate(psnr, 1)
    ]


def first(psnr: Sequence[float], guard: Guard, inputs: float = 33.0) -> int | None:
    """Return the epoch at which a training with these checks is given up."""
    checks = history(psnr, inputs)
    found = (diverged(checks[:count], guard) for count in range(1, len(checks) + 1))
    return next((one.epoch for one in found if one is not None), None)


def test_no_history_is_no_verdict() -> None:
    assert diverged([], Guard()) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_a_training_at_once(loss: float) -> None:
    found = diverged(history([35.0], loss=loss), Guard(above=99))
    assert found == Divergence(1, f"loss is {loss} at epoch 1")


@pytest.mark.parametrize("psnr", [math.nan, -math.inf])
def test_a_psnr_that_is_no_number_ends_a_training_at_once(psnr: float) -> None:
    found = diverged(history([35.0, psnr]), Guard(above=99))
    assert found is not None
    assert found.epoch == 2
    assert "validation PSNR is" in found.message


def test_a_perfect_image_is_sound() -> None:
    assert diverged(history([math.inf]), Guard(above=1)) is None


def test_the_fall_from_41_to_32_db() -> None:
    """The published table's authors: two good epochs, then 32 dB, and the training went on for days."""
    checks = [40.2, 41.0, 32.0, 31.9, 32.1]
    assert first(checks, Guard(above=2)) == 3
    assert first(checks, Guard(above=3)) is None  # only two checks were ever above
    found = diverged(history(checks[:3]), Guard(above=2))
    assert found is not None
    assert found.message == (
        "validation PSNR fell to 32.00 dB at epoch 3, below the untreated input (33.00 dB), after 2 checks above it"
    )


@pytest.mark.parametrize(
    ("psnr", "epoch"),
    [
        ([30.0, 31.0, 29.0, 32.0, 30.0, 31.0, 28.0], None),  # flutters, never above
        ([30.0, 34.0, 32.0, 34.0, 32.0, 34.0, 32.0, 31.0], 7),  # the third check above, not in a row, counts
        ([34.0, 35.0, 36.0, 33.0], None),  # equal is not below
        ([34.0, 35.0, 36.0, 32.999], 4),
        ([33.0, 33.0, 33.0, 32.0], None),  # equal is not above
        ([34.0, 35.0, 36.0, 37.0], None),
        ([20.0, 25.0, 34.0, 35.0, 36.0, 20.0], 6),
    ],
)
def test_a_fall_counts_after_three_checks_above_the_input(psnr: list[float], epoch: int | None) -> None:
    assert first(psnr, Guard(above=3)) == epoch


@pytest.mark.parametrize(("last", "epoch"), [(32.6, None), (32.5, None), (32.4, 4)])
def test_the_margin_is_a_fall_that_is_forgiven(last: float, epoch: int | None) -> None:
    assert first([34.0, 34.0, 34.0, last], Guard(above=3, margin_db=0.5)) == epoch


def test_each_check_is_held_against_its_own_input() -> None:
    checks = [
        *history([34.0] * 3, inputs=33.0),
        {"epoch": 4.0, "loss": 0.1, "psnr": 34.0, "psnr_input": 35.0},
    ]
    found = diverged(checks, Guard(above=3))
    assert found is not None
    assert "(35.00 dB)" in found.message
