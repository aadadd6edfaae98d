"""The forecast by hand, and what is said to limit a network."""

from __future__ import annotations

from typing import Any

import pytest

from bench.plan.cells import PlannedCell
from bench.plan.forecast import NetworkSpeed, forecast, mean
from tests import records_factory


def speed(**changes: Any) -> NetworkSpeed:
    """A network that trains 2 slices a second and takes a second or more for everything else."""
    values: dict[str, Any] = {
        "date": "2026-11-26T08:00:00+00:00", "device": "a CPU", "at_once": 2, "streamed": False, "start_s": 5.0,
        "trace_s": 7.0, "updates_per_s": 0.5, "slices_per_s": 2.0, "compile_s": 1.0, "inference_s": 0.5, "check_s": 1.0,
        "score_s": 2.5, "flop_per_slice": 1e9, "bytes_per_slice": 1e8, "flops": 1e10,
    }  # fmt: skip
    return NetworkSpeed(**values | changes)


def cells(*models: str, **training: Any) -> list[PlannedCell]:
    """Cells on 6 validation and 10 test slices; a training sees 3 x 4 x 4 = 48 slices and has 3 checks."""
    sliced = {"slices": {"train": 20, "validation": 6, "test": 10}}
    trained = records_factory.training(**training)
    return [
        records_factory.planned(
            records_factory.cell(m, f"c{i}", None if m == "input" else trained, data=sliced)
        )
        for i, m in enumerate(models)
    ]


def test_the_forecast_is_the_sum_that_the_docstring_promises() -> None:
    # a cell: 48 / 2 = 24 s of training, 3 x 6 x 1 = 18 s of checks, 10 x 2.5 = 25 s of scoring; the input
    # 10 x (2.5 - 0.5) = 20 s; traced by each of two workers, 2 x (7 + 1) = 16 s; a start of 5 s
    plan = cells("input", "unet", "unet", "unet", "unet")
    of_all = forecast(plan, {"unet": speed()})
    assert of_all is not None
    assert (of_all.training, of_all.checks, of_all.scoring) == (96, 72, 120)
    assert of_all.start_up == 16 + 2 * 5
    assert of_all.total == 5 + (96 + 72 + 120 + 16) / 2
    assert of_all.limit == "scoring, 38% of the time"


def test_a_run_takes_no_less_than_its_longest_cell_and_traces_no_more_than_it_has_cells() -> None:
    many = {"unet": speed(at_once=8), "slow": speed(at_once=8, slices_per_s=0.1)}
    of_all = forecast(cells("unet", "slow"), many)
    assert of_all is not None
    assert of_all.at_once == 2
    assert of_all.start_up == 2 * (7 + 1) + 2 * 5
    assert of_all.total == pytest.approx(5 + 480 + 18 + 25 + 8)


def test_crops_count_by_their_area() -> None:
    whole = forecast(cells("unet"), {"unet": speed()})
    crops = forecast(cells("unet", patch=8), {"unet": speed()})
    size = cells("unet")[0].size
    assert whole is not None and crops is not None
    assert crops.training == whole.training * (8 / size) ** 2


def test_no_forecast_without_every_network_or_without_any() -> None:
    assert forecast(cells("unet", "dncnn"), {"unet": speed()}) is None
    assert forecast(cells("input"), {"unet": speed()}) is None


@pytest.mark.parametrize(
    ("changes", "ratio", "words"),
    [
        (
            {},
            0.2,
            "small operations or memory (estimated: arithmetic at the device's best explains 20% of the time)",
        ),
        ({"flops": 2.5e9}, 0.8, "arithmetic (arithmetic at the device's best explains 80% of the time)"),
        ({"bytes_per_s": 1e9}, 0.2, "small operations (estimated: "),
        ({"bytes_per_s": 3e8}, 2 / 3, "memory (memory at the device's best explains 67% of the time)"),
    ],
)
def test_ratio_and_limit(changes: dict[str, float], ratio: float, words: str) -> None:
    assert speed(**changes).ratio == pytest.approx(ratio)
    assert speed(**changes).limit.startswith(words)


def test_processes_that_ran_at_once_are_averaged() -> None:
    both = mean([speed(slices_per_s=1.0, start_s=2.0), speed(slices_per_s=4.0, start_s=3.0)])
    assert (both.slices_per_s, both.start_s, both.at_once) == (2.5, 2.5, 2)
