"""Folds joined in the tables, against means worked out by hand; and what every table of a leaky split says.

Oracle: fold 1 tests patients p1 and p2, fold 2 tests p3. UNet scores 30, 32 (p1), 34 (p2) and 40, 44 (p3) dB: the
mean over the five slices is 36.0 dB. The mean of the folds' own means, 32 and 42, would be 37.0 and wrong.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.report import rows, table, winners
from bench.report.board import scoreboard
from bench.report.render import csv as csv_text
from bench.report.render import markdown

FOLD_1, FOLD_2 = (("p1", "a"), ("p1", "b"), ("p2", "c")), (("p3", "d"), ("p3", "e"))
UNET, DDNET, INPUT = (
    ([30.0, 32.0, 34.0], [40.0, 44.0]),
    ([31.0, 33.0, 34.0], [41.0, 46.0]),
    ([20.0] * 3, [25.0] * 2),
)
LEAK = "cut by hand (patient p1 is in train and test)"


@pytest.fixture
def folded(bench: Any, scores: Any) -> Any:
    """One condition, two folds, all cells finished."""
    bench.conditions = {"sv60": "60 views"}
    for fold, slices in ((1, FOLD_1), (2, FOLD_2)):
        for model, values in (("input", INPUT), ("unet", UNET), ("ddnet", DDNET)):
            bench.add(model, "sv60", scores(values[fold - 1], 0.9, slices), fold=fold)
    return bench


def built(bench: Any) -> table.Table:
    plan = bench.plan()
    bench.save()
    return table.build(plan, bench.run.read_all(plan))


def row(bench: Any) -> rows.Row:
    (found,) = scoreboard(bench.plan(), bench.save().read_all(bench.plan())).rows
    return found


def texts(grid: Any) -> list[list[str]]:
    return [[" / ".join(part.text for part in entry.parts) for entry in row] for row in grid.rows]


def test_the_mean_is_over_all_slices_and_not_over_folds(folded: Any) -> None:
    group = row(folded).groups["unet"]
    assert group.mean("psnr.slice_max") == 36.0  # (30 + 32 + 34 + 40 + 44) / 5
    assert group.patients("psnr.slice_max") == {"p1": 31.0, "p2": 34.0, "p3": 42.0}
    scores, gain = (built(folded).grids[place] for place in (0, 1))
    assert texts(scores) == [["60 views", "22.00 / .9000", "36.00 / .9000", "37.00 / .9000"]]
    assert texts(gain) == [["60 views", "+14.00 / +.0000", "+15.00 / +.0000"]]
    assert scores.rows[0][3].parts[0].best
    assert not scores.rows[0][2].parts[0].best
    assert "means over the test slices of the 2 folds" in scores.lead


def test_spread_and_test_are_over_the_patients_of_all_folds(folded: Any) -> None:
    found = built(folded)
    spread, lead = (next(grid for grid in found.grids if grid.name == name) for name in ("spread", "lead"))
    # UNet by patient 31, 34, 42: mean 35.67, deviation sqrt((4.67^2 + 1.67^2 + 6.33^2) / 2) = 5.69
    assert texts(spread)[1][2] == "35.67 ± 5.69"
    assert [row[4] for row in texts(spread)] == ["3", "3", "3"]
    # DD-Net minus UNet by patient: 1, 0 and 1.5
    assert texts(lead)[0][2:4] == ["DD-Net - UNet", "+0.83"]
    assert "trained on different, overlapping patients" in spread.lead


def test_what_the_page_says_of_folds(folded: Any) -> None:
    facts = dict(built(folded).facts)
    assert facts["Tested on"].startswith("8 slices of 4 patients")  # 2 x (4 slices of 2 patients) are planned
    assert facts["Split"].startswith("2-fold by patient: each slice once")
    folded.leaky = LEAK
    assert dict(built(folded).facts)["Split"] == "2-fold by slice: each slice once"
    cost = next(grid for grid in built(folded).grids if grid.name == "cost")
    assert [row[1].detail for row in cost.rows] == ["fold 1 of 2", "fold 2 of 2"] * 2


def test_csv_has_a_row_per_fold_with_its_own_and_the_joined_mean(folded: Any) -> None:
    lines = [
        line
        for line in csv.DictReader(io.StringIO(csv_text.render(built(folded))))
        if (line["model"], line["metric"]) == ("unet", "psnr.slice_max")
    ]
    assert [(line["fold"], line["mean"], line["slices"]) for line in lines] == [
        ("1", "32.0", "3"),
        ("2", "42.0", "2"),
    ]
    assert {(line["mean_over_folds"], line["mean_over_seeds"], line["leaky"]) for line in lines} == {
        ("36.0", "36.0", "")
    }


@pytest.mark.parametrize(
    ("endings", "said"),
    [
        (("finished", "diverged", "finished"), "fold 2 of 3: diverged (epoch 7)"),
        (("finished", "failed", None), "fold 2 of 3: failed (epoch 7); fold 3 of 3: not run yet"),
        (("finished", None, None), "folds 2, 3 of 3: not run yet"),
        ((None, None, None), "not run yet"),
        (("diverged", "diverged", "diverged"), "diverged (epoch 7)"),
    ],
)
def test_a_cell_without_all_its_folds_has_a_state_and_no_score(
    bench: Any, scores: Any, endings: tuple[Any, ...], said: str
) -> None:
    bench.conditions, bench.folds = {"sv60": "60 views"}, 3
    for fold, status in enumerate(endings, start=1):
        values = scores(30.0, slices=((f"p{fold}", "a"),))
        bench.add("input", "sv60", values, fold=fold)
        bench.add("ddnet", "sv60", values, fold=fold)
        bench.add("unet", "sv60", values if status == "finished" else None, fold=fold, status=status, epoch=7)
    group = row(bench).groups["unet"]
    assert (group.state, group.finished, group.mean("psnr.slice_max")) == (said, (), None)
    assert texts(built(bench).grids[0])[0][2] == said
    assert winners.ranking(row(bench), "psnr.slice_max", {}) == ["ddnet"]


def test_a_seed_without_all_its_folds_is_left_out_of_the_mean(bench: Any, scores: Any) -> None:
    bench.conditions, bench.seeds = {"sv60": "60 views"}, [1, 2]
    for fold, slices in ((1, FOLD_1), (2, FOLD_2)):
        bench.add("input", "sv60", scores(INPUT[fold - 1], slices=slices), fold=fold)
        bench.add("unet", "sv60", scores(UNET[fold - 1], slices=slices), fold=fold, seed=1)
    bench.add("unet", "sv60", scores([99.0, 99.0, 99.0], slices=FOLD_1), fold=1, seed=2)
    bench.add("unet", "sv60", fold=2, seed=2, status="diverged", epoch=3)
    group = row(bench).groups["unet"]
    assert (group.mean("psnr.slice_max"), group.complete) == (36.0, False)
    assert group.state == "seed 2: fold 2 of 2: diverged (epoch 3)"
    assert built(bench).grids[0].footnotes == (
        "mean of 1 of 2 seeds (seed 2: fold 2 of 2: diverged (epoch 3)); takes no part in choosing the winner",
    )


def test_cells_are_compared_fold_by_fold(folded: Any, scores: Any) -> None:
    """Folds have other slices each, which is no reason; another slice in one network's fold is one."""
    assert row(folded).comparable
    folded.cells = [
        cell for cell in folded.cells if (cell.spec.model, cell.spec.dataset.data.fold) != ("unet", 2)
    ]
    folded.add("unet", "sv60", scores(UNET[1], 0.9, (("p3", "d"), ("p3", "x"))), fold=2)
    found = row(folded)
    assert (found.comparable, found.reasons, found.flagged) == (False, ("the test slices",), {"unet"})


def test_every_table_of_a_leaky_split_says_so(filled: Any, tmp_path: Path) -> None:
    bench = filled(leaky=LEAK)
    written = {
        path.suffix: path.read_text(encoding="utf-8")
        for path in report.publish(bench.save(), tmp_path).paths[:4]
    }
    every = built(bench).grids
    grids, in_latex = len(every), sum(not grid.folded for grid in every)
    for suffix in (".html", ".md"):  # under each table, and once above all
        assert written[suffix].count(f"Leaky split split: {LEAK}.") == grids + 1
        assert written[suffix].count("not comparable with those of a clean split") == 1
    assert written[".tex"].count(f"Leaky split split: {LEAK}.") == in_latex
    lines = list(csv.DictReader(io.StringIO(written[".csv"])))
    assert {line["leaky"] for line in lines} == {LEAK}


def test_the_page_says_that_its_images_are_of_the_first_fold(
    folded: Any, filled: Any, tmp_path: Path
) -> None:
    image = {key: np.zeros((1, 8, 8)) for key in ("input", "output", "reference")}
    for fold, name in ((1, "p1/a"), (2, "p3/d")):
        for model in ("input", "unet", "ddnet"):
            folded.run.cell(f"{model}-sv60-f{fold}-s1-0").write_samples([name], image)
    report.publish(folded.save(), tmp_path)
    page = (tmp_path / "results.html").read_text(encoding="utf-8")
    assert "Test slices of the first fold chosen by the PSNR of the untreated input" in page
    assert "Slice p1/a, " in page
    assert "p3/d" not in page.split('<section id="images">')[1].split("</section>")[0]


def test_a_clean_split_says_nothing_of_leaks(filled: Any) -> None:
    assert "eaky" not in markdown.render(built(filled()))


def test_the_split_file_is_in_the_provenance(folded: Any) -> None:
    slices = next(grid for grid in built(folded).provenance if grid.name == "slices")
    assert "SHA-256 of that file: h." in slices.lead
    assert [row[0] for row in texts(slices)] == ["1 of 2", "2 of 2"]


def test_the_note_on_folds_stands_with_folds_only(filled: Any) -> None:
    spread = next(grid for grid in built(filled()).grids if grid.name == "spread")
    assert "overlapping patients" not in spread.lead
