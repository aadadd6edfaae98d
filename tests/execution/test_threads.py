"""How many threads a cell runs on, and where that stands afterwards."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import devices
from bench.execution import resolve, runner, threads
from bench.execution.task import fail
from bench.records.store import CellStore
from bench.training.checkpoint import State
from tests import tiny


@pytest.mark.parametrize(
    ("side", "count"), [(16, 1), (64, 1), (255, 1), (256, 2), (511, 2), (512, 4), (1024, 4)]
)
def test_threads_follow_from_the_size_alone(
    side: int, count: int, task: Any, shared_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = task(tmp_path, shared_files).planned
    dataset = cell.spec.dataset.model_copy(update={"size": side})
    cell = cell.model_copy(update={"spec": cell.spec.model_copy(update={"dataset": dataset})})
    for cores in ({0}, set(range(64))):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: cores, raising=False)
        assert threads.of_cell(cell, CellStore(tmp_path)) == count


def test_a_saved_state_counts_before_the_option_and_the_option_before_the_rule(
    task: Any, shared_files: Any, tmp_path: Path
) -> None:
    cell, store = task(tmp_path, shared_files).planned, CellStore(tmp_path)
    assert threads.of_cell(cell, store, chosen=3) == 3
    State(1, [], [], [], None, [], threads=5).save(store.state)
    assert threads.of_cell(cell, store, chosen=3) == 5
    assert threads.of_cell(cell, store) == 5
    assert threads.of_cell(cell, store, chosen=3, anew=True) == 3
    assert threads.of_cell(cell, store, anew=True) == 1
    store.state.write_bytes(b"damaged")  # the training itself says so
    assert threads.of_cell(cell, store) == 1


@pytest.mark.parametrize(("changes", "expected"), [({}, 5), ({"force": True}, 3)], ids=["goes on", "anew"])
def test_a_run_gives_its_cells_their_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], expected: int
) -> None:
    monkeypatch.setattr(threads, "saved_threads", lambda path: 5)
    request = tiny.request(tiny.write(tmp_path), threads=3, **changes)
    prepared = resolve.resolve(request)
    assert {runner.task_of(prepared, cell).threads for cell in prepared.chosen} == {expected}


def test_the_record_names_the_threads_even_where_the_parent_writes_it(
    task: Any, shared_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "describe", dict)  # no backend here, as in the parent process
    work = replace(task(tmp_path, shared_files), threads=3)
    assert fail(work, "planted").environment["threads"] == 3


@pytest.mark.parametrize(
    ("given", "cores"), [((0, 0), 8), ((1, 0), 8), ((0, 3), 8), ((2, 3), 6), ((3, 1), 3)]
)
def test_pairs_are_built_on_the_cores_that_all_cells_take(
    given: tuple[int, int], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve.environment, "cores", lambda: 8)
    request = tiny.request(tmp_path, threads=given[0], workers=given[1])
    assert request.build_threads == cores
