"""Printed numbers, case by case."""

from __future__ import annotations

import pytest

from bench.report import format


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
    assert format.score(number, metric, unit, signed=signed) == expected


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
    assert format.metric_name(metric, definition) == name
    assert format.score(0.2348, metric, definition) == printed
