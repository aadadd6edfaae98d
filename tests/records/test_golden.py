from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.metrics import definitions
from bench.plan.cells import Plan, PlannedCell
from bench.records import golden as verify
from bench.records.golden.file import set_bands
from bench.records.record import Record
from bench.records.store import Result
from tests import records_factory, tiny

CELL = "unet:noisy:s1"
SLICES = ("z000", "z001", "z002", "z003")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return tiny.planned(tmp_path_factory.mktemp("plan"))


def result(cell: PlannedCell, psnr: float = 30.0, names: tuple[str, ...] = SLICES, **changes: Any) -> Result:
    ssim, column, rmse = (0.9, 0.95, 40.0) if cell.spec.training else (0.8, 0.85, 60.0)
    means = {"psnr.slice_max": psnr, "ssim.slice_max": ssim, "ssim.column": column, "rmse.hu": rmse}
    columns = {metric: [mean + 0.01 * i for i in range(len(names))] for metric, mean in means.items()}
    rows = records_factory.scores([("P001", name) for name in names], **columns)
    return records_factory.result(cell, rows, **changes)


def run(plan: Plan, psnr: float = 30.0) -> list[Result]:
    return [result(cell, psnr if cell.spec.model == "unet" else 25.0) for cell in plan.cells]


def golden(plan: Plan) -> dict[str, Any]:
    """The golden value of three runs whose PSNR spreads by 0.02 dB: 30.00 +- 0.10."""
    return verify.make([run(plan, psnr) for psnr in (30.0, 29.99, 30.01)], "tiny", {"by": "hand"})


def changed(results: list[Result], value: Result) -> list[Result]:
    return [value if r.planned.id == value.planned.id else r for r in results]


def test_band_is_the_multiple_of_the_spread_and_never_below_the_floor(plan: Plan) -> None:
    made = golden(plan)
    score = made["cells"][CELL]["scores"]["psnr.slice_max"]
    assert score["value"] == pytest.approx(30.015)  # rows are 0, 0.01, 0.02, 0.03 above
    assert score["spread"] == pytest.approx(0.02)
    assert score["band"] == pytest.approx(0.1)
    still = made["cells"][CELL]["scores"]
    assert {m: still[m]["band"] for m in ("ssim.slice_max", "ssim.column", "rmse.hu")} == {
        "ssim.slice_max": 5e-5,
        "ssim.column": 5e-5,
        "rmse.hu": 0.02,
    }
    assert made["band"] == {"multiple": 5, "floor": {"dB": 0.005, "HU": 0.02, "": 5e-5}}
    assert list(made["cells"]) == ["input:sparse:s0", "input:noisy:s0", "unet:sparse:s1", CELL]


def test_golden_of_runs_that_differ_in_more_than_scores_is_refused(plan: Plan) -> None:
    other = changed(run(plan), result(plan.cells[-1], names=SLICES[::-1]))
    with pytest.raises(BenchError, match=r"differ in more than scores in unet:noisy:s1: pair names"):
        verify.make([run(plan), other], "tiny", {})


def test_golden_of_a_run_with_a_failed_cell_or_nan_is_refused(plan: Plan) -> None:
    failed = records_factory.result(plan.cells[-1], status=None)
    with pytest.raises(BenchError, match=r"unet:noisy:s1 has not finished"):
        verify.make([changed(run(plan), failed)], "tiny", {})
    with pytest.raises(BenchError, match=r"psnr\.slice_max of cell unet:sparse:s1 is not finite"):
        verify.make([run(plan, float("nan"))], "tiny", {})


def test_same_run_is_green_also_after_a_turn_through_the_file(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(golden(plan)), encoding="utf-8")
    assert verify.compare(verify.read(path), run(plan)) == []


@pytest.mark.parametrize(
    ("psnr", "red"),
    [
        (30.099, False),
        (29.901, False),
        (30.101, True),
        (29.899, True),
        (float("nan"), True),
        (float("inf"), True),
    ],
)
def test_mean_is_red_just_outside_the_band_on_either_side(plan: Plan, psnr: float, red: bool) -> None:
    found = verify.compare(golden(plan), changed(run(plan), result(plan.cells[-1], psnr)))
    assert bool(found) == red
    if red:
        wanted = [("training", CELL, "psnr.slice_max", "30.015 +- 0.1")]
        assert [(d.kind, d.cell, d.metric, d.golden) for d in found] == wanted
        assert found[0].found == f"{psnr + 0.015:.6g}"
        away = f" ({(psnr - 30) / 0.1:+.3g} bands)" if math.isfinite(psnr) else ""
        assert (
            str(found[0]) == f"{CELL}: psnr.slice_max: golden 30.015 +- 0.1, found {psnr + 0.015:.6g}{away}"
        )


def with_data(**changes: Any) -> Callable[[Record], Record]:
    def change(record: Record) -> Record:
        data = record.spec.dataset.data.model_copy(update=changes)
        dataset = record.spec.dataset.model_copy(update={"data": data})
        return record.model_copy(update={"spec": record.spec.model_copy(update={"dataset": dataset})})

    return change


def with_fields(**changes: Any) -> Callable[[Record], Record]:
    return lambda record: record.model_copy(update=changes)


def with_versions(**changes: int) -> Callable[[Record], Record]:
    def change(record: Record) -> Record:
        spec = record.spec.model_copy(update={"versions": {**record.spec.versions, **changes}})
        return record.model_copy(update={"spec": spec})

    return change


RANGE = definitions(tiny.FOUR)["psnr.slice_max"]
EXACT: list[tuple[str, Callable[[Record], Record], str]] = [
    ("reference SHA-256", with_fields(data={"reference": "beef", "degraded": "d"}), '"beef"'),
    ("physics version", with_versions(physics=99), "99"),
    ("training version", with_versions(training=99), "99"),
    ("scoring version", with_fields(scoring_version=99), "99"),
    ("split", with_data(split_sha256="feedbeef00"), '"feedbeef00"'),
    ("slices", with_data(selection="feedbeef00"), '"feedbeef00"'),
    ("slices per part", with_data(slices={"train": 13, "validation": 4, "test": 4}), '"train": 13'),
    ("reference ranges", with_fields(ranges={"test": [0.0, 1.0]}), '{"test": [0.0, 1.0]}'),
    (
        "metric definitions",
        with_fields(metrics={**definitions(), "psnr.slice_max": {**RANGE, "range": "1.0"}}),
        '"range": "1.0"',
    ),
]


def test_a_metric_added_later_is_no_difference_and_enters_the_next_golden_file(plan: Plan) -> None:
    definition = {**RANGE, "unit": "%", "label": "MAPE", "decimals": 1}
    added = with_fields(metrics={**definitions(), "mape": definition})
    results = []
    for r in run(plan):
        assert r.record is not None
        rows = [{**row, "mape": 9.0 if r.planned.spec.training else 5.0} for row in r.scores]
        results.append(Result(r.planned, added(r.record), rows, [], r.folder))
    assert verify.compare(golden(plan), results) == []
    made = verify.make([results], "tiny", {})
    assert made["cells"][CELL]["scores"]["mape"] == {"value": 9.0, "spread": 0.0, "floor": 0.05, "band": 0.05}
    (found,) = verify.compare(made, run(plan))[:1]
    assert (found.kind, found.metric) == ("scoring", "metric definitions")


def test_labels_and_decimals_are_no_facts(plan: Plan) -> None:
    bare = {name: {k: v for k, v in one.items() if k not in ("label", "decimals")}
            for name, one in definitions().items()}  # fmt: skip
    old = [result(cell, 30.0 if cell.spec.model == "unet" else 25.0, metrics=bare) for cell in plan.cells]
    assert verify.compare(golden(plan), old) == []


KIND = {
    "physics version": "simulation",
    "training version": "training",
    "scoring version": "scoring",
    "metric definitions": "scoring",
}


@pytest.mark.parametrize(("key", "change", "said"), EXACT)
def test_each_exact_value_is_named_with_both_sides(
    plan: Plan, key: str, change: Callable[[Record], Record], said: str
) -> None:
    base = result(plan.cells[-1])
    assert base.record is not None
    other = Result(base.planned, change(base.record), base.scores, [], base.folder)
    found = verify.compare(golden(plan), changed(run(plan), other))
    assert [(d.kind, d.cell, d.metric) for d in found] == [(KIND.get(key, "data"), CELL, key)]
    assert said in found[0].found
    assert said not in found[0].golden
    assert len(found[0].golden) >= 1


def test_order_of_the_pair_names_counts_although_means_agree(plan: Plan) -> None:
    base = result(plan.cells[-1])
    swapped = [base.scores[0], base.scores[2], base.scores[1], base.scores[3]]
    other = Result(base.planned, base.record, swapped, [], base.folder)
    found = verify.compare(golden(plan), changed(run(plan), other))
    assert [(d.cell, d.metric) for d in found] == [(CELL, "pair names")]
    assert '"first": ["P001", "z000"]' in found[0].golden
    assert found[0].golden != found[0].found


@pytest.mark.parametrize(
    ("status", "text"), [("failed", "failed"), ("diverged", "diverged"), (None, "missing")]
)
def test_cell_that_has_not_finished_is_named(plan: Plan, status: str | None, text: str) -> None:
    cell = plan.cells[-1]
    found = verify.compare(golden(plan), changed(run(plan), records_factory.result(cell, status=status)))
    assert [str(d) for d in found] == [f"{CELL}: status: golden finished, found {text}"]


def test_cell_that_is_not_planned_or_not_golden_is_named(plan: Plan) -> None:
    whole, three = golden(plan), run(plan)[:-1]
    assert [str(d) for d in verify.compare(whole, three)] == [
        f"{CELL}: cell: golden finished, found not planned"
    ]
    del whole["cells"][CELL]
    assert verify.compare(whole, run(plan)) == []
    assert [cell.cell for cell in verify.check(whole, run(plan)) if not cell.held] == [CELL]
    strict = verify.folded(verify.check(whole, run(plan), strict=True))
    assert [str(d) for d in strict] == [f"{CELL}: cell: golden none, found planned"]


def test_only_some_cells_are_checked_and_blamed_as_if_all_were(plan: Plan) -> None:
    results = changed(run(plan), result(plan.cells[-1], 31.0))
    results = changed(results, result(plan.cells[1], 24.0))  # its input
    (cell,) = verify.check(golden(plan), results, ["unet:noisy"])
    assert (cell.cell, [d.kind for d in cell.differences]) == (CELL, ["simulation"])
    assert [c.cell for c in verify.check(golden(plan), results, ["unet:sparse"])] == ["unet:sparse:s1"]
    with pytest.raises(BenchError, match=r"--only unet:nosy: no such cell; did you mean unet:noisy\?"):
        verify.check(golden(plan), results, ["unet:nosy"])


def test_distance_from_the_golden_value_is_told_in_bands(plan: Plan) -> None:
    checked = verify.check(golden(plan), changed(run(plan), result(plan.cells[-1], 30.05)))
    assert checked[-1].differences == ()
    assert checked[-1].farthest == ("psnr.slice_max", pytest.approx(0.5))
    lost = records_factory.scores([("P001", name) for name in SLICES], **{"psnr.slice_max": 30.015})
    (cell,) = verify.check(
        golden(plan), changed(run(plan), records_factory.result(plan.cells[-1], lost)), ["unet:noisy"]
    )
    assert cell.bands["psnr.slice_max"] == pytest.approx(0, abs=1e-9)
    assert math.isnan(cell.bands["rmse.hu"])
    assert {d.metric for d in cell.differences} == {"ssim.slice_max", "ssim.column", "rmse.hu"}


def test_some_cells_are_chosen_with_their_untreated_inputs(plan: Plan) -> None:
    chosen = verify.chosen(run(plan), ["unet:noisy"])
    assert [one.planned.spec.model for one in chosen] == ["input", "unet"]
    assert {one.planned.condition for one in chosen} == {"noisy"}
    assert len(verify.chosen(run(plan), [])) == 4
    with pytest.raises(BenchError, match=r"--only dncnn:noisy: no such cell"):
        verify.chosen(run(plan), ["dncnn:noisy"])


def broken(**changes: Any) -> str:
    untreated = {"m": {"value": 1.0, "band": 0.1, **changes}}
    cells = {"input:c:s0": {"scores": untreated}, "n:c:s1": {"scores": {"m": {"value": 1.3, "band": 0.1}}}}
    return json.dumps({"schema": 2, "profile": "p", "exact": {}, "cells": cells})


def test_the_shape_that_the_broken_ones_start_from_is_read(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    path.write_text(broken(), encoding="utf-8")
    assert len(verify.read(path)["cells"]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a golden file"),
        ("[]", "not a golden file"),
        ("{}", "'schema'"),
        ('{"schema": 2}', "'profile'"),
        ('{"schema": 1, "profile": "p", "cells": {}}', "golden schema 1 is not 2; make it anew"),
        ('{"schema": 2, "profile": "p", "exact": {}, "cells": 3}', "not a golden file"),
        ('{"schema": 2, "profile": "p", "exact": {}, "cells": {"input:c:s0": {}}}', "'scores'"),
        ('{"schema": 2, "profile": "p", "exact": {}, "cells": {}}', "no cells"),
        (
            broken().replace('"exact": {}', '"exact": {"all": {"weather": {}}}'),
            "unknown kind of fact: weather",
        ),
        (broken().replace('"exact": {}', '"exact": {"all": 3}'), "not a golden file"),
        (broken().replace("input:c:s0", "m:c:s1"), "'input:c:s0'"),
        (broken(value=1.1), "n:c:s1: m: the band holds the untreated input's value"),
        (broken(band=float("inf")), "no finite value and band"),
        (broken(value=float("nan")), "no finite value and band"),
        (broken(band=-1.0), "no finite value and band"),
        (broken(value="1"), "not a golden file"),
        ("\udcff", "not a golden file"),
    ],
)
def test_what_is_no_golden_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "golden.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BenchError) as caught:
        verify.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_golden_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"none\.json: no such file; name one with --golden"):
        verify.read(tmp_path / "none.json")


def test_a_lucky_spread_takes_the_networks_widest() -> None:
    spreads = {"a:x:s1": 0.1, "a:y:s1": 0.0, "a:z:s1": 0.02, "b:x:s1": 0.0}
    cells = {n: {"scores": {"m": {"value": 1.0, "spread": s, "floor": 0.005}}} for n, s in spreads.items()}
    set_bands(cells)
    bands = {name: cell["scores"]["m"]["band"] for name, cell in cells.items()}
    assert bands == pytest.approx({"a:x:s1": 0.5, "a:y:s1": 0.5, "a:z:s1": 0.5, "b:x:s1": 0.005})


@pytest.mark.parametrize("near", [25.0, 25.09, 24.91])
def test_golden_whose_band_holds_the_input_is_refused(plan: Plan, near: float) -> None:
    runs = [run(plan, psnr) for psnr in (near, near - 0.01, near + 0.01)]  # the input is 25.0, the band 0.1
    with pytest.raises(BenchError) as caught:
        verify.make(runs, "tiny", {})
    assert "psnr.slice_max of unet:sparse:s1" in str(caught.value)
    assert "a network that returns its input would pass" in str(caught.value)


def rescored(value: Result, **scores: float) -> Result:
    """Return a result with these scores in every slice."""
    rows = [row | {key.replace("_", "."): score for key, score in scores.items()} for row in value.scores]
    return Result(value.planned, value.record, rows, [], value.folder)


def test_score_that_a_network_does_not_move_is_left_out_and_named(plan: Plan) -> None:
    made = verify.make([[rescored(value, ssim_column=0.85) for value in run(plan)]], "tiny", {})
    assert made["cells"][CELL]["untested"] == ["ssim.column"]
    assert set(made["cells"][CELL]["scores"]) == {"psnr.slice_max", "ssim.slice_max", "rmse.hu"}
    assert "ssim.column" in made["cells"]["input:noisy:s0"]["scores"]
    same = [rescored(value, ssim_column=0.85) for value in run(plan)]
    assert (
        verify.compare(made, changed(same, rescored(same[-1], ssim_column=0.5))) == []
    )  # as it says: not tested


def test_networks_that_return_their_input_are_red_in_every_cell_and_score(plan: Plan) -> None:
    results = run(plan)
    inputs = {r.planned.spec.dataset.condition: r for r in results if r.planned.spec.training is None}
    same = [
        Result(r.planned, r.record, inputs[r.planned.spec.dataset.condition].scores, [], r.folder)
        for r in results
    ]
    found = verify.compare(golden(plan), same)
    metrics = set(definitions(tiny.FOUR))
    assert {(d.kind, d.cell, d.metric) for d in found} == {
        ("training", cell, metric) for cell in ("unet:sparse:s1", CELL) for metric in metrics
    }


def test_a_score_is_blamed_on_its_first_cause(plan: Plan) -> None:
    whole, results = golden(plan), run(plan)
    untreated, network = results[1], result(plan.cells[-1], 31.0)

    def kinds(*other: Result) -> set[tuple[str, str, str]]:
        found = results
        for value in other:
            found = changed(found, value)
        return {(d.kind, d.cell, d.metric) for d in verify.compare(whole, found)}

    def with_reference(value: Result) -> Result:
        assert value.record is not None
        record = with_fields(data={"reference": "beef"})(value.record)
        return Result(value.planned, record, value.scores, [], value.folder)

    psnr = "psnr.slice_max"
    mine, its = (CELL, psnr), ("input:noisy:s0", psnr)
    dimmer = result(untreated.planned, 24.0)
    assert kinds(network) == {("training", *mine)}
    assert kinds(dimmer) == {("simulation", *its)}
    assert kinds(dimmer, network) == {("simulation", *its), ("simulation", *mine)}
    fact = ("data", f"{its[0]}, {mine[0]}", "reference SHA-256")
    assert kinds(*map(with_reference, (dimmer, network))) == {fact, ("data", *its), ("data", *mine)}
    lost = Result(untreated.planned, None, [], [], untreated.folder)
    assert kinds(lost, network) == {("run", its[0], "status"), ("simulation", *mine)}
    everywhere = [with_reference(value) for value in results]
    assert [str(d) for d in verify.compare(whole, everywhere)] == [
        'all cells: reference SHA-256: golden null, found "beef"'
    ]


def test_lines_are_grouped_with_their_cause_in_causal_order(plan: Plan) -> None:
    results = changed(run(plan), result(plan.cells[-1], 31.0))
    lost = records_factory.result(plan.cells[0], status=None)
    lines = verify.told(verify.compare(golden(plan), changed(results, lost)))
    assert lines == [
        f"run: {verify.CAUSES['run']}",
        "  red: input:sparse:s0: status: golden finished, found missing",
        f"training: {verify.CAUSES['training']}",
        f"  red: {CELL}: psnr.slice_max: golden 30.015 +- 0.1, found 31.015 (+10 bands)",
    ]
    assert verify.told([]) == []


def test_network_without_an_input_is_refused(plan: Plan) -> None:
    with pytest.raises(BenchError, match=r"no untreated input to hold unet:sparse:s1 against"):
        verify.make([[value for value in run(plan) if value.planned.spec.training]], "tiny", {})
