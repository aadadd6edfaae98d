"""Folders of results as one: what is copied, what is refused, and what a kill leaves."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import atomic
from bench.errors import BenchError, BenchErrors
from bench.records import merging
from bench.records.store import RunStore
from bench.report import publish
from tests import tiny

Runs = dict[str, RunStore]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """A whole run, and two folders with two of its four cells each."""
    tiny.finish(tiny.write(tmp_path / "whole"), monkeypatch)
    whole = RunStore(tmp_path / "whole" / "runs" / "tiny")
    stores = {"whole": whole}
    for name in "ab":
        stores[name] = RunStore(tmp_path / name / "tiny")
        shutil.copytree(whole.root, stores[name].root)
    ids = cells(whole)
    for name, gone in (("a", ids[2:]), ("b", ids[:2])):
        for one in gone:
            stores[name].cell(one).remove()
    return stores


def cells(store: RunStore) -> list[str]:
    return [cell.id for cell in store.read_plan().cells]


def contents(store: RunStore) -> dict[str, bytes]:
    """Return the bytes of all files by name, but for locks."""
    paths = [path for path in store.root.rglob("*") if path.is_file() and ".lock" not in str(path)]
    return {str(path.relative_to(store.root)): path.read_bytes() for path in paths}


def change(store: RunStore, cell: str, edit: Callable[[dict[str, Any]], object]) -> None:
    path = store.root / cell / "record.json"
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def test_two_halves_are_the_whole_run(runs: Runs, tmp_path: Path) -> None:
    state = runs["b"].cell(cells(runs["b"])[2]).state
    state.write_bytes(b"state")
    state.with_name(".tmp-1-x").write_bytes(b"left by a killed writer")
    lines = list(merging.merge([runs["a"], runs["b"]], runs["a"]))
    assert lines[-1] == f"2 cells copied; {runs['a'].root} has 4 of 4 cells"
    assert contents(runs["a"]) == contents(runs["whole"])
    tables = {name: publish(runs[name], tmp_path / "reports" / name).paths for name in ("a", "whole")}
    for a, b in zip(tables["a"], tables["whole"], strict=True):
        assert a.is_dir() == b.is_dir()
        texts = [
            b"" if one.is_dir() else re.sub(rb'href="\.\./[^"]*"', b"", one.read_bytes()) for one in (a, b)
        ]
        assert texts[0] == texts[1]  # but for the page's links to the files of its own run


def test_into_a_third_folder_the_first_two_stay(runs: Runs, tmp_path: Path) -> None:
    before, into = contents(runs["a"]), RunStore(tmp_path / "into" / "tiny")
    assert len(list(merging.merge([runs["a"], runs["b"]], into))) == 5
    assert contents(into) == contents(runs["whole"])
    assert contents(runs["a"]) == before
    assert next(merging.merge([runs["a"], runs["b"]], into)).startswith("0 cells copied")


def test_equal_ids_with_different_scores_are_refused_by_file_and_hashes(runs: Runs) -> None:
    cell = cells(runs["whole"])[0]
    path = runs["whole"].root / cell / "scores.csv"
    path.write_text(path.read_text().replace("1.5", "1.25"))
    before = contents(runs["b"])
    with pytest.raises(BenchErrors) as caught:
        list(merging.merge([runs["b"], runs["whole"], runs["a"]], runs["b"]))
    assert len(caught.value.errors) == 1
    hashes = re.search(r"scores\.csv is (\w{64}) in .* and (\w{64}) in ", str(caught.value))
    assert hashes is not None
    assert hashes[1] != hashes[2]
    assert contents(runs["b"]) == before


def test_a_record_of_other_data_is_refused(runs: Runs) -> None:
    change(runs["whole"], cells(runs["a"])[1], lambda record: record["data"].update(degraded="0" * 64))
    with pytest.raises(BenchErrors, match=r"record\.json is"):
        list(merging.merge([runs["a"], runs["whole"]], runs["a"]))


def test_times_and_machines_are_no_difference(runs: Runs) -> None:
    cell = cells(runs["a"])[1]
    change(
        runs["whole"], cell, lambda record: record.update(timings={"train_s": 9.0}, environment={"cpu": "x"})
    )
    assert list(merging.merge([runs["a"], runs["whole"]], runs["a"]))[-1].startswith("2 cells copied")


def test_a_failed_cell_gives_way_to_a_finished_one_and_not_the_other_way(runs: Runs) -> None:
    cell = cells(runs["a"])[1]
    change(runs["a"], cell, lambda record: record.update(status="failed"))
    list(merging.merge([runs["whole"], runs["a"]], runs["whole"]))
    assert runs["whole"].cell(cell).read_record().status == "finished"  # type: ignore[union-attr]
    assert f"{cell} from {runs['whole'].root}" in list(merging.merge([runs["a"], runs["whole"]], runs["a"]))
    assert contents(runs["a"]) == contents(runs["whole"])


@pytest.mark.parametrize("files", [0, 3])
def test_a_kill_leaves_whole_cells_and_the_same_command_goes_on(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    copied: list[Path] = []
    copyfile = shutil.copyfile

    def killed(source: Path, target: Path) -> None:
        if len(copied) == files:
            raise KeyboardInterrupt
        copied.append(copyfile(source, target))

    with monkeypatch.context() as patched:
        patched.setattr(merging.shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            list(merging.merge([runs["a"], runs["b"]], runs["a"]))
    whole = contents(runs["whole"])
    assert {name: whole[name] for name in contents(runs["a"])} == contents(runs["a"])
    there = {name.partition("/")[0] for name in contents(runs["a"]) if "/" in name}
    assert {name for name in whole if name.partition("/")[0] in there} <= set(contents(runs["a"]))
    list(merging.merge([runs["a"], runs["b"]], runs["a"]))
    assert contents(runs["a"]) == whole


def test_plans_that_do_not_belong_together_are_refused(runs: Runs) -> None:
    plan = runs["b"].read_plan()
    cell = plan.cells[2]
    other = cell.model_copy(update={"id": f"{cell.id}0"})
    runs["b"].write_plan(plan.model_copy(update={"cells": [*plan.cells[:2], other, plan.cells[3]]}))
    with pytest.raises(
        BenchError, match=rf"plan\.json: {other.id} is planned with other settings than {cell.id}"
    ):
        list(merging.merge([runs["a"], runs["b"]], runs["a"]))
    runs["b"].write_plan(plan.model_copy(update={"profile": "other"}))
    with pytest.raises(BenchError, match="of another profile than"):
        list(merging.merge([runs["a"], runs["b"]], runs["a"]))


def test_another_split_is_refused(runs: Runs) -> None:
    runs["b"].write_split("other\n")
    with pytest.raises(BenchError, match="another split than"):
        list(merging.merge([runs["a"], runs["b"]], runs["a"]))


def test_a_cell_at_work_is_not_replaced(runs: Runs) -> None:
    cell = runs["a"].cell(cells(runs["a"])[2])
    with (
        atomic.lock(cell.lock, what=cell.folder),
        pytest.raises(BenchError, match=r"is using .*; wait until"),
    ):
        list(merging.merge([runs["a"], runs["b"]], runs["a"]))


def test_command(runs: Runs, tmp_path: Path) -> None:
    done = tiny.bench(tmp_path, "merge", "a", "b", "--profile", "tiny")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 cells copied; a/tiny has 4 of 4 cells")
    assert tiny.bench(tmp_path, "merge", "a").returncode == 2
