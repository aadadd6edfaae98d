"""Small images through a window, coloured differences and training curves, against values done by hand."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from bench.report.figures import curves, viewer
from bench.report.render import png
from bench.report.values import Window


def test_image_window_and_difference_colours() -> None:
    lung = viewer.WINDOWS[0]
    ramp = np.array([[-2000.0, -1350.0, -600.0, 150.0, 3000.0]], np.float32)
    assert np.asarray(decode(png.slice_png(ramp, lung)))[0].tolist() == [0, 0, 128, 255, 255]
    colours = np.asarray(
        decode(png.difference_png(ramp * 0 + [[-300, 0, 300, 0, 0]], ramp * 0, 300.0)).convert("RGB")
    )
    low, zero, high = colours[0, :3].tolist()
    assert max(zero) <= 4
    assert low[2] == 255 and low[2] > low[0] and high[0] == 255 and high[0] > high[2]


def test_a_preview_is_averaged_not_sampled() -> None:
    checks = np.indices((64, 48)).sum(0) % 2 * 100.0  # mean 50 in every 2 x 2
    small = np.asarray(decode(png.slice_png(checks, Window("w", "w", 50, 100), side=32)))
    assert small.shape == (32, 24)
    assert set(small.ravel().tolist()) == {130}  # 32 of 63 steps of grey
    zero = np.asarray(decode(png.difference_png(checks, checks * 0 + 50, 100.0, side=32)).convert("RGB"))
    assert zero.max() <= 4


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_curve_holds_its_points_and_the_input_level() -> None:
    curve = curves.Curve((1, 2, 3), (20.0, 25.0, 22.0), 1, stopped=True)
    svg = curves.curves_svg("a", [curve], 21.0)
    line = re.search(r'<path d="([^"]*)"[^>]*stroke: var\(--series-2\)', svg)
    assert line is not None
    points = [tuple(map(float, xy.split())) for xy in re.findall(r"[ML] ([\d.]+ [\d.]+)", line.group(1))]
    heights = [y for _, y in points]
    assert len(points) == 3 and heights[1] < heights[2] < heights[0]  # SVG counts downwards
    dashed = re.search(r'<path d="M [\d.]+ ([\d.]+)[^"]*"[^>]*stroke-dasharray', svg)
    assert dashed is not None
    share = (heights[0] - float(dashed.group(1))) / (heights[0] - heights[1])
    assert share == pytest.approx((21 - 20) / (25 - 20), abs=1e-3)
    assert "http" not in svg and "#010203" not in svg
