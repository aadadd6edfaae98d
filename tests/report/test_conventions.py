"""The report's conventions and ``bench translate``: scores written by hand, every printed number with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log10
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli.translate import translate
from bench.errors import BenchError
from bench.metrics import CONVENTIONS, definitions
from bench.report import table, translation
from bench.report.values import Grid, Table
from tests.report.conftest import SLICES

SOFT = "psnr.window_soft"
HERE = definitions(["psnr.slice_max", "ssim.slice_max", "ssim.column", "rmse.hu", SOFT])


def rows(
    peaks: list[float], rmse: list[float], soft: float, slices: Sequence[tuple[str, str]] = SLICES
) -> list[dict[str, Any]]:
    """Return scores of slices whose references have these maxima in HU above air, with these errors."""
    return [
        {
            "patient": patient, "slice": name, "psnr.slice_max": 20 * log10(peak / error), "ssim.slice_max": 0.9,
            "ssim.column": 0.9, "rmse.hu": error, SOFT: soft,
        }
        for (patient, name), peak, error in zip(slices, peaks, rmse, strict=True)
    ]  # fmt: skip


PEAKS = [2000.0, 1000.0, 2000.0, 4000.0]  # of patients p1, p1, p2, p2


@pytest.fixture
def run(bench: Any) -> Any:
    """UNet leads by the mean of slices, DD-Net within the soft-tissue window and by the pooled error."""
    bench.conditions = {"sv60": "60 views"}
    for model, rmse, soft in (
        ("input", [100.0, 100.0, 100.0, 100.0], 20.0),
        ("unet", [10.0, 90.0, 10.0, 10.0], 25.0),
        ("ddnet", [40.0, 40.0, 14.0, 14.0], 26.0),
    ):
        bench.add(model, "sv60", rows(PEAKS, rmse, soft), metrics=HERE)
    return bench


def built(bench: Any) -> Table:
    store = bench.save()
    plan = store.read_plan()
    return table.build(plan, store.read_all(plan))


def grid(made: Table, name: str) -> Grid:
    return next(one for one in made.grids if one.name == name)


def lines(found: Grid) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return what stands in the last column of each line by the convention, with its marks."""
    return {
        f"{row[0].parts[0].text} {row[1].parts[0].text}": (row[-1].parts[0].text, row[-1].marks)
        for row in found.rows
    }


def test_the_best_network_is_marked_where_the_convention_changes_it(run: Any) -> None:
    """By slices UNet: 20 log10 of 200, 11.1, 200, 400. Pooled DD-Net: 2000 / 40, 4000 / 14."""
    found = grid(built(run), "conventions")
    assert lines(found) == {
        "PSNR Maximum of the slice": ("UNet 41.25", ()),
        "PSNR Maximum of the volume": ("DD-Net 41.55", (1,)),
        "PSNR Soft-tissue window": ("DD-Net 26.00", (1,)),
        "SSIM 2-D, maximum of the slice": ("UNet, DD-Net .9000", ()),
        "SSIM Column vector": ("UNet, DD-Net .9000", ()),
    }
    assert found.footnotes == ("Another best network than by the convention of the tables above.",)
    assert "Lung window" in found.notes[1]
    assert "bench score --all" in found.notes[1]


def test_all_values_stand_in_a_folded_table(run: Any) -> None:
    found = grid(built(run), "by-convention")
    assert found.folded
    printed = {row[2].parts[0].text: [entry.parts[0].text for entry in row[3:]] for row in found.rows}
    assert printed["4096 HU"] == ["32.25", "47.48", "44.77"]  # 20 log10(4096 / rmse), mean over slices
    # p1: 2000 over the root of 4100 and over 40, p2: 4000 over 10 and over 14
    assert printed["Maximum of the volume"] == ["29.03", "40.97", "41.55"]
    # CT numbers: 1000, none, 1000, 3000; the second slice has nothing denser than water
    assert printed["Maximum of the slice in HU"] == ["23.18", "43.18", "37.22"]


def test_without_two_networks_nothing_is_best(bench: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    for model in ("input", "unet"):
        bench.add(model, "sv60", rows(PEAKS, [100.0] * 4, 20.0), metrics=HERE)
    bench.add("ddnet", "sv60", status=None)
    made = built(bench)
    assert "conventions" not in {one.name for one in made.grids}
    assert [entry.parts[0].text for entry in grid(made, "by-convention").rows[0][3:]] == [
        "26.02",
        "26.02",
        "–",  # noqa: RUF001
    ]


def test_means_over_seeds_follow_those_of_the_slices(bench: Any) -> None:
    bench.conditions, bench.seeds = {"sv60": "60 views"}, [1, 2]
    bench.add("input", "sv60", rows(PEAKS, [100.0] * 4, 20.0), metrics=HERE, seed=0)
    for model, errors in (("unet", (10.0, 40.96)), ("ddnet", (20.0, 20.0))):
        for seed, rmse in enumerate(errors, 1):
            bench.add(model, "sv60", rows(PEAKS, [rmse] * 4, 20.0), metrics=HERE, seed=seed)
    printed = {row[2].parts[0].text: row[4].parts[0].text for row in grid(built(bench), "by-convention").rows}
    assert printed["4096 HU"] == "46.12"  # of 52.25 and 40.00


def test_a_slice_that_is_in_no_mean_leaves_its_patient_without_a_volume(run: Any) -> None:
    """An infinite PSNR does not say what the maximum of its reference is."""
    equal = rows(PEAKS, [10.0, 10.0, 10.0, 10.0], 30.0)
    equal[3] |= {"psnr.slice_max": float("inf"), "rmse.hu": 0.0}
    run.models = {**run.models, "dncnn": "DnCNN"}
    run.add("dncnn", "sv60", equal, metrics=HERE)
    printed = {row[2].parts[0].text: row[-1].parts[0].text for row in grid(built(run), "by-convention").rows}
    assert printed["Maximum of the volume"] == "46.02"  # of p1 alone: 2000 over 10
    assert printed["4096 HU"] == "52.25"


# --- bench translate ---


@pytest.fixture
def ask(run: Any) -> Callable[..., str]:
    """A function that asks ``bench translate`` of the run made by hand."""
    root = run.save().root

    def call(*arguments: str) -> str:
        options = ["--runs", str(root.parent), "--profile", root.name]
        result = CliRunner().invoke(translate, [*arguments, *options])
        if isinstance(result.exception, BenchError):
            raise result.exception
        assert max(map(len, result.output.replace(str(root), "RUN").splitlines()), default=0) <= 80
        return " ".join(str(result.output).replace(str(root), "RUN").split())

    return call


def test_between_fixed_peaks_it_is_exact_and_needs_no_run() -> None:
    answer = CliRunner().invoke(
        translate, ["--psnr", "33.28", "--from", "fixed_4096", "--to", "psnr.attenuation"]
    )
    assert " ".join(answer.output.split()) == (
        "33.28 dB by psnr.fixed_4096 (4096 HU) is 33.29 dB by psnr.attenuation (0.082 per mm), exactly."
    )


def test_else_it_is_a_range_over_the_slices_of_a_run(ask: Callable[..., str]) -> None:
    """To 4096 HU the shift is 20 log10(4096 / peak): 6.23, 12.25, 6.23, 0.21 dB; by either network's mean 6.23."""
    assert ask("--psnr", "30", "--from", "slice_max", "--to", "fixed_4096") == (
        "30.00 dB by psnr.slice_max (Maximum of the slice) is 36.23 dB by psnr.fixed_4096 (4096 HU), by the mean of 2 "
        "cells, and 30.21 dB to 42.25 dB by single slices: the shift depends on the images. "
        "Taken from 8 scores of slices in RUN; other images and networks may lie outside."
    )
    assert "by the mean of 1 cell" in ask(
        "--psnr", "30", "--from", "slice_max", "--to", "volume_max", "--cell", "unet:sv60"
    )


def test_no_ssim_is_above_one(ask: Callable[..., str]) -> None:
    assert "is 1.0000 by" in ask("--ssim", "1", "--from", "column", "--to", "ssim.slice_max")


def test_what_would_explain_a_number_stands_first(ask: Callable[..., str]) -> None:
    told = ask("--psnr", "26.1", "--explain", "ddnet:sv60")
    assert told.index("psnr.window_soft Soft-tissue window 26.00 -0.10") < told.index("psnr.slice_max")
    assert "Not scored: psnr.range_2924" in told


def test_the_mean_of_a_cell_is_taken_in_the_order_of_each_convention(bench: Any) -> None:
    """By hand: slices of 40, 40, 40 and 52.04 dB have a mean of 43.01, their patients' volumes one of 46.02."""
    bench.conditions, bench.models = {"sv60": "60 views"}, {"unet": "UNet"}
    slices = [("p1", "a"), ("p1", "b"), ("p1", "c"), ("p2", "a")]
    scored = rows([1000.0, 1000.0, 1000.0, 4000.0], [10.0] * 4, 25.0, slices)
    bench.add("unet", "sv60", scored, metrics=HERE)
    one, other = (CONVENTIONS[f"psnr.{name}"] for name in ("slice_max", "volume_max"))
    found = translation.shifts(bench.save(), one, other)
    assert (found.mean_low, found.low, found.high) == pytest.approx((3.0103, 0.0, 0.0), abs=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [("--psnr", "nan"), ("--psnr", "inf"), ("--ssim", "9")],
)
def test_what_is_no_score_is_refused(ask: Callable[..., str], arguments: tuple[str, str]) -> None:
    with pytest.raises(BenchError, match=r"is no (PSNR|SSIM)"):
        ask(*arguments, "--from", "slice_max", "--to", "column")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--psnr", "30", "--from", "slice_max", "--to", "window_lung"),
            "RUN: no cell has scores of both psnr.slice_max and psnr.window_lung; run: bench score --all --profile ",
        ),
        (
            ("--psnr", "30", "--from", "slice_max", "--to", "windw_lung"),
            "'windw_lung' is no convention of PSNR; did you mean psnr.window_lung?",
        ),
        (
            ("--ssim", "0.9", "--from", "psnr.slice_max", "--to", "column"),
            "'psnr.slice_max' is no convention of SSIM;",
        ),
    ],
)
def test_it_says_in_one_line_what_is_missing(
    ask: Callable[..., str], run: Any, arguments: Any, message: str
) -> None:
    with pytest.raises(BenchError) as caught:
        ask(*arguments)
    assert str(caught.value).replace(str(run.root), "RUN").startswith(message)


def test_without_a_run_it_says_that_the_images_are_needed(tmp_path: Any) -> None:
    options = ["--psnr", "30", "--from", "slice_max", "--to", "window_soft", "--runs", str(tmp_path)]
    answer = CliRunner().invoke(translate, options)
    assert str(answer.exception) == (
        f"{tmp_path}/paper: from psnr.slice_max to psnr.window_soft the shift depends on the images, and there is no "
        "run to take it from; name one with --runs and --profile"
    )
