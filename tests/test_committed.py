"""The tables of the documents are those of the committed records, which name no place of a machine."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.records import replaying
from bench.records.store import RunStore
from benchmarks import committed

SMOKE = RunStore(committed.RECORDS / "smoke")


@pytest.mark.parametrize("page", committed.PAGES, ids=lambda page: page.name)
def test_the_tables_of_the_documents_are_those_of_the_records(page: Path) -> None:
    """On a failure: ``python benchmarks/committed.py``."""
    text = page.read_text(encoding="utf-8")
    named = {"README.md": ["own-slices-gpu"], "tutorial.md": ["smoke"]}
    assert [found[1] for found in committed.TABLE.findall(text)] == named[page.name]
    assert committed.written(text) == text


@pytest.mark.integration
def test_a_changed_digit_in_the_page_or_in_the_scores_is_stale(tmp_path: Path) -> None:
    text = committed.PAGES[1].read_text(encoding="utf-8")
    number = re.findall(r"\d\d\.\d\d / \.\d{4}", text)[3]
    assert committed.written(text.replace(number, "99.99 / .9999", 1)) == text
    shutil.copytree(committed.RECORDS, tmp_path / "records")
    (cell,) = (tmp_path / "records" / "smoke").glob("dncnn-sparseview_60-*")
    scores = cell / "scores.csv"
    scores.write_text(re.sub(r"(P003,z001,)\d\d", r"\g<1>10", scores.read_text(encoding="utf-8")))
    assert committed.written(text, tmp_path / "records") != text


@pytest.mark.parametrize("name", ["smoke", "own-slices-gpu"])
def test_every_committed_cell_has_finished_and_its_bytes_are_whole(name: str) -> None:
    run = RunStore(committed.RECORDS / name)
    for cell in run.read_plan().cells:
        seen = replaying.inspect(run.cell(cell.id))
        assert seen.record is not None
        assert (seen.record.id, seen.record.status) == (cell.id, "finished")
        assert [fault for fault in seen.faults if "weights.npz: absent" not in fault] == []
    assert {path.name for path in run.root.rglob("*") if path.is_file()} == {
        "plan.json", "split.csv", "record.json", "scores.csv", "history.csv", "spectra.csv",
    }  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunStore:
    """One finished row without a network, as a run leaves it."""
    store = RunStore(tmp_path / "runs" / "smoke")
    plan = SMOKE.read_plan()
    cells = [cell for cell in plan.cells if cell.spec.build is None][:1]
    store.write_plan(plan.model_copy(update={"cells": cells}))
    shutil.copy(SMOKE.root / "split.csv", store.root)
    shutil.copytree(SMOKE.root / cells[0].id, store.root / cells[0].id)
    return store


def test_what_is_kept_is_what_the_run_has(run: RunStore, tmp_path: Path) -> None:
    committed.keep(run, tmp_path / "kept")
    kept = {
        path.relative_to(tmp_path / "kept"): path.read_bytes() for path in (tmp_path / "kept").rglob("*.*")
    }
    assert kept == {path.relative_to(run.root): path.read_bytes() for path in run.root.rglob("*.*")}


@pytest.mark.parametrize("place", ["/home/me/experiments.yaml", "see /data/x/y", r"C:\runs"])
def test_a_place_of_a_machine_is_refused(run: RunStore, tmp_path: Path, place: str) -> None:
    plan = json.loads((run.root / "plan.json").read_text(encoding="utf-8"))
    plan["configuration"]["experiments.yaml"]["path"] = place
    (run.root / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    with pytest.raises(BenchError, match="names a place on this machine"):
        committed.keep(run, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("text", ["https://doi.org/10.1000/a/b", "mu/mu_water", "SSIM / PSNR", "a/b/c"])
def test_addresses_and_fractions_are_no_places(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps([text]), encoding="utf-8")
    committed.refuse_places(tmp_path / "a.json")


def test_restricted_slices_and_changed_scores_are_not_kept(run: RunStore, tmp_path: Path) -> None:
    store = run.cell(run.read_plan().cells[0].id)
    record = store.read_record()
    assert record is not None
    store.write_record(record.model_copy(update={"source": {**record.source, "restricted": True}}))
    with pytest.raises(BenchError, match="not to be passed on"):
        committed.keep(run, tmp_path / "kept")
    store.write_record(record)
    scores = store.folder / "scores.csv"
    scores.write_bytes(scores.read_bytes()[:-2] + b"9\n")
    with pytest.raises(BenchError, match=r"scores\.csv: SHA-256"):
        committed.keep(run, tmp_path / "kept")


def test_a_run_that_came_without_its_weights_is_kept(tmp_path: Path) -> None:
    store, plan = RunStore(tmp_path / "runs" / "smoke"), SMOKE.read_plan()
    (cell,) = [cell for cell in plan.cells if cell.id.startswith("unet-ldct_1e5")]
    store.write_plan(plan.model_copy(update={"cells": [cell]}))
    shutil.copy(SMOKE.root / "split.csv", store.root)
    shutil.copytree(SMOKE.root / cell.id, store.root / cell.id)
    committed.keep(store, tmp_path / "kept")
    assert (tmp_path / "kept" / cell.id / "scores.csv").is_file()
