"""What the table claims, and of what: these weights, or this method."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from scipy import stats

from bench.report import format, table
from bench.report.render import csv as csv_text
from bench.report.values import Table

GAINS = [0.5, 0.7, 0.4, 0.6, 0.55, 0.45]  # DD-Net minus UNet, patient by patient, dB
P = float(stats.ttest_1samp(GAINS[:4], 0).pvalue)  # 0.003: 0.55 +- 0.13 over four patients


def build(bench: Any) -> Table:
    run = bench.save()
    plan = run.read_plan()
    return table.build(plan, run.read_all(plan))


def lead(made: Table) -> list[list[str]]:
    grid = next(grid for grid in made.grids if grid.name == "lead")
    return [[" / ".join(part.text for part in entry.parts) for entry in row] for row in grid.rows]


def details(made: Table) -> list[str]:
    return [row[3].detail for row in next(grid for grid in made.grids if grid.name == "lead").rows]


def patients(scores: Any, count: int, base: float, more: list[float] | None = None) -> list[dict]:
    slices = [(f"p{i}", "a") for i in range(count)]
    return scores([base + i + (more[i] if more else 0.0) for i in range(count)], slices=slices)


def add(bench: Any, scores: Any, count: int, seed: int = 1, shift: float = 0.0, where: str = "sv60") -> None:
    bench.add("unet", where, patients(scores, count, 30.0), seed=seed)
    bench.add("ddnet", where, patients(scores, count, 30.0, [gain + shift for gain in GAINS]), seed=seed)


def test_four_patients_and_one_seed_are_a_claim_on_these_weights(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    add(bench, scores, 4)
    made = build(bench)
    assert f"{P:.3f}" == "0.003"
    psnr, ssim = lead(made)
    assert psnr == [
        "60 views", "PSNR", "DD-Net - UNet", "+0.55", "4 patients, 1 seed", "DD-Net, p = 0.003",
        "no claim: 1 seed, fewer than three",
    ]  # fmt: skip
    # standard deviation 0.1291, standard error 0.0645, t of three degrees of freedom 3.182
    assert details(made)[0] == "[+0.34, +0.76]"
    assert ssim[5:] == ["no claim, p = 1.000", "no claim: 1 seed, fewer than three"]  # all .9000
    assert dict(made.facts)["Claims"] == (
        "of 1 row these weights better in 1 (PSNR), 0 (SSIM); this method better in 0 (PSNR), 0 (SSIM)"
    )


def test_three_patients_are_too_few(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    add(bench, scores, 3)
    assert lead(build(bench))[0][5:] == ["no claim: 3 patients, fewer than four"] * 2


def test_a_difference_that_does_not_vary_is_no_sample(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("unet", "sv60", patients(scores, 4, 30.0))
    bench.add("ddnet", "sv60", patients(scores, 4, 30.5))
    assert lead(build(bench))[0][3:6] == [
        "+0.50",
        "4 patients, 1 seed",
        "no claim: the differences do not vary",
    ]


def test_six_patients_have_a_bootstrap_t_interval_too(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    add(bench, scores, 6)
    assert details(build(bench))[0].startswith("[+0.42, +0.65], bootstrap-t [+0.4")


def test_holm_counts_every_row_of_the_table(bench: Any, scores: Any) -> None:
    """Three rows: the smallest p is held against 0.05 / 3, also while the others have not run."""
    bench.conditions = {"sv60": "60 views", "ldct": "Low dose", "more": "More"}
    add(bench, scores, 4)
    assert lead(build(bench))[0][5] == f"DD-Net, p = {3 * P:.3f}"
    add(bench, scores, 4, where="ldct")
    made = lead(build(bench))
    assert made[0][5] == made[2][5] == f"DD-Net, p = {3 * P:.3f}"  # equal p: Holm's steps do not fall
    bench.conditions = {f"c{i}": f"{i}" for i in range(17)} | {"sv60": "60 views", "ldct": "Low dose"}
    made = lead(build(bench))
    assert made[34][5] == f"no claim, p = {19 * P:.3f}"


def test_three_seeds_are_a_claim_on_the_method(bench: Any, scores: Any) -> None:
    bench.conditions, bench.seeds = {"sv60": "60 views"}, [1, 2, 3]
    for seed, shift in ((1, 0.0), (2, 0.05), (3, -0.05)):
        add(bench, scores, 4, seed, shift)
    made = build(bench)
    sample, weights, method = lead(made)[0][4:]
    assert (sample, weights) == ("4 patients, 3 seeds", "DD-Net, p = 0.003")
    # seeds 0.50, 0.55, 0.60: squared error 0.05^2 / 3; patients: 0.1291^2 / 4. At p = 0.0099 the two t values are
    # 9.985 and 5.862, and 9.985^2 * 0.000833 + 5.862^2 * 0.004167 = 0.226; at 0.004 0.3025 = 0.55^2 is passed
    p = float(method.removeprefix("DD-Net, p = "))
    needed = stats.t.isf(p / 2, 2) ** 2 * 0.05**2 / 3 + stats.t.isf(p / 2, 3) ** 2 * (0.0166667 / 4)
    assert needed == pytest.approx(0.55**2, rel=0.15)  # p is printed with one or two digits
    rows = list(csv.DictReader(io.StringIO(csv_text.render(made))))
    found = {
        row["model"]: (row["p_weights"], row["p_method"]) for row in rows if row["metric"] == "psnr.slice_max"
    }
    assert found["unet"] == ("", "")
    assert float(found["ddnet"][0]) == pytest.approx(P)
    assert float(found["ddnet"][1]) == pytest.approx(p, abs=0.0005)


def test_seeds_that_disagree_are_no_claim_on_the_method(bench: Any, scores: Any) -> None:
    """Gains of 0.05, 0.55 and 1.05 dB in three trainings: t = 1.9 with two degrees of freedom, p = 0.2."""
    bench.conditions, bench.seeds = {"sv60": "60 views"}, [1, 2, 3]
    for seed, shift in ((1, 0.0), (2, 0.5), (3, -0.5)):
        add(bench, scores, 6, seed, shift)
    weights, method = lead(build(bench))[0][5:]
    assert weights.startswith("DD-Net, p < 0.001")
    assert float(method.removeprefix("no claim, p = ")) > stats.ttest_1samp([0.033, 0.533, 1.033], 0).pvalue


def test_fold_means_are_a_sample_of_trainings(bench: Any, scores: Any) -> None:
    """Four folds of two patients: a t test over four means, here 0.6, 0.5, 0.5 and 0.7."""
    bench.conditions, bench.folds = {"sv60": "60 views"}, 4
    gains = [(0.5, 0.7), (0.4, 0.6), (0.55, 0.45), (0.7, 0.7)]
    for fold, pair in enumerate(gains, start=1):
        slices = [(f"p{fold}{name}", "a") for name in "ab"]
        bench.add("unet", "sv60", scores([30.0, 31.0], slices=slices), fold=fold)
        bench.add("ddnet", "sv60", scores([30 + pair[0], 31 + pair[1]], slices=slices), fold=fold)
    p = stats.ttest_1samp([0.6, 0.5, 0.5, 0.7], 0).pvalue
    over_patients = stats.ttest_1samp([gain for pair in gains for gain in pair], 0).pvalue
    assert over_patients < 0.001 < p
    assert lead(build(bench))[0][4:] == [
        "8 patients, 1 seed, 4 folds", "DD-Net, p < 0.001", f"DD-Net, p = {p:.3f}",
    ]  # fmt: skip


def test_two_folds_are_too_few(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    for fold in (1, 2):
        slices = [(f"p{fold}{name}", "a") for name in "ab"]
        bench.add("unet", "sv60", scores([30.0, 31.0], slices=slices), fold=fold)
        bench.add("ddnet", "sv60", scores([30.5, 31.6], slices=slices), fold=fold)
    assert lead(build(bench))[0][6] == "no claim: 1 seed, fewer than three"


def test_lower_is_better_where_the_metric_says_so(bench: Any, scores: Any, definitions: Any) -> None:
    turned = {**definitions, "psnr.slice_max": {**definitions["psnr.slice_max"], "direction": "lower"}}
    bench.conditions = {"sv60": "60 views"}
    bench.add("unet", "sv60", patients(scores, 4, 30.0), metrics=turned)
    bench.add("ddnet", "sv60", patients(scores, 4, 30.0, GAINS), metrics=turned)
    assert lead(build(bench))[0][2:6] == ["UNet - DD-Net", "-0.55", "4 patients, 1 seed", "UNet, p = 0.003"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"patients_known": False}, "the patients are unknown"),
        ({"leaky": "cut by hand"}, "the split is leaky"),
    ],
)
def test_no_claim_without_patients_of_their_own(bench: Any, scores: Any, change: dict, reason: str) -> None:
    bench.conditions = {"sv60": "60 views"}
    for key, value in change.items():
        setattr(bench, key, value)
    add(bench, scores, 4)
    assert lead(build(bench))[0][5:] == [f"no claim: {reason}"] * 2


def test_a_network_without_a_rival_makes_no_claim(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("unet", "sv60", patients(scores, 4, 30.0))
    bench.add("ddnet", "sv60", status="failed")
    assert lead(build(bench))[0][2:] == [
        format.DASH,
        "",
        "",
        *["no claim: fewer than two networks have finished"] * 2,
    ]
