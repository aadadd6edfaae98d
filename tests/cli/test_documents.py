"""``--json``, ``bench log`` and ``bench status --watch`` as a person or a program meets them."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from bench import cli, gpus
from bench.cli import documents
from bench.records.forecasts import ForecastFile
from bench.records.store import RunStore
from tests import tiny

PAGE = (tiny.ROOT / "docs" / "json.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all cells of ``tiny`` have ended."""
    folder = tiny.write(tmp_path_factory.mktemp("ran"))
    with pytest.MonkeyPatch.context() as patch:
        tiny.finish(folder, patch)
    return folder


@pytest.fixture
def bench(ran: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process in the folder of ``ran``; return exit code, stdout and stderr."""
    monkeypatch.chdir(ran)
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))
    return tiny.command_here(monkeypatch, capfd)


def keys(value: Any) -> set[str]:
    """All keys of a document, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


FREE = {
    "slices",
    "patients",
    "facts",
    "timings",
    "history",
    "skipped",
    "source",
    "folds",
    "means",
}  # their keys are names


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("plan",), "plan"), (("status",), "status"), (("report",), "report"),
        (("data", "check", "--no-leaks"), "data check"),
    ],
)  # fmt: skip
def test_a_document_is_all_that_is_printed_and_its_page_names_every_key(
    bench: Any, command: tuple[str, ...], kind: str
) -> None:
    code, out, err = bench(*command, "--profile", "tiny", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert (document["schema"], document["kind"], document["profile"]) == (1, kind, "tiny")
    named = set(re.findall(r"`(\w+)`", PAGE))
    top = {key: value for key, value in document.items() if key not in FREE}
    inner = [keys({k: v for k, v in one.items() if k not in FREE}) for one in document.get("cells", ())]
    assert set(document).union(*(keys(v) for v in top.values() if not isinstance(v, list)), *inner) <= named


def test_the_plan_holds_every_cell_with_what_will_be_done(bench: Any) -> None:
    document = json.loads(bench("plan", "--profile", "tiny", "--json")[1])
    assert [cell["will"] for cell in document["cells"]] == ["done"] * tiny.CELLS
    assert [cell["updates"] for cell in document["cells"]] == [0, 0, 24, 24]
    assert document["disk"]["pairs_bytes"] == 3 * 20 * 32 * 32 * 4  # a reference and two conditions
    assert (document["forecast"], document["memory"], document["smallest_difference"]) == (None, None, None)


def test_the_status_holds_every_cell_and_the_report_every_score(bench: Any, ran: Path) -> None:
    document = json.loads(bench("status", "--profile", "tiny", "--json")[1])
    assert (document["ended"], document["left_s"]) == (tiny.CELLS, 0)
    assert {cell["status"] for cell in document["cells"]} == {"finished"}
    means = {
        (cell["id"], metric): mean for cell in document["cells"] for metric, mean in cell["means"].items()
    }
    report = json.loads(bench("report", "--profile", "tiny", "--json")[1])
    csv = (ran / "reports" / "tiny" / "results.csv").read_text().splitlines()
    assert len(report["scores"]) == len(csv) - 1
    assert all((ran / path).exists() for path in report["files"])
    assert means == {(one["cell"], one["metric"]): one["mean"] for one in report["scores"]} and means


def test_a_masked_report_names_no_patient(bench: Any, ran: Path) -> None:
    store = RunStore(ran / "runs" / "tiny")
    names = {row["patient"] for one in store.read_all(store.read_plan()) for row in one.scores}
    code, out, err = bench("report", "--profile", "tiny", "--reports", "masked", "--mask-patients", "--json")
    assert (code, err, json.loads(out)["kind"]) == (0, "", "report")
    texts = [
        path.read_bytes().decode(errors="replace") for path in (ran / "masked").rglob("*") if path.is_file()
    ]
    assert any("patient 1" in text for text in texts)
    assert not [
        name for name in names for text in (*texts, out) if re.search(rf"\b{re.escape(str(name))}\b", text)
    ]


def test_scores_that_are_no_finite_number_are_text() -> None:
    row = {"a": float("inf"), "b": float("-inf"), "c": float("nan"), "d": 1.5, "e": None}
    assert documents._finite(row) == {"a": "inf", "b": "-inf", "c": "nan", "d": 1.5, "e": None}


def test_the_log_of_a_cell_is_found_by_a_part_of_its_id_or_by_its_names(bench: Any, ran: Path) -> None:
    store = RunStore(ran / "runs" / "tiny")
    one, other = (cell.id for cell in store.read_plan().cells[2:])
    store.cell(one).write_log("epoch 1/2: loss 0.1")
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d epoch 1/2: loss 0.1\n"
    for name in (one, one[-10:], "unet-sparse", "unet:sparse"):
        code, out, err = bench("log", name, "--profile", "tiny")
        assert (code, err) == (0, "")
        assert re.fullmatch(line, out)
    code, _, err = bench("log", other, "--profile", "tiny")
    assert (code, err.count("\n")) == (2, 1) and "there is no log yet" in err
    code, _, err = bench("log", "unet", "--profile", "tiny")
    assert (code, err) == (2, f"bench: 2 cells match 'unet'; name one of {one}, {other}\n")
    code, _, err = bench("log", "unet:sprase", "--profile", "tiny")
    assert (code, err.count("\n")) == (2, 1) and "no cell 'unet:sprase'" in err


def test_watching_ends_with_the_last_cell_and_with_ctrl_c(
    bench: Any, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = bench("status", "--profile", "tiny", "--watch")
    assert (code, out.count("4 of 4 cells have ended")) == (0, 1)
    record = next(ran.glob("runs/tiny/unet-noisy*/record.json"))
    text, waits = record.read_text(), list[float]()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            record.write_text(text)
        if len(waits) == 3:
            raise cli.Interrupted(signal.SIGINT)

    monkeypatch.setattr(time, "sleep", wait)
    record.unlink()
    code, out, _ = bench("status", "--profile", "tiny", "--watch", "0.5")
    assert (code, waits) == (0, [0.5, 0.5])
    assert out.count("3 of 4 cells have ended") == 2 and out.count("4 of 4 cells have ended") == 1
    record.unlink()
    code, _, err = bench("status", "--profile", "tiny", "--watch")
    record.write_text(text)
    assert (code, err, waits[2:]) == (0, "", [cli.WATCH_S])


def test_what_a_run_was_expected_to_take_is_an_empty_file_at_first(ran: Path) -> None:
    assert not (ran / "runs" / "tiny" / "forecast.json").exists()
    assert documents.of_run(RunStore(ran / "runs" / "tiny"))["outcome"] == {"networks": [], "all": None}
    assert ForecastFile().cells == {}
