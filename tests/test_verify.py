from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import verify
from bench.errors import BenchError
from bench.metrics import definitions
from bench.record import Record
from bench.spec import Plan, PlannedCell
from bench.store import CellStore, Result
from tests import tiny

CELL = "unet:noisy:s1"
SLICES = ("z000", "z001", "z002", "z003")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return tiny.planned(tmp_path_factory.mktemp("plan"))


def result(cell: PlannedCell, psnr: float = 30.0, names: tuple[str, ...] = SLICES, **changes: Any) -> Result:
    scores = {"psnr.slice_max": psnr, "ssim.slice_max": 0.9, "ssim.column": 0.95, "rmse.hu": 40.0}
    rows: list[dict[str, str | float]] = [
        {"patient": "P001", "slice": name, **{k: v + 0.01 * i for k, v in scores.items()}}
        for i, name in enumerate(names)
    ]
    return Result(cell, tiny.record_of(cell, **changes), rows, [], CellStore(Path("none")))


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
        "rmse.hu": 0.005,
    }
    assert made["band"] == {"multiple": 5, "floor": {"dB": 0.005, "HU": 0.005, "": 5e-5}}
    assert list(made["cells"]) == ["input:sparse:s0", "input:noisy:s0", "unet:sparse:s1", CELL]


def test_golden_of_runs_that_differ_in_more_than_scores_is_refused(plan: Plan) -> None:
    other = changed(run(plan), result(plan.cells[-1], names=SLICES[::-1]))
    with pytest.raises(BenchError, match=r"differ in more than scores in unet:noisy:s1"):
        verify.make([run(plan), other], "tiny", {})


def test_golden_of_a_run_with_a_failed_cell_or_nan_is_refused(plan: Plan) -> None:
    failed = Result(plan.cells[-1], None, [], [], CellStore(Path("none")))
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
        assert [(d.cell, d.metric, d.golden) for d in found] == [(CELL, "psnr.slice_max", "30.015 +- 0.1")]
        assert found[0].found == f"{psnr + 0.015:.6g}"
        assert str(found[0]) == f"{CELL}: psnr.slice_max: golden 30.015 +- 0.1, found {psnr + 0.015:.6g}"


def with_data(**changes: Any) -> Callable[[Record], Record]:
    def change(record: Record) -> Record:
        data = record.spec.dataset.data.model_copy(update=changes)
        dataset = record.spec.dataset.model_copy(update={"data": data})
        return record.model_copy(update={"spec": record.spec.model_copy(update={"dataset": dataset})})

    return change


def with_fields(**changes: Any) -> Callable[[Record], Record]:
    return lambda record: record.model_copy(update=changes)


RANGE = definitions()["psnr.slice_max"]
EXACT: list[tuple[str, Callable[[Record], Record], str]] = [
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


@pytest.mark.parametrize(("key", "change", "said"), EXACT)
def test_each_exact_value_is_named_with_both_sides(
    plan: Plan, key: str, change: Callable[[Record], Record], said: str
) -> None:
    base = result(plan.cells[-1])
    assert base.record is not None
    other = Result(base.planned, change(base.record), base.scores, [], base.folder)
    found = verify.compare(golden(plan), changed(run(plan), other))
    assert [(d.cell, d.metric) for d in found] == [(CELL, key)]
    assert said in found[0].found
    assert said not in found[0].golden
    assert len(found[0].golden) > 5


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
    record = None if status is None else tiny.record_of(cell, status)
    found = verify.compare(
        golden(plan), changed(run(plan), Result(cell, record, [], [], CellStore(Path("none"))))
    )
    assert [str(d) for d in found] == [f"{CELL}: status: golden finished, found {text}"]


def test_cell_that_is_not_planned_or_not_golden_is_named(plan: Plan) -> None:
    whole, three = golden(plan), run(plan)[:-1]
    assert [str(d) for d in verify.compare(whole, three)] == [
        f"{CELL}: cell: golden finished, found not planned"
    ]
    del whole["cells"][CELL]
    assert [str(d) for d in verify.compare(whole, run(plan))] == [f"{CELL}: cell: golden none, found planned"]


def broken(**changes: Any) -> str:
    scores = {"m": {"value": 1.0, "band": 0.1, **changes}}
    return json.dumps({"schema": 1, "profile": "p", "cells": {"c": {"exact": {}, "scores": scores}}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 1}',
        '{"schema": 2, "profile": "p", "cells": {}}',
        '{"schema": 1, "profile": "p", "cells": 3}',
        '{"schema": 1, "profile": "p", "cells": {"c": {}}}',
        '{"schema": 1, "profile": "p", "cells": {}}',
        broken(band=float("inf")),
        broken(value=float("nan")),
        broken(band=-1.0),
        broken(value="1"),
        "\udcff",
    ],
)
def test_what_is_no_golden_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "golden.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BenchError) as caught:
        verify.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_golden_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"none\.json: no such file; name one with --golden"):
        verify.read(tmp_path / "none.json")


def test_a_lucky_spread_takes_the_networks_median() -> None:
    spreads = {"a:x:s1": 0.1, "a:y:s1": 0.0, "a:z:s1": 0.02, "b:x:s1": 0.0}
    cells = {n: {"scores": {"m": {"value": 1.0, "spread": s, "floor": 0.005}}} for n, s in spreads.items()}
    verify.set_bands(cells)
    bands = {name: cell["scores"]["m"]["band"] for name, cell in cells.items()}
    assert bands == pytest.approx({"a:x:s1": 0.5, "a:y:s1": 0.1, "a:z:s1": 0.1, "b:x:s1": 0.005})
