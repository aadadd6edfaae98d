"""Learning rates by hand, and to the last bit those of training version 1."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest

from bench.config.schema import Decay, Halving, Steps
from bench.training.schedule import schedule

DECAY = Decay.model_validate({"from": 1e-4, "to": 1e-5})
HALVING = Halving(start=1e-3, halve_every=10)
STEPS = Steps(rates=[1e-3, 1e-4], epochs=[30, 20])


def rates(rate: Any, epochs: int, updates: int, steps: list[int]) -> list[float]:
    at = schedule(rate, epochs, updates)
    return [float(at(keras.ops.convert_to_tensor(step, "int32"))) for step in steps]


@pytest.mark.parametrize("updates", [100, 5000, 80_000])  # the same curve over any budget
@pytest.mark.parametrize(
    ("rate", "epochs", "start", "middle", "end"),
    [
        (2e-4, 7, 2e-4, 2e-4, 2e-4),
        (DECAY, 40, 1e-4, 1e-4 / math.sqrt(10), 1e-5),
        (HALVING, 50, 1e-3, 1e-3 / 2**2.5, 1e-3 / 32),
        (STEPS, 50, 1e-3, 1e-3, 1e-4),
    ],
)
def test_rates_at_start_middle_and_end(
    rate: Any, epochs: int, start: float, middle: float, end: float, updates: int
) -> None:
    found = rates(rate, epochs, updates, [0, updates // 2, updates])
    assert found == pytest.approx([start, middle, end], rel=1e-5)


@pytest.mark.parametrize("updates", [50, 700, 1050, 12_350, 99_950])
def test_steps_change_exactly_at_their_epoch(updates: int) -> None:
    """Whole epochs are exact although the step is a float32: at every epoch and the update before it."""
    length = updates // 50
    rate = Steps(rates=[10.0**-k for k in range(1, 50)], epochs=[1] * 48 + [2])
    starts = np.arange(1, 48) * length
    at = schedule(rate, 50, updates)
    found = np.asarray(at(np.concatenate([starts, starts - 1])))  # all steps at once
    assert found[:47] == pytest.approx([10.0**-k for k in range(2, 49)], rel=1e-6)
    assert found[47:] == pytest.approx([10.0**-k for k in range(1, 48)], rel=1e-6)


def test_three_steps_over_a_stretched_budget() -> None:
    rate = Steps(rates=[0.3, 0.2, 0.1], epochs=[1, 2, 1])
    found = rates(rate, 4, 8, list(range(8)))
    assert found == pytest.approx([0.3, 0.3, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1])


@pytest.mark.parametrize("updates", [12, 99_951, 132_840])
@pytest.mark.parametrize("rate", [2e-4, DECAY, HALVING, STEPS], ids=["constant", "decay", "halving", "steps"])
def test_equal_settings_give_equal_bits(rate: Any, updates: int) -> None:
    """The arithmetic of training version 1, written out: another last bit of a rate gives other weights."""
    steps = np.unique(np.linspace(0, updates, 5000).astype("int64"))
    progress = keras.ops.cast(steps, "float32") / float(updates)
    if isinstance(rate, Decay):
        expected = rate.from_ * keras.ops.power(rate.to / rate.from_, progress)
    elif isinstance(rate, Halving):
        expected = rate.start * keras.ops.power(2.0, -progress * 50 / rate.halve_every)
    elif isinstance(rate, Steps):
        epoch = keras.ops.cast(steps, "float32") * 50.0 / float(updates)
        expected = keras.ops.where(epoch < 30.0, rate.rates[0], rate.rates[1])
    else:
        expected = keras.ops.full_like(progress, rate)
    found = np.asarray(schedule(rate, 50, updates)(keras.ops.convert_to_tensor(steps)))
    assert found.dtype == np.float32
    assert np.array_equal(found, np.asarray(expected))


def test_an_epoch_is_counted_in_float32() -> None:
    """By hand: update 257,384 of 276,757 is 92.9999964 of 100 epochs, which float32 rounds to 93, the end of a rate."""
    rate = Steps(rates=[1e-3, 1e-4], epochs=[93, 7])
    assert rates(rate, 100, 276_757, [257_383, 257_384]) == pytest.approx([1e-3, 1e-4])


def test_one_step_is_a_constant() -> None:
    assert rates(Steps(rates=[1e-3], epochs=[5]), 5, 10, [0, 9]) == pytest.approx([1e-3, 1e-3])
