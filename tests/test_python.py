"""``bench`` in Python: the numbers are those of the report, and nothing of the caller's process is changed."""

from __future__ import annotations

import csv
import doctest
import multiprocessing.spawn
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.execution import runner, worker
from bench.report.frame import Results
from tests import tiny

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def folder(tmp_path: Path, trained_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained folder, which is also the current one."""
    copy = shutil.copytree(trained_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("cache"))
    monkeypatch.chdir(copy)
    return Path(copy)


def test_importing_it_loads_no_library() -> None:
    code = (
        "import sys, bench; bench.__all__; "
        "print(sorted({'keras', 'tensorflow', 'pandas', 'numpy', 'pydantic'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [*tiny.command(code)], env=tiny.environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert {"results", "load", "run", "BenchError"} <= {*dir(bench)}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bench.nothing  # noqa: B018


def test_results_are_the_slices_and_the_means_of_the_report(trained_folder: Path) -> None:
    scores = bench.results(trained_folder / "runs" / "tiny")
    with open(trained_folder / "reports" / "tiny" / "slices.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(scores.columns) == list(rows[0])
    assert len(scores) == len(rows) == 8
    for (_, own), row in zip(scores.iterrows(), rows, strict=True):
        assert (own["model"], own["patient"], own["slice"]) == (row["model"], row["patient"], row["slice"])
        assert own["psnr.slice_max"] == float(row["psnr.slice_max"])
    with open(trained_folder / "reports" / "tiny" / "results.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["mean_over_seeds"]:
                value = scores.table(row["metric"]).loc[row["condition"], row["model"]]
                assert value == float(row["mean_over_seeds"])


def rows(**columns: Any) -> Results:
    place = {
        "profile": "p",
        "condition": "c",
        "model": "n",
        "seed": 1,
        "fold": None,
        "patient": "P",
        "slice": "1",
    }
    count = max(len(value) for value in columns.values())
    return Results({**{key: [value] * count for key, value in place.items()}, **columns})


def test_a_table_is_the_mean_over_slices_then_over_seeds() -> None:
    scores = rows(seed=[1, 1, 2], slice=["1", "2", "1"], m=[1.0, 3.0, 10.0])
    assert scores.table("m").loc["c", "n"] == (2 + 10) / 2
    assert scores[scores["seed"] == 1].table("m").loc["c", "n"] == 2


def test_a_table_leaves_out_what_the_report_leaves_out() -> None:
    """A slice of which the input has no finite score, a score that is none, and a seed without all its folds."""
    names, values = ["input"] * 3 + ["n"] * 3, [np.inf, 1.0, 3.0, 50.0, np.nan, 4.0]
    table = rows(model=names, slice=["1", "2", "3"] * 2, m=values).table("m")
    assert (table.loc["c", "input"], table.loc["c", "n"]) == (2.0, 4.0)
    folds = rows(seed=[1, 1, 2], fold=[1, 2, 1], slice=["1", "2", "1"], m=[1.0, 3.0, 10.0])
    assert folds.table("m").loc["c", "n"] == 2


def test_a_metric_that_is_not_there_is_named() -> None:
    with pytest.raises(bench.BenchError, match=r"no metric 'psnr'; did you mean psnrs\?"):
        rows(psnrs=[1.0]).table("psnr")


def test_no_run_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(bench.BenchError, match=r"plan\.json: no run here yet"):
        bench.results(tmp_path)


def test_a_run_changes_no_signal_handler_and_returns_the_scores(folder: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    events: list[Any] = []
    scores = bench.run("tiny", ["unet:noisy", "input:noisy"], tell=events.append)
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert set(scores["model"]) == {"unet", "input"}
    assert any("all 2 cells have ended" in str(event) for event in events)


def test_bad_input_of_a_run_raises(folder: Path) -> None:
    with pytest.raises(bench.BenchError, match=r"unknown profile 'tin'; did you mean tiny\?"):
        bench.run("tin")
    with pytest.raises(bench.BenchError, match=r"no option 'thread'; did you mean threads\?"):
        bench.run("tiny", thread=1)


def test_a_cell_that_fails_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.use_fake_executor(monkeypatch, failing=("unet-noisy",))
    monkeypatch.setattr(runner, "build", lambda *_: iter(()))
    monkeypatch.setattr(runner, "_audited", tiny.unaudited)
    monkeypatch.chdir(tiny.write(tmp_path))
    with pytest.warns(
        RuntimeWarning, match=r"1 cell did not finish: unet-noisy-s1-\w+ \(failed: planted failure\)"
    ):
        scores = bench.run("tiny", workers=1)
    assert np.isnan(scores.table().reindex(columns=["input", "unet"]).loc["noisy", "unet"])


def test_a_worker_does_not_execute_the_script_that_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.setattr(main, "__file__", "script.py", raising=False)
    assert "init_main_from_path" in multiprocessing.spawn.get_preparation_data("worker")
    with worker._without_main():
        prepared = multiprocessing.spawn.get_preparation_data("worker")
    assert not {"init_main_from_path", "init_main_from_name"} & {*prepared}
    assert sys.modules["__main__"] is main


@pytest.mark.integration
def test_the_guide_does_what_it_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (tiny.ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    text = guide.replace("```", "").replace("paper", "tiny").replace("ldct_1e5", "noisy")
    text = text.replace('["unet:noisy"]', '["unet:noisy", "input:noisy"]')
    page = doctest.DocTestParser().get_doctest(text, {}, "python.md", "docs/python.md", 0)
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.REPORT_ONLY_FIRST_FAILURE).run(
        page
    )
    assert (results.failed, results.attempted) == (0, guide.count(">>>"))
    assert (folder / "unet.keras").is_file()
