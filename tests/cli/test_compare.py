"""``bench compare`` as a pull request's check calls it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.cli.test_documents import PAGE, keys
from tests.cli.test_verify import spoil

SMOKE = tiny.ROOT / "benchmarks" / "records" / "smoke"
CELL = "unet-ldct_1e5"


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of two cells' worth of the committed smoke run, in ``b/smoke``."""
    shutil.copytree(SMOKE, tmp_path / "b" / "smoke")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "b" / "smoke"


@pytest.fixture
def bench(other: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    return tiny.command_here(monkeypatch, capfd, "compare", str(SMOKE))


def lower(run: Path, cell: str, by: float) -> None:
    """Take ``by`` dB from the PSNR of every slice of a cell."""
    (path,) = run.glob(f"{cell}*/scores.csv")
    head, *lines = path.read_text().splitlines()
    at = head.split(",").index("psnr.slice_max")
    rows = [line.split(",") for line in lines]
    changed = [[*row[:at], repr(float(row[at]) - by), *row[at + 1 :]] for row in rows]
    path.write_text("\n".join((head, *map(",".join, changed))) + "\n")


def test_equal_runs_are_said_to_be_equal(bench: Any) -> None:
    code, out, err = bench("b/smoke", "--fail-below", "-0.01")
    assert (code, err) == (0, "")
    assert out == (
        "24 cells finished in both runs; 24 with scores equal to the last bit.\n\n"
        "No network lost more than 0.01 dB of PSNR.\n"
    )


def test_a_loss_fails_only_beyond_what_is_allowed_and_stands_in_table_summary_and_json(
    bench: Any, other: Path
) -> None:
    lower(other, CELL, 0.25)
    code, out, _ = bench("b/smoke", "--fail-below", "-0.3")
    assert code == 0
    row = next(line.split() for line in out.splitlines() if line.startswith("unet:ldct_1e5:s1"))
    assert row[3] == "-0.250"
    assert row[4:7] == ["-0.250", "to", "-0.250"]  # the same in all three patients
    assert bench("b/smoke")[0] == 0
    code, out, _ = bench("b/smoke", "--fail-below", "-0.2", "--summary", "s.md", "--json")
    assert code == 1
    document = json.loads(out)
    assert document["losses"] == ["unet:ldct_1e5:s1: PSNR -0.25 dB, below -0.2 dB"]
    (changed,) = [cell for cell in document["cells"] if not cell["equal"]]
    words = {one["metric"]: one["word"] for one in changed["metrics"]}
    assert (words["psnr.slice_max"], words["ssim.slice_max"]) == (
        "open",
        "equal",
    )  # three patients prove nothing
    assert not {key for key in keys(document) if f"`{key}`" not in PAGE}
    text = (other.parent.parent / "s.md").read_text()
    assert "| unet:ldct_1e5:s1 | " in text
    assert "- unet:ldct_1e5:s1: PSNR -0.25 dB" in text


def test_a_cell_that_is_gone_or_new_is_named_and_only_a_loss_fails(bench: Any, other: Path) -> None:
    (record,) = other.glob(f"{CELL}*/record.json")
    record.unlink()
    code, out, _ = bench("b/smoke")
    assert code == 0
    assert "Finished in A only:\n\n- unet:ldct_1e5:s1 (in B: not run yet)" in out
    assert bench("b/smoke", "--fail-below", "-1")[0] == 1


def test_what_is_no_run_is_one_line(bench: Any) -> None:
    code, _, err = bench("b")
    assert (code, err) == (2, "bench: b: not the folder of a run: it has no plan.json; give b/smoke\n")
    assert bench("b/smoke", "--metric", "psnr")[0] == 2
    assert bench("b/smoke", "--fail-below", "nan")[0] == 2
    assert bench("none")[0] == 2


def test_a_score_that_is_no_number_any_more_is_a_loss(bench: Any, other: Path) -> None:
    (path,) = other.glob(f"{CELL}*/scores.csv")
    value = path.read_text().splitlines()[1].split(",")[2]
    spoil(other, CELL, old=value, new="nan")
    code, out, _ = bench("b/smoke", "--fail-below", "-5")
    assert code == 1
    assert "PSNR is no finite number on 1 slice" in out
