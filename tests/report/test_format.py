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
    unit = {"unit": "dB"} if metric.startswith("psnr") else {"unit": ""}
    assert format.score(number, metric, unit, signed=signed) == expected
