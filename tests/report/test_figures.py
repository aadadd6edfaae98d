"""Small images through a window, coloured differences and training curves, against values done by hand."""

from __future__ import annotations

import base64
import io
import math
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.report.board import scoreboard
from bench.report.figures import cost, curves, dose, patients, viewer
from bench.report.render import plot, png, svg
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


def test_curve_starts_at_the_input_holds_its_points_and_marks_the_chosen_epoch() -> None:
    curve = curves.Curve((1, 2, 3), (20.0, 25.0, 22.0), 1, best=2, level=19.0)
    svg = curves.curves_svg([curve], 21.0)
    (line,) = paths(svg, "stroke: var(--series-2); stroke-width: 1.8")
    assert "stroke-dasharray: 6 3" in svg  # the second series has a dash as well as a colour
    (level,) = paths(svg, "stroke-dasharray: 1.5 3")
    heights = [y for _, y in line]
    assert len(line) == 4 and heights[2] < heights[3] < heights[1] < heights[0]  # SVG counts downwards
    share = (heights[0] - level[0][1]) / (heights[0] - heights[2])
    assert share == pytest.approx((21 - 19) / (25 - 19), abs=1e-2)
    (ring,) = paths(svg, "stroke: var(--series-2); stroke-width: 1.7")
    assert ring[0] == pytest.approx((line[2][0] + 4.0, line[2][1]), abs=0.02)  # to the right of its middle
    assert "http" not in svg


def test_a_curve_that_was_given_up_ends_in_a_cross_and_breaks_where_it_is_not_finite() -> None:
    curve = curves.Curve((1, 2, 3), (20.0, float("nan"), 22.0), 0, ended="UNet diverged")
    svg = curves.curves_svg([curve], None)
    assert re.search(r'd="M [\d.]+ [\d.]+ M [\d.]+ [\d.]+"', svg)  # no line through the gap
    (cross,) = paths(svg, "stroke: var(--series-1); stroke-width: 1.7")
    assert len(cross) == 4 and "nan" not in svg


def paths(svg: str, style: str) -> list[list[tuple[float, float]]]:
    """Return the points of each path whose style holds ``style``."""
    found = re.findall(r'<path d="([^"]*)" style="([^"]*)"/>', svg)
    return [
        [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", data)]
        for data, its in found
        if style in its
    ]


def test_axes_have_round_ticks_around_their_values() -> None:
    axis = plot.linear([27.1, 33.9], "PSNR")
    assert [text for _, text in axis.ticks] == ["28", "30", "32", "34"]
    assert axis.low < 27.1 < 33.9 < axis.high and axis.share((axis.low + axis.high) / 2) == 0.5
    assert plot.linear([5.0, 5.0], "flat", span=0.5).share(5.0) > 0.5
    log = plot.logarithmic([70_000, 200_000], "photons")
    assert log.share(math.sqrt(70_000 * 200_000)) == pytest.approx(0.5)
    assert [text for _, text in log.ticks] == ["100,000", "200,000"]


def test_names_that_would_overlap_are_moved_apart_and_keep_their_order() -> None:
    assert cost.apart([1.0, 50.0], 10.0) == [1.0, 50.0]
    moved = cost.apart([20.0, 19.0, 21.0], 10.0)
    assert sorted(range(3), key=lambda at: moved[at]) == [1, 0, 2]
    assert sorted(moved)[1] - sorted(moved)[0] >= 10.0 and sum(moved) == pytest.approx(60.0)


def test_every_series_has_a_colour_a_dash_and_a_marker_of_its_own() -> None:
    for kinds in (plot.DASHES, plot.MARKERS, svg.PALETTE):
        assert len(kinds) == len(set(kinds)) == 8


def test_gain_of_each_patient_by_hand(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("input", "sv60", scores([20.0, 22.0, 30.0, 30.0]))  # means of p1 and p2: 21, 30
    bench.add("unet", "sv60", scores([25.0, 25.0, 31.0, 32.0]))  # 25, 31.5
    bench.add("ddnet", "sv60", scores([24.0, 24.0, 33.0, 33.0]))  # 24, 33
    store = bench.save()
    board = scoreboard(store.read_plan(), store.read_all(store.read_plan()))
    assert patients._gains(board, board.rows[0]) == {
        "unet": {"p1": 4.0, "p2": 1.5},
        "ddnet": {"p1": 3.0, "p2": 3.0},
    }
    assert patients.figure(board) is not None
    gains, rows = cost._gains(board)
    assert gains == {"unet": 2.75, "ddnet": 3.0} and rows == [0]


def test_dose_is_drawn_where_conditions_differ_in_it_alone(bench: Any, scores: Any) -> None:
    bench.conditions = {"low": "low", "high": "high", "sv60": "60 views"}
    for condition, photons in (("low", 1e4), ("high", 1e5), ("sv60", 0.0)):
        bench.photons = photons
        for model, psnr in (("input", 20.0), ("unet", 30.0)):
            bench.add(model, condition, scores(psnr))
    store = bench.save()
    (series,) = dose._series(scoreboard(store.read_plan(), store.read_all(store.read_plan())))
    assert series.axis == "Photons per ray" and [at for at, _ in series.points] == [1e4, 1e5]
    assert series.points[0][1] == {"input": 20.0, "unet": 30.0}
