"""``bench check-model``: which network a name means, a line for each check, the exit code, cost and forecast."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench import cli
from bench.contract import CHECKS, checks
from bench.contract.checks import Verdict
from bench.contract.subject import Subject
from bench.errors import BenchError
from tests import tiny

OWN = "def build(depth: int = 2): ...\n"


@pytest.fixture
def subjects(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Subject]]:
    """The networks that were checked; all checks pass, and nothing is built."""
    seen: list[Subject] = []

    def passed(subject: Subject) -> Iterator[Verdict]:
        seen.append(subject)
        yield from (Verdict(name, True, "seen") for name in CHECKS)

    before = dict(os.environ)
    monkeypatch.setattr(checks, "run_all", passed)
    monkeypatch.setattr(checks, "gflop", lambda subject, side: 2e-6 * side**2)
    monkeypatch.setattr(Subject, "updated", type("Updated", (), {"update_s": 0.5}))
    yield seen
    os.environ.clear()
    os.environ.update(before)


def check(folder: Path, *arguments: str) -> Result:
    files = [f"--{name}={folder / name}.yaml" for name in ("datasets", "experiments")]
    command = ["check-model", *arguments, "--profile", "tiny", f"--cache={folder / 'cache'}", *files]
    return CliRunner().invoke(cli.cli, command, catch_exceptions=False)


def test_a_name_is_a_model_a_file_or_a_function(tmp_path: Path, subjects: list[Subject]) -> None:
    folder = tiny.write(tmp_path)
    (folder / "models").mkdir()
    (folder / "models" / "own.py").write_text(OWN)
    for name in ("unet", "own", "models.own:build"):
        assert check(folder, name, "--side", "32").exit_code == 0
    assert [(one.build, one.params, one.side) for one in subjects] == [
        ("models.unet:build", {"filters": [4, 8], "momentum": 0.5}, 32),
        ("models.own:build", {}, 32),
        ("models.own:build", {}, 32),
    ]
    with pytest.raises(
        BenchError, match=r"umet: neither a model of experiments.yaml nor a file .*; did you mean unet"
    ):
        check(folder, "umet")


def test_cost_and_a_rough_forecast_follow_the_checks(tmp_path: Path, subjects: list[Subject]) -> None:
    lines = check(tiny.write(tmp_path), "unet").output.splitlines()
    assert lines[: len(CHECKS)] == [f"ok      {name}: seen" for name in CHECKS]
    assert (
        lines[len(CHECKS)]
        == "cost: 0.00205 GFLOP a slice of 32 x 32, 0.524 GFLOP a slice of 512 x 512, forward"
    )
    # 96 slices of 32 x 32 at 0.5 s a slice of 64 x 64
    assert lines[len(CHECKS) + 1] == "forecast: roughly 12 s to train a cell of profile tiny, 96 slices seen"


def test_a_failed_check_is_exit_code_1_and_no_forecast(
    tmp_path: Path, subjects: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "run_all", lambda subject: iter([Verdict("builds", False, "no")]))
    done = check(tiny.write(tmp_path), "unet")
    assert (done.exit_code, done.output) == (1, "failed  builds: no\n")
    document = json.loads(check(tmp_path, "unet", "--json").output)
    assert document["checks"] == [{"name": "builds", "passed": False, "words": "no"}]
    assert (document["kind"], document["gflop"]) == ("check-model", {})
