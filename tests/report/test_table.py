"""The table as a value: winners, ties, states, comparability, published values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from bench.config.schema import Published
from bench.errors import BenchError
from bench.plan.forecast import CellForecast
from bench.report import table
from bench.report.sections import published
from bench.report.statistics import Interval
from bench.report.values import Entry, Grid, Table

PUBLISHED = Published(
    source="A. Author 2018", collection="test-chest", recipe="study", test_slices=4,
    metrics=["psnr.slice_max", "ssim.column"],
    values={"sv60": {"unet": [29.5, 0.93], "ddnet": [31.25, 0.90]}, "ldct": {"unet": [30.0, 0.92]}},
)  # fmt: skip


def build(bench: Any) -> Table:
    run = bench.save()
    plan = run.read_plan()
    return table.build(plan, run.read_all(plan), run.others(plan))


def grid(made: Table, name: str) -> Grid:
    return next(grid for grid in (*made.grids, *made.provenance) if grid.name == name)


def text(entry: Entry) -> str:
    return " / ".join(f"*{part.text}*" if part.best else part.text for part in entry.parts)


def rows(made: Table, name: str) -> list[list[str]]:
    return [[text(entry) for entry in row] for row in grid(made, name).rows]


def test_winner_of_each_metric(filled: Callable[..., Any]) -> None:
    expected = ["60 views", "25.00 / .8000", "30.00 / *.9100*", "*31.00* / .9000"]
    assert rows(build(filled()), "scores")[0] == expected


def test_lower_rmse_wins(filled: Callable[..., Any]) -> None:
    assert rows(build(filled()), "rmse")[0] == ["60 views", "50.0", "40.0", "*38.0*"]


def test_direction_comes_from_the_records(bench: Any, scores: Any, definitions: Any) -> None:
    turned = {**definitions, "psnr.slice_max": {**definitions["psnr.slice_max"], "direction": "lower"}}
    bench.conditions = {"sv60": "60 views"}
    bench.add("unet", "sv60", scores(30.0), metrics=turned)
    bench.add("ddnet", "sv60", scores(31.0), metrics=turned)
    assert rows(build(bench), "scores")[0][2:] == ["*30.00* / *.9000*", "31.00 / *.9000*"]


def test_equal_printed_values_are_both_bold(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("unet", "sv60", scores(30.001, 0.9))
    bench.add("ddnet", "sv60", scores(30.004, 0.9001))
    assert rows(build(bench), "scores")[0][2:] == ["*30.00* / .9000", "*30.00* / *.9001*"]


def test_unrounded_means_decide(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("unet", "sv60", scores(30.0049))  # prints 30.00
    bench.add("ddnet", "sv60", scores(30.0051))  # prints 30.01
    assert rows(build(bench), "scores")[0][2:] == ["30.00 / *.9000*", "*30.01* / *.9000*"]


def test_input_never_wins_and_losers_are_named(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("input", "sv60", scores(35.0, 0.99))
    bench.add("unet", "sv60", scores(30.0))
    bench.add("ddnet", "sv60", scores(36.0))
    made = build(bench)
    assert rows(made, "scores")[0][1:] == ["35.00 / .9900", "30.00 / *.9000*", "*36.00* / *.9000*"]
    assert made.notices == (
        "UNet does not beat the untreated input on 60 views: -5.00 dB after 100 updates.",
    )


def test_states_are_said_in_the_cell(bench: Any, scores: Any) -> None:
    bench.add("input", "sv60", scores(25.0))
    bench.add("unet", "sv60", status="diverged", epoch=7)
    bench.add("ddnet", "sv60", status="failed")
    bench.add("unet", "ldct", status=None)
    made = rows(build(bench), "scores")
    assert made[0][1:] == ["25.00 / .9000", "diverged (epoch 7)", "failed"]
    assert made[1][1:] == ["not planned", "not run yet", "not planned"]


def test_mean_over_slices_then_over_seeds(bench: Any, scores: Any) -> None:
    bench.conditions, bench.seeds = {"sv60": "60 views"}, [1, 2]
    bench.add("unet", "sv60", scores(30.0), seed=1)
    bench.add("unet", "sv60", scores(31.0), seed=2)
    for seed in (1, 2):
        bench.add("ddnet", "sv60", scores(30.25), seed=seed)
    made = build(bench)
    assert rows(made, "scores")[0][2:] == ["*30.50* / *.9000*", "30.25 / *.9000*"]
    kept = [s for s in made.scores if (s.model, s.metric) == ("unet", "psnr.slice_max")]
    assert [(score.seed, score.mean, score.mean_over_seeds) for score in kept] == [
        (1, 30.0, 30.5),
        (2, 31.0, 30.5),
    ]


def test_a_lost_seed_takes_no_part_in_winning(bench: Any, scores: Any) -> None:
    bench.conditions, bench.seeds = {"sv60": "60 views"}, [1, 2]
    for seed in (1, 2):
        bench.add("unet", "sv60", scores(30.0), seed=seed)
    bench.add("ddnet", "sv60", scores(33.0), seed=1)
    bench.add("ddnet", "sv60", seed=2, status="diverged", epoch=3)
    made = build(bench)
    assert rows(made, "scores")[0][2:] == ["30.00 / .9000", "33.00 / .9000"]  # nor is the one left a winner
    note = "mean of 1 of 2 seeds (seed 2: diverged (epoch 3)); takes no part in choosing the winner"
    assert grid(made, "scores").footnotes == (note,)


def test_reading_order_does_not_matter(filled: Callable[..., Any]) -> None:
    bench = filled()
    run = bench.save()
    plan = run.read_plan()
    results = run.read_all(plan)
    first = table.build(plan, results, ("b", "a"))
    for order in itertools.islice(itertools.permutations(results), 0, 720, 97):
        shuffled = [type(r)(r.planned, r.record, r.scores[::-1], r.history, r.folder) for r in order]
        assert table.build(plan, shuffled, ("a", "b")) == first


def test_a_network_that_ran_alone_is_no_winner(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("input", "sv60", scores(25.0))
    bench.add("unet", "sv60", scores(30.0))
    bench.add("ddnet", "sv60", status="failed")
    made = build(bench)
    assert rows(made, "scores")[0][1:] == ["25.00 / .9000", "30.00 / .9000", "failed"]
    assert not any(score.winner for score in made.scores)


@pytest.mark.parametrize(
    ("change", "aspect"),
    [
        ({"version": 2}, "the version of psnr.slice_max"),
        ({"range": "4096 HU"}, "the range of psnr.slice_max"),
    ],
)
def test_other_metric_definitions_are_not_comparable(
    filled: Callable[..., Any], scores: Any, definitions: Any, change: dict, aspect: str
) -> None:
    bench = filled(skip=[("unet", "sv60")])
    other = {**definitions, "psnr.slice_max": {**definitions["psnr.slice_max"], **change}}
    bench.add("unet", "sv60", scores(40.0), metrics=other)
    made = build(bench)
    assert rows(made, "scores")[0] == ["60 views", "25.00 / .8000", "40.00 / .9000", "31.00 / .9000"]
    assert grid(made, "scores").rows[0][2].marks == (1,)
    note = f"not comparable within its row: UNet differs in {aspect}; the row has no winner"
    assert grid(made, "scores").footnotes == (note,)
    assert rows(made, "scores")[1][2:] == ["30.00 / *.9100*", "*31.00* / .9000"]
    assert rows(made, "gain")[0] == ["60 views", "not comparable", "not comparable"]


def test_other_data_or_slices_are_not_comparable(filled: Callable[..., Any], scores: Any) -> None:
    bench = filled(skip=[("unet", "sv60"), ("unet", "ldct")])
    bench.add("unet", "sv60", scores(30.0), data={"test": "01"})
    bench.add("unet", "ldct", scores(30.0, slices=[("p1", "a"), ("p2", "x")]))
    notes = grid(build(bench), "scores").footnotes
    assert "UNet differs in the fingerprint of test" in notes[0]
    assert "UNet differs in the test slices" in notes[1]


def test_published_beside_ours_where_comparable(filled: Callable[..., Any]) -> None:
    made = build(filled(size=512, scaled=(), published=PUBLISHED))
    # PSNR of two patients 0.67 dB apart: Student's interval is 12.7 x 0.33 dB wide to each side; SSIM does not vary
    assert rows(made, "published") == [
        ["60 views", "UNet", "30.00 / .9200", "29.50 / .9300", "+0.50 / -.0100", "agrees / differs"],
        ["60 views", "DD-Net", "31.00 / .9100", "31.25 / .9000", "-0.25 / +.0100", "agrees / differs"],
        ["Low dose", "UNet", "30.00 / .9200", "30.00 / .9200", "+0.00 / +.0000", "agrees"],
    ]
    found = grid(made, "published")
    assert found.rows[0][2].detail == "[25.76, 34.24] / [.9200, .9200]"
    assert not found.folded
    assert dict(made.facts)["Settings"] == "as published"
    assert {s.published for s in made.scores if s.model == "ddnet" and s.condition == "sv60"} == {
        31.25,
        0.9,
        None,
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"source": {"kind": "phantom", "collection": "test-chest"}},
            "a phantom's scores are never comparable",
        ),
        ({"source": {"kind": "npz", "collection": "other"}}, "the collection is other, not test-chest"),
        ({"size": 256}, "slices are 256 × 256, not 512 × 512"),  # noqa: RUF001
        ({"slices": {"test": 5}}, "5 test slices, not 4"),
        ({"recipe": "original"}, "the recipe is original, not study"),
        ({"scaled": ("batch 2 instead of 5",)}, "scaled: batch 2 instead of 5"),
    ],
)
def test_no_difference_where_not_comparable(filled: Callable[..., Any], change: dict, reason: str) -> None:
    made = build(filled(**{"size": 512, "scaled": (), "published": PUBLISHED, **change}))
    found = grid(made, "published")
    assert "Difference" not in found.headings
    assert found.folded
    assert found.notes == (f"Ours and published may not be compared: {reason}.",)
    assert rows(made, "published")[0] == ["60 views", "UNet", "30.00 / .9200", "29.50 / .9300"]
    assert not any(score.comparable for score in made.scores)


@pytest.mark.parametrize(
    ("theirs", "told"),
    [(30.0, "agrees"), (30.25, "agrees"), (29.745, "agrees"), (29.74, "differs"), (30.26, "differs")],
)
def test_a_published_value_agrees_within_the_interval_its_digit_and_the_margin(
    theirs: float, told: str
) -> None:
    """[29.8, 30.2], 0.05 dB and half of 0.01 dB."""
    slack = published.MARGINS["dB"] + 0.005
    assert published.verdict(30.0, Interval(29.8, 30.2), theirs, slack) == told


def test_without_an_interval_a_value_agrees_or_nothing_is_said() -> None:
    assert published.verdict(30.0, None, 30.04, 0.055) == "agrees"
    assert published.verdict(30.0, None, 30.2, 0.055) == "cannot say: no interval over patients"


def test_the_digits_of_a_published_table_count(filled: Callable[..., Any]) -> None:
    """Where .9 is printed it was .85 to .95; SSIM is the same for all patients here, so its margin is 0.001 more."""
    coarse = PUBLISHED.model_copy(
        update={
            "metrics": ["ssim.column"],
            "decimals": [1],
            "values": {"sv60": {"unet": [0.9], "ddnet": [0.85]}},
        }
    )
    made = build(filled(size=512, scaled=(), published=coarse))
    assert [line[-1] for line in rows(made, "published")] == [
        "agrees",
        "differs",
    ]  # .92, .91, give or take .051


def test_one_network_that_is_not_as_published_is_named_and_the_others_compared(
    filled: Callable[..., Any],
) -> None:
    bench = filled(size=512, scaled=(), published=PUBLISHED)
    at = next(at for at, cell in enumerate(bench.cells) if cell.id.startswith("ddnet-sv60"))
    bench.cells[at] = bench.cells[at].model_copy(update={"scaled": ("batch 2 instead of 5",)})
    made = build(bench)
    found = grid(made, "published")
    assert [line[-1] for line in rows(made, "published")] == ["agrees / differs", "not comparable", "agrees"]
    assert found.rows[1][-1].marks == (1,)
    assert found.footnotes == ("scaled: batch 2 instead of 5",)
    assert {(s.model, s.condition) for s in made.scores if s.comparable} == {
        ("unet", "sv60"),
        ("unet", "ldct"),
    }


def test_further_tables_stand_apart_and_rank_nobody(filled: Callable[..., Any]) -> None:
    other = PUBLISHED.model_copy(update={"source": "B. Author 2024", "collection": "mayo"})
    bench = filled(size=512, scaled=(), published=PUBLISHED, further={"author-2024": other})
    made = build(bench)
    found = grid(made, "published-further")
    assert rows(made, "published-further")[0] == [
        "author-2024",
        "60 views",
        "UNet",
        "30.00 / .9200",
        "29.50 / .9300",
    ]
    assert found.notes == ("Ours and published may not be compared: the collection is test-chest, not mayo.",)
    assert found.folded
    assert not any(
        part.best
        for row in (*found.rows, *grid(made, "published").rows)
        for cell in row
        for part in cell.parts
    )


def test_photons_at_this_size_stand_in_the_row(filled: Callable[..., Any]) -> None:
    made = grid(build(filled()), "scores").rows
    assert made[1][0].detail == "70,000 photons per ray, deviation × 8 at 64 × 64"  # noqa: RUF001
    assert made[0][0].detail == "30 directions"


def test_directions_stand_beside_the_views(filled: Callable[..., Any]) -> None:
    """45 views over 360 degrees are 45 directions; a name that says the views need not be told them again."""
    made = build(filled(views=45))
    assert (
        "Scan",
        "parallel beam, 720 views (360 directions) over 360 degrees, filter ram-lak",
    ) in made.facts
    assert grid(made, "scores").rows[0][0].detail == "45 views, 45 directions"  # the label says 60
    (note,) = grid(made, "scores").notes
    assert note.startswith("sv60: 45 views (45 directions) leave the streaks of 90 views (45 directions): ")
    assert grid(made, "rmse").notes == ()


def test_stored_pairs_have_no_scan_of_ours(filled: Callable[..., Any]) -> None:
    made = build(filled(views=45, source={"title": "Made elsewhere", "kind": "pairs"}))
    assert "Scan" not in dict(made.facts)
    assert (grid(made, "scores").rows[0][0].detail, grid(made, "scores").notes) == ("", ())


def test_electronic_noise_at_this_size_stands_in_the_row(filled: Callable[..., Any]) -> None:
    made = grid(build(filled(electronic=20.0)), "scores").rows
    assert made[1][0].detail == (
        "70,000 photons per ray, electronic noise of 20 photons, deviation × 8 at 64 × 64"  # noqa: RUF001
    )


def test_records_of_physics_version_1_say_the_photons_that_they_had(filled: Callable[..., Any]) -> None:
    made = grid(build(filled(old=True)), "scores").rows
    assert made[1][0].detail == "1,094 photons per ray at 64 × 64"  # noqa: RUF001  70,000 / 64


def test_starved_rays_are_said(filled: Callable[..., Any]) -> None:
    assert not any("Few counts" in text for text in build(filled()).notices)
    (notice,) = (text for text in build(filled(photons=1e3)).notices if "Few counts" in text)
    assert notice.startswith(
        "Few counts in condition ldct: 64% of the rays through 30 cm of water expect under 10"
    )


def test_cost_by_hand(filled: Callable[..., Any]) -> None:
    found = rows(build(filled()), "cost")[0]
    # 100 updates of 5 crops of 32 x 32 from slices of 64 x 64: 100 * 5 / 4
    assert found == [
        "60 views",
        "UNet",
        "1,000",
        "100",
        "125",
        "1 min 15 s",
        "12.5",
        "3 of 4",
        "ordinary",
        "CPU",
    ]


def test_forecast_and_outcome_stand_under_the_cost(bench: Any, scores: Any) -> None:
    cell = bench.add("unet", "sv60", scores([30.0, 30.0, 32.0, 32.0]))
    bench.add("ddnet", "sv60", scores([30.0, 30.0, 32.0, 33.0]))  # without a forecast
    store = bench.run.cell(cell.id)
    record = store.read_record()
    store.write_record(record.model_copy(update={"timings": {**record.timings, "check_s": 24.0}}))
    results, expected = (
        bench.run.read_all(bench.plan()),
        {cell.id: CellForecast(training=70, checks=20, scoring=10)},
    )
    cost = grid(table.build(bench.plan(), results, (), expected), "cost")
    assert cost.notes == (
        "Forecast of the training, checks and scoring of finished cells, outcome and ratio: UNet 1 min 40 s, took "
        "1 min 40 s (1.00); in sum 1 min 40 s, took 1 min 40 s (1.00).",
    )
    assert grid(table.build(bench.plan(), results), "cost").notes == ()


def test_spread_by_hand(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    bench.add("unet", "sv60", scores([30.0, 30.0, 32.0, 32.0]))
    made = build(bench)
    assert rows(made, "spread")[1] == ["60 views", "UNet", "31.00 ± 1.41", ".9000 ± .0000", "2", "one seed"]
    # t of one degree of freedom 12.706, standard error sqrt(2) / sqrt(2) = 1
    assert grid(made, "spread").rows[1][2].detail == "[18.29, 43.71]"


def test_one_patient_has_no_spread(bench: Any, scores: Any) -> None:
    bench.conditions = {"sv60": "60 views"}
    for model in ("unet", "ddnet"):
        bench.add(model, "sv60", scores(30.0, slices=[("p1", "a"), ("p1", "b")]))
    made = build(bench)
    assert grid(made, "spread").rows[1][2].detail == "one patient, no spread"
    assert rows(made, "lead")[0][3:6] == [
        "+0.00",
        "1 patient, 1 seed",
        "no claim: 1 patient, fewer than four",
    ]


def test_unknown_patients_are_said_everywhere(filled: Callable[..., Any]) -> None:
    made = build(filled(patients_known=False))
    assert any("Patients unknown" in notice for notice in made.notices)
    assert "unknown patients" in dict(made.facts)["Tested on"]
    assert rows(made, "spread")[0][2] == "patients unknown, no spread"
    assert {score.patients for score in made.scores} == {None}


def test_earlier_settings_are_listed(filled: Callable[..., Any]) -> None:
    bench = filled()
    kept = bench.cells.pop()
    made = build(bench)
    assert rows(made, "earlier") == [[kept.id]]


def test_a_finished_cell_without_scores_is_an_error(bench: Any) -> None:
    bench.add("unet", "sv60", None)
    with pytest.raises(BenchError, match=r"scores\.csv: no scores"):
        build(bench)


def test_a_record_in_the_wrong_folder_is_an_error(bench: Any, scores: Any) -> None:
    first, second = (bench.add(model, "sv60", scores(30.0)) for model in ("unet", "ddnet"))
    source = bench.run.cell(first.id).folder / "record.json"
    (bench.run.cell(second.id).folder / "record.json").write_text(source.read_text())
    with pytest.raises(BenchError, match="record of another cell, unet-sv60-s1-0"):
        build(bench)
