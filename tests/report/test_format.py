"""Printed numbers, case by case."""

from __future__ import annotations

import pytest

from bench.report import format as numbers


@pytest.mark.parametrize(
    ("number", "metric", "signed", "expected"),
    [
        (33.284, "psnr.slice_max", False, "33.28"), (0.88581, "ssim.slice_max", False, ".8858"),
        (1.0, "ssim.column", False, "1.0000"), (0.99999, "ssim.column", False, "1.0000"),
        (-0.05, "ssim.slice_max", True, "-.0500"), (0.05, "ssim.slice_max", True, "+.0500"),
        (-0.001, "psnr.slice_max", False, "0.00"), (-0.001, "psnr.slice_max", True, "+0.00"),
        (float("inf"), "psnr.slice_max", False, "inf"), (0.5, "psnr.slice_max", False, "0.50"),
    ],
)  # fmt: skip
def test_printed_scores(number: float, metric: str, signed: bool, expected: str) -> None:
    unit = {"unit": "dB"} if metric.startswith("psnr") else {"unit": ""}  # an older record has no decimals
    assert numbers.score(number, metric, unit, signed=signed) == expected


@pytest.mark.parametrize(
    ("metric", "definition", "name", "printed"),
    [
        ("rmse.hu", {"unit": "HU"}, "RMSE (HU)", "0.2"),  # an older record: as this program prints it
        ("rmse.hu", {"unit": "HU", "label": "error", "decimals": 3}, "error (HU)", "0.235"),
        ("vif", {"unit": ""}, "vif", ".235"),  # of another program
        ("vif", {"unit": "", "label": "VIF", "decimals": 1}, "VIF", ".2"),
    ],
)
def test_a_metric_is_printed_as_its_record_says(
    metric: str, definition: dict[str, str | int], name: str, printed: str
) -> None:
    assert numbers.metric_name(metric, definition) == name
    assert numbers.score(0.2348, metric, definition) == printed


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (4.21, "4.2 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert numbers.duration(seconds) == expected
