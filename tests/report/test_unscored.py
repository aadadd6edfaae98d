"""Scores that are no finite number are named and in no mean; the means left are worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bench import report
from bench.report import table
from bench.report.values import Table

PSNR = "psnr.slice_max"


def build(bench: Any) -> Table:
    run = bench.save()
    plan = run.read_plan()
    return table.build(plan, run.read_all(plan))


def grid(made: Table, name: str) -> Any:
    return next(grid for grid in (*made.grids, *made.provenance) if grid.name == name)


def rows(made: Table, name: str) -> list[list[str]]:
    return [
        [" / ".join(f"*{part.text}*" if part.best else part.text for part in entry.parts) for entry in row]
        for row in grid(made, name).rows
    ]


@pytest.fixture(name="scores")
def _scores(scores: Any) -> Any:
    """The maker of rows of scores whose RMSE is 10 HU, whatever the PSNR."""
    return lambda psnr: [{**row, "rmse.hu": 10.0} for row in scores(psnr)]


@pytest.fixture
def copied(bench: Any, scores: Any) -> Any:
    """Slice p1/b was copied by mistake: its degraded image equals the reference, the input's PSNR is infinite."""
    bench.conditions = {"sv60": "60 views"}
    bench.add("input", "sv60", scores([20.0, math.inf, 22.0, 24.0]))
    bench.add("unet", "sv60", scores([30.0, 60.0, 32.0, 34.0]))
    bench.add("ddnet", "sv60", scores([31.0, 20.0, 33.0, 32.0]))
    return bench


def test_a_pair_without_a_difference_is_left_out_for_the_row(copied: Any) -> None:
    made = build(copied)
    # over a, c, d: input 66 / 3, UNet 96 / 3, DD-Net 96 / 3; slice b alone would have decided for UNet
    assert rows(made, "scores")[0][1:] == ["22.00 / .9000", "*32.00* / *.9000*", "*32.00* / *.9000*"]
    assert rows(made, "gain")[0][1:] == ["+10.00 / +.0000", "+10.00 / +.0000"]
    assert rows(made, "spread")[0][2] == "21.50 ± 2.12"  # p1: 20 alone, p2: 23
    note = "PSNR over 3 of 4 slices: the untreated input's is not finite at p1/b"
    assert grid(made, "scores").rows[0][0].marks == (1,)
    assert grid(made, "scores").footnotes == (note,)
    assert made.notices == (f"60 views: {note}. These slices are in no mean, gain or claim of the row.",)
    assert rows(made, "unscored") == [["60 views", "Input (untreated)", "1", "PSNR", "p1/b", "inf"]]
    kept = {(s.model, s.mean, s.slices, s.gain) for s in made.scores if s.metric == PSNR}
    assert kept == {("input", 22.0, 3, None), ("unet", 32.0, 3, 10.0), ("ddnet", 32.0, 3, 10.0)}


def test_no_text_of_the_report_holds_an_infinite_mean(copied: Any, tmp_path: Any) -> None:
    for path in report.publish(copied.save(), tmp_path).paths[:4]:
        text = path.read_text(encoding="utf-8")
        assert "-inf" not in text
        assert text.count("inf") <= text.count("infinite") + (
            path.suffix in (".md", ".html")
        )  # the list's value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_networks_own_strange_score_is_named_and_it_cannot_win(
    bench: Any, scores: Any, value: float
) -> None:
    bench.models["dncnn"] = "DnCNN"
    bench.conditions = {"sv60": "60 views"}
    bench.add("input", "sv60", scores([20.0, 10.0, 22.0, 24.0]))
    bench.add("unet", "sv60", scores([30.0, value, 32.0, 34.0]))
    bench.add("ddnet", "sv60", scores([31.0, 20.0, 33.0, 32.0]))
    bench.add("dncnn", "sv60", scores([29.0, 20.0, 31.0, 30.0]))
    made = build(bench)
    # UNet 96 / 3; its gain is over the same three slices: 32 - 66 / 3. DD-Net 116 / 4 - 76 / 4
    found = rows(made, "scores")[0]
    assert found[1:4] == ["19.00 / .9000", "32.00 / *.9000*", "*29.00* / *.9000*"]
    assert rows(made, "gain")[0][1:3] == ["+10.00 / +.0000", "+10.00 / +.0000"]
    note = "PSNR over 3 of 4 slices: not finite at p1/b; takes no part in choosing the winner"
    assert grid(made, "scores").rows[0][2].marks == (1,)
    assert grid(made, "scores").footnotes == (note,)
    assert made.notices == (f"60 views, UNet: {note}.",)
    assert rows(made, "lead")[0][2] == "DD-Net - DnCNN"
    assert rows(made, "unscored")[0][4:] == ["p1/b", str(value)]


def test_nothing_finite_is_said_so(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("input", "sv60", scores(20.0))
    bench.add("unet", "sv60", scores(math.nan))
    bench.add("ddnet", "sv60", scores(30.0))
    made = build(bench)
    assert rows(made, "scores")[0][2:] == ["no finite score / *.9000*", "30.00 / *.9000*"]
    assert rows(made, "gain")[0][1] == "no finite score / +.0000"
    assert rows(made, "spread")[1][2] == "no finite score"
    assert "p1/a, p1/b, p2/c and 1 more" in made.notices[0]
    assert len(rows(made, "unscored")) == 4


def test_strange_scores_of_one_seed_are_named_with_it(bench: Any, scores: Any) -> None:
    bench.conditions, bench.seeds = {"sv60": "60 views"}, [1, 2]
    for seed in (1, 2):
        bench.add("unet", "sv60", scores([30.0, math.inf if seed == 2 else 30.0, 31.0, 31.0]), seed=seed)
    assert rows(build(bench), "unscored") == [["60 views", "UNet", "2", "PSNR", "p1/b", "inf"]]


def test_no_list_where_all_is_finite(filled: Any) -> None:
    assert "unscored" not in [grid.name for grid in build(filled()).provenance]
