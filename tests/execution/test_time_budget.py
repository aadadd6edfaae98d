"""A budget of time: resolved once by measured speeds, frozen in the plan, part of the cells' ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import gpus
from bench.cli import overview
from bench.config.load import load
from bench.errors import BenchError
from bench.execution import known_speeds, resolve
from bench.execution.resolve import Request
from bench.plan.cells import TimeBudget
from bench.records import speeds
from tests import tiny
from tests.plan.test_forecast import speed as figures


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both files, whose network trains 2 slices a second."""
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))
    profiles = (
        tiny.EXPERIMENTS
        + "  night: {source: phantom, split: phantom, size: 32, budget: {time: 1h, checks: 4}}\n"
    )
    tiny.write(tmp_path, experiments=profiles)
    measured(tmp_path)
    return tmp_path


def measured(folder: Path, slices_per_s: float = 2.0) -> None:
    trained = resolve.resolve(tiny.request(folder)).plan.cells[2].spec
    figure = figures(slices_per_s=slices_per_s, date="2026-11-26T08:00:00+00:00")
    speeds.write(folder / "cache", {speeds.key(trained, known_speeds.here(1)): figure})


def resolved(request: Request) -> tuple[TimeBudget, list[str]]:
    """The budget of a request's plan, frozen, and the ids of its cells."""
    run = resolve.resolve(request)
    run.store.write_plan(run.plan)
    assert run.plan.budget is not None
    return run.plan.budget, [cell.id for cell in run.plan.cells]


def test_the_time_becomes_slices_by_hand(folder: Path) -> None:
    # two cells at once, each 2 x 4 x 1 s of checks, 4 x 2.5 s of scoring and 8 s of tracing; two inputs of 4 x 2 s; a
    # start of 5 s: (3600 - 5) x 2 - (2 x 26 + 16) = 7122 s for two cells of 1/2 s a slice; pairs take 3 ms
    budget, ids = resolved(tiny.request(folder, budget="1h"))
    assert budget.slices_seen == 7121
    assert (budget.words, budget.seconds, budget.device) == ("1 h", 3600, "a CPU")
    assert budget.forecast_s == pytest.approx(3600, abs=2)  # 2 x 890 updates of 4 slices
    plain = resolve.resolve(tiny.request(folder, runs=folder / "others")).plan
    assert plain.budget is None
    inputs, trained = slice(0, 2), slice(2, 4)
    assert ids[inputs] == [cell.id for cell in plain.cells][inputs]
    assert not set(ids[trained]) & {cell.id for cell in plain.cells}


def test_the_table_and_the_plan_say_what_the_time_came_to(folder: Path) -> None:
    run = resolve.resolve(tiny.request(folder, budget="1h"))
    # 2 epochs of 4 passes over 12 slices in the recipe
    assert "budget 1 h: 7,121 slices per cell instead of 96" in run.plan.cells[2].scaled
    text = overview.of_plan(run).replace("\n  ", " ")
    assert "budget 1 h: 7,121 slices for every network, from measurements of 2026-11-26 on a CPU" in text
    assert tiny.widest(overview.of_plan(run)) <= 80


def test_it_stays_whatever_is_measured_later(folder: Path) -> None:
    first = resolved(tiny.request(folder, budget="1h"))
    measured(folder, slices_per_s=20.0)
    assert resolved(tiny.request(folder)) == first
    assert resolved(tiny.request(folder, budget="60m")) == first
    (folder / "cache" / "speed.json").unlink()  # another machine
    assert resolved(tiny.request(folder)) == first


def test_another_time_for_the_same_run_is_refused_and_forced(folder: Path) -> None:
    resolved(tiny.request(folder, budget="1h"))
    with pytest.raises(BenchError, match="a budget of 1 h, not of 2 h") as refused:
        resolve.resolve(tiny.request(folder, budget="2h"))
    assert "--force" in str(refused.value) and "plan.json" in str(refused.value)
    assert resolved(tiny.request(folder, budget="2h", force=True))[0].slices_seen == 7121 + 7200


def test_without_speeds_it_is_refused_with_the_way_to_get_them(folder: Path) -> None:
    (folder / "cache" / "speed.json").unlink()
    with pytest.raises(BenchError, match=r"no measured speed of unet .*; run: bench speed --profile tiny"):
        resolve.resolve(tiny.request(folder, budget="1h"))
    assert (
        resolve.resolve(tiny.request(folder, "night"), timed=False).plan.budget is None
    )  # bench speed itself


def test_a_time_in_which_nothing_can_be_trained_is_refused(folder: Path) -> None:
    with pytest.raises(BenchError, match=r"budget 0.5 min is too short: .* takes about 4[0-9] s"):
        resolve.resolve(tiny.request(folder, budget="0.5m"))


def test_a_profile_may_have_a_time_with_checks_of_its_own(folder: Path) -> None:
    run = resolve.resolve(tiny.request(folder, "night"))
    training = run.plan.cells[2].spec.training
    assert run.plan.budget is not None and training is not None
    # 2 x 4 s of checks more in each cell than with two of them
    assert (run.plan.budget.slices_seen, training.epochs) == (7121 - 16, 4)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("{time: 1x, checks: 2}", "'1x' is no time; write 10h, 90m or 2d"),
        ("{checks: 2}", "needs either slices_seen or time"),
        ("{time: 1h, slices_seen: 4, checks: 2}", "needs either slices_seen or time"),
    ],
)
def test_a_wrong_budget_of_a_file_is_told_with_its_place(tmp_path: Path, budget: str, message: str) -> None:
    text = tiny.EXPERIMENTS.replace("{slices_seen: 96, checks: 2}", budget, 1)
    tiny.write(tmp_path, experiments=text)
    with pytest.raises(BenchError) as refused:
        load(tmp_path / "datasets.yaml", tmp_path / "experiments.yaml")
    assert message in str(refused.value) and "profiles.tiny.budget" in str(refused.value)


def test_a_time_of_one_network_is_refused(tmp_path: Path) -> None:
    text = tiny.EXPERIMENTS.replace(
        "checks: 2}}", "checks: 2}, training: {unet: {budget: {time: 1h, checks: 2}}}}", 1
    )
    tiny.write(tmp_path, experiments=text)
    with pytest.raises(BenchError, match="write it as the budget of the profile"):
        load(tmp_path / "datasets.yaml", tmp_path / "experiments.yaml")
