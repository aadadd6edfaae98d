"""A run with two worker processes beside one with one: equal bytes, and a planted death that costs its cell."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.events import CellEnded, CellStarted, Event, Message
from bench.execution import runner
from bench.records.store import CellStore, RunStore
from tests import tiny

pytestmark = pytest.mark.integration

SMALL = """
import keras

def build():
    image = keras.Input((None, None, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3, padding="same")(image))
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(x))
"""
# Built once to be checked; the second time, for a cell, its process is killed.
DEADLY = """
import os
import signal
from pathlib import Path

import keras

def build(marker):
    if Path(marker).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    Path(marker).touch()
    image = keras.Input((None, None, 1))
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(image))
"""
EXPERIMENTS = """
schema: 1
models:
  deadly: {{build: "deadly:build", params: {{marker: {marker}}}, recipes: {{study: {recipe}}}}}
  small: {{build: "small:build", recipes: {{study: {recipe}}}}}
experiments:
  default: {{models: [deadly, small], conditions: [sparse, noisy]}}
profiles:
  tiny: {{source: phantom, split: phantom, size: 32, budget: {{slices_seen: 96, checks: 2}}}}
"""
RECIPE = "{learning_rate: 1e-2, epochs: 2, batch: 4, passes: 4, loss: mse}"
KEPT = ("input:sparse", "input:noisy", "small:sparse", "small:noisy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a benchmark with a network that kills its process."""
    folder = tmp_path_factory.mktemp("benchmark")
    (folder / "deadly.py").write_text(DEADLY)
    (folder / "small.py").write_text(SMALL)
    return tiny.write(folder, experiments=EXPERIMENTS.format(marker=folder / "marker", recipe=RECIPE))


@pytest.fixture(scope="module")
def events(folder: Path) -> dict[int, list[Event]]:
    """The events of the runs by their number of workers; both share their pairs."""
    only = {1: KEPT, 2: ("deadly:noisy", *KEPT)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "_audited", tiny.unaudited)
        return {
            count: list(runner.run(tiny.request(folder, runs=folder / str(count), workers=count, only=cells)))
            for count, cells in only.items()
        }


def cells(folder: Path, count: int) -> Iterator[tuple[str, CellStore]]:
    store = RunStore(folder / str(count) / "tiny")
    for cell in store.read_plan().cells:
        if (store.root / cell.id).exists():
            yield cell.id.rpartition("-")[0], store.cell(cell.id)


def test_scores_and_weights_do_not_depend_on_the_number_of_workers(
    events: dict[int, list[Event]], folder: Path
) -> None:
    one, two = (dict(cells(folder, count)) for count in (1, 2))
    assert len(one) == len(KEPT)
    for name, single in one.items():
        double = two[name]
        assert (single.folder / "scores.csv").read_bytes() == (double.folder / "scores.csv").read_bytes()
        if name.startswith("small"):
            with np.load(single.weights) as a, np.load(double.weights) as b:
                assert {key: a[key].tobytes() for key in a.files} == {
                    key: b[key].tobytes() for key in b.files
                }


def test_a_worker_that_is_killed_costs_its_cell_and_the_others_go_on(
    events: dict[int, list[Event]], folder: Path
) -> None:
    ended = {event.cell.rpartition("-")[0]: event for event in events[2] if isinstance(event, CellEnded)}
    assert {name: event.status for name, event in ended.items()} == {
        "deadly-noisy-s1": "failed", "input-sparse-s0": "finished", "input-noisy-s0": "finished",
        "small-sparse-s1": "finished", "small-noisy-s1": "finished",
    }  # fmt: skip
    assert "killed" in ended["deadly-noisy-s1"].message
    record = dict(cells(folder, 2))["deadly-noisy-s1"].read_record()
    assert record is not None
    assert (record.status, record.attempts[0].message) == ("failed", ended["deadly-noisy-s1"].message)


def test_two_cells_are_at_work_at_once_and_each_has_its_first_and_last_event(
    events: dict[int, list[Event]],
) -> None:
    at_work, most = set[str](), {1: 0, 2: 0}
    for count, one in events.items():
        for event in one:
            if isinstance(event, CellStarted):
                at_work.add(event.cell)
            elif isinstance(event, CellEnded):
                at_work.remove(event.cell)
            most[count] = max(most[count], len(at_work))
    assert most == {1: 1, 2: 2}
    assert Message("up to 2 cells at once") in events[2]


def test_the_record_names_threads_and_rows_without_a_network_need_no_backend(
    events: dict[int, list[Event]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, store in cells(folder, 2):
        record = store.read_record()
        assert record is not None
        assert record.environment["threads"] == 1
    monkeypatch.setattr(runner, "_audited", tiny.unaudited)
    request = tiny.request(folder, runs=folder / "untreated", only=("input:sparse",))
    assert any(isinstance(event, CellEnded) for event in runner.run(request))
    (path,) = (folder / "untreated" / "tiny").glob("input-*")
    record = CellStore(path).read_record()
    assert record is not None
    assert record.status == "finished"
    assert "backend" not in record.environment  # that is: no Keras in the worker


def test_no_process_and_no_temporary_file_is_left(events: dict[int, list[Event]], folder: Path) -> None:
    assert multiprocessing.active_children() == []
    names = {
        path.name
        for path in (folder / "2" / "tiny").rglob("*")
        if path.is_file() and path.parent.name != ".locks"
    }
    assert names <= {
        "plan.json", "split.csv", "log.txt", ".lock", "record.json", "scores.csv", "samples.npz",
        "weights.npz", "history.csv", "spectra.csv",
    }  # fmt: skip
