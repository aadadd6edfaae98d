"""The orchestrator with its cells replaced: what is run, what is not, in which order, and what is left."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import atomic, devices
from bench.config.schema import YamlFile
from bench.errors import BenchError, BenchErrors
from bench.events import (
    CellCost,
    CellEnded,
    CellsPlanned,
    CellStarted,
    Event,
    Message,
    ReportWritten,
    RunEnded,
)
from bench.execution import resolve, runner
from bench.plan.forecast import CellForecast
from bench.records import forecasts
from bench.records.store import RunStore
from tests import tiny
from tests.plan.test_forecast import speed as figures

ORDER = ["input-sparse-s0", "input-noisy-s0", "unet-sparse-s1", "unet-noisy-s1"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both files; pairs are not built nor audited, and no tables are drawn."""
    monkeypatch.setattr(runner, "build", lambda *_: iter(()))
    monkeypatch.setattr(runner, "_audited", tiny.unaudited)
    monkeypatch.setattr(runner.report, "publish", tiny.no_tables)
    monkeypatch.setattr(devices, "gpus", list)
    return tiny.write(tmp_path)


def names(ran: list[str]) -> list[str]:
    return [name.rpartition("-")[0] for name in ran]


def run(folder: Path, **changes: Any) -> list[Event]:
    return list(runner.run(tiny.request(folder, **changes)))


def test_all_cells_run_in_the_order_of_the_plan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    events = run(folder)
    assert names(fake.ran) == ORDER
    starts = [(event.number, event.count) for event in events if isinstance(event, CellStarted)]
    assert starts == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert events[-3:] == [Message("wrote results.html"), ReportWritten("results.html", ()), RunEnded(4, 0)]
    store = RunStore(folder / "runs" / "tiny")
    assert [r.record.status for r in store.read_all(store.read_plan()) if r.record] == ["finished"] * 4


def test_second_run_starts_no_worker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder)
    second = tiny.use_fake_executor(monkeypatch)
    events = run(folder)
    assert (second.started, second.ran) == (0, [])
    assert events[2] == Message("nothing to do: all 4 cells have ended")
    assert events[-1] == RunEnded(4, 0)


def test_only_runs_the_cells_asked_for_and_the_rest_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    assert run(folder, only=("unet:noisy", "input:sparse"))[-1] == RunEnded(2, 0)
    assert names(fake.ran) == [ORDER[0], ORDER[3]]
    run(folder)
    assert names(fake.ran) == [ORDER[0], ORDER[3], ORDER[1], ORDER[2]]


def test_what_is_being_started_what_the_cells_cost_and_the_log_of_a_failed_one_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    tiny.use_fake_executor(monkeypatch, failing=("unet-noisy",))
    store = resolve.resolve(tiny.request(folder)).store
    cells = resolve.resolve(tiny.request(folder)).plan.cells
    for cell in cells[2:]:
        store.cell(cell.id).folder.mkdir(parents=True)
        store.cell(cell.id).write_log("a line")
    events = run(folder)
    assert Message("starting TensorFlow and building 1 network ...") in events
    (planned,) = (event for event in events if isinstance(event, CellsPlanned))
    assert events.index(planned) < min(n for n, event in enumerate(events) if isinstance(event, CellStarted))
    assert planned.costs == tuple(
        CellCost(cell.id, cell.spec.model, 24 if cell.spec.training else 0, 0.0, None) for cell in cells
    )
    logs = {event.cell: event.log for event in events if isinstance(event, CellEnded)}
    assert logs == {cell.id: "" for cell in cells} | {cells[3].id: str(store.cell(cells[3].id).log)}
    assert not (store.root / forecasts.NAME).exists()  # no network was measured


def test_the_forecast_of_every_cell_is_frozen_as_the_run_begins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch)
    monkeypatch.setattr(runner, "known", lambda *_: ({"unet": figures()}, ""))
    events = run(folder)
    cells = forecasts.read(folder / "runs" / "tiny").cells
    # 24 updates of 4 slices at 2 a second, 2 checks of 4 s, 4 slices of 2.5 s, one tracing of 8 s for each of two cells
    network = CellForecast(training=48, checks=8, scoring=10, start_up=8)
    assert list(cells.values()) == [CellForecast(scoring=8), CellForecast(scoring=8), network, network]
    (planned,) = (event for event in events if isinstance(event, CellsPlanned))
    assert [cost.seconds for cost in planned.costs] == [8, 8, 74, 74]


def test_failed_cell_does_not_end_the_run_and_is_tried_again_only_when_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tiny.use_fake_executor(monkeypatch, failing=["unet-sparse"])
    events = run(folder)
    assert names(fake.ran) == ORDER
    assert [event.message for event in events if isinstance(event, CellEnded)] == [
        "",
        "",
        "planted failure",
        "",
    ]
    assert events[-1] == RunEnded(3, 1)

    fake = tiny.use_fake_executor(monkeypatch)
    assert run(folder)[-1] == RunEnded(3, 1)
    assert fake.ran == []

    assert run(folder, retry_failed=True)[-1] == RunEnded(4, 0)
    assert names(fake.ran) == ["unet-sparse-s1"]


def test_what_killed_runs_have_left_is_removed_at_the_next_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch, failing=("unet-sparse",))
    run(folder)
    root = folder / "runs" / "tiny"
    finished, failed = next(root.glob("unet-noisy*")), next(root.glob("unet-sparse*"))
    left = [place / ".tmp-0123456789ab-x" for place in (root, finished, failed, folder / "reports" / "tiny")]
    states = [cell / name for cell in (finished, failed) for name in ("state.npz", "state.previous.npz")]
    left[-1].parent.mkdir(parents=True, exist_ok=True)
    for path in (*left, *states):
        path.write_bytes(b"old")
    run(folder)
    assert not any(path.exists() for path in left)
    assert [path.exists() for path in states] == [
        False,
        False,
        True,
        True,
    ]  # a failed one is tried again from it


def test_force_runs_cells_anew_and_takes_their_files_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder)
    root = folder / "runs" / "tiny"
    stale = [cell / "stale.txt" for cell in root.glob("unet-*")]
    for path in stale:
        path.write_bytes(b"old")
    fake = tiny.use_fake_executor(monkeypatch)
    run(folder, force=True, only=("unet:noisy",))
    assert names(fake.ran) == ["unet-noisy-s1"]
    assert sorted(path.exists() for path in stale) == [False, True]


def test_force_removes_a_link_and_leaves_what_it_points_to(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder)
    (cell,) = (folder / "runs" / "tiny").glob("unet-noisy*")
    cell.rename(folder / "elsewhere")
    cell.symlink_to(folder / "elsewhere")
    fake = tiny.use_fake_executor(monkeypatch)
    assert run(folder, force=True, only=("unet:noisy",))[-1] == RunEnded(1, 0)
    assert names(fake.ran) == ["unet-noisy-s1"]
    assert not cell.is_symlink()
    assert (folder / "elsewhere" / "record.json").exists()


def test_force_that_cannot_remove_says_so_and_runs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder)
    (cell,) = (folder / "runs" / "tiny").glob("unet-noisy*")
    original = os.unlink

    def locked(path: Any, *args: Any, **kwargs: Any) -> None:
        if str(path).endswith("record.json"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        original(path, *args, **kwargs)

    fake = tiny.use_fake_executor(monkeypatch)
    for name in ("unlink", "remove"):
        monkeypatch.setattr(os, name, locked)
    with pytest.raises(BenchError, match=r"record\.json: cannot be removed: Permission denied; .*--runs"):
        run(folder, force=True, only=("unet:noisy",))
    assert fake.ran == []
    assert (cell / "scores.csv").exists()  # the record goes first, so no part of a finished cell is lost


def test_each_network_is_built_once_while_the_pairs_are_and_before_any_cell(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    order: list[str] = []
    monkeypatch.setattr(runner, "build", lambda *_: iter([order.append(f"pairs, asked: {fake.built}")][:0]))
    run(folder)
    assert order == ["pairs, asked: [('unet',)]"]
    run(folder, force=True, only=("input:noisy",))
    assert fake.built == [("unet",), ()]  # the untreated input has no network


def test_a_network_that_cannot_be_built_stops_the_run_before_any_cell(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tiny.use_fake_executor(monkeypatch, unbuildable=[("unet", "momentum is 99")])
    with pytest.raises(BenchErrors) as caught:
        run(folder)
    assert str(caught.value) == f"{folder}/experiments.yaml:4: models.unet: momentum is 99"
    assert fake.ran == []


def test_force_keeps_what_is_there_when_a_network_cannot_be_built(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder)
    files = sorted((folder / "runs" / "tiny").glob("*/record.json"))
    before = [file.read_bytes() for file in files]
    tiny.use_fake_executor(monkeypatch, unbuildable=[("unet", "momentum is 99")])
    with pytest.raises(BenchErrors):
        run(folder, force=True)
    assert len(files) == tiny.CELLS
    assert [file.read_bytes() for file in files] == before


def test_changed_setting_makes_new_cells_and_keeps_the_old_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder)
    tiny.write(folder, experiments=tiny.EXPERIMENTS.replace("1e-2", "2e-2"))
    fake = tiny.use_fake_executor(monkeypatch)
    run(folder)
    assert names(fake.ran) == ORDER[2:]
    store = RunStore(folder / "runs" / "tiny")
    assert names(store.others(store.read_plan())) == ["unet-noisy-s1", "unet-sparse-s1"]


def test_interrupted_run_is_unlocked_its_worker_ended_and_continues(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    fake = tiny.use_fake_executor(monkeypatch)
    monkeypatch.setattr(fake, "__exit__", lambda *_: ended.append("worker"))
    events = runner.run(tiny.request(folder))
    for event in events:
        if isinstance(event, CellStarted) and event.number == 3:
            break
    events.close()
    assert ended == ["worker"]
    fake = tiny.use_fake_executor(monkeypatch)
    run(folder)
    assert names(fake.ran) == ORDER[2:]


def test_run_in_use_by_another_process_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    with (
        atomic.lock(folder / "runs" / "tiny" / ".lock"),
        pytest.raises(BenchError, match=r"another bench process \(pid \d+ .*\) is using .*; wait for it or"),
    ):
        run(folder)
    assert fake.started == 0


def test_broken_record_stops_a_run_before_anything_is_trained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder)
    path = next((folder / "runs" / "tiny").glob("unet-noisy*")) / "record.json"
    path.write_text("{", encoding="utf-8")
    fake = tiny.use_fake_executor(monkeypatch)
    with pytest.raises(BenchError, match=r"record\.json: not a record"):
        run(folder)
    assert fake.started == 0


def test_absent_slices_are_told_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINY_ABSENT", raising=False)
    before = sorted(folder.rglob("*"))
    with pytest.raises(BenchError) as caught:
        run(folder, profile="away")
    assert str(caught.value) == (
        f"{folder}/datasets.yaml:5: sources.away.path: TINY_ABSENT is not set; "
        "ask a friend; or try --profile smoke, which needs no data"
    )
    monkeypatch.setenv("TINY_ABSENT", str(folder / "nowhere"))
    with pytest.raises(
        BenchError, match=r":5: sources\.away\.path: .*nowhere/slices is no folder; ask a friend; or"
    ):
        run(folder, profile="away")
    assert sorted(folder.rglob("*")) == before


def test_task_carries_what_a_worker_needs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    asked: list[Any] = []

    class Keep(tiny.FakeExecutor):
        def begin(self, check: Any, threads: Any) -> None:
            asked.append(check)
            super().begin(check, threads)

        def cell(self, work: Any) -> Iterator[Event]:
            seen.append(work)
            return super().cell(work)

    tiny.use_executor(monkeypatch, Keep)
    run(folder)
    noisy, sparse = seen[3], seen[2]
    assert noisy.deviation_factor == 512 / 32
    assert sparse.deviation_factor is None
    assert noisy.files.condition == "noisy"
    assert {part: len(found) for part, found in noisy.parts.items()} == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    assert {patient for patient, _ in noisy.parts["test"]} == {"P001"}
    assert noisy.credit["title"] == "Phantom"
    assert noisy.code.base == str(folder)
    assert noisy.code.sha256 == noisy.planned.spec.code == asked[0].networks[0].code.sha256
    assert {Path(file).name for file in noisy.code.files} >= {"unet.py", "output.py"}
    assert asked[0].networks[0].code == noisy.code
    sha = hashlib.sha256((folder / "datasets.yaml").read_bytes()).hexdigest()
    assert noisy.configuration["datasets.yaml"] == YamlFile(path=f"{folder}/datasets.yaml", sha256=sha)
    record = noisy.store.read_record()
    assert record.configuration == noisy.configuration


def test_unknown_executor_names_the_nearest_before_anything_is_read(folder: Path) -> None:
    with pytest.raises(BenchError, match=r"unknown executor 'locla'; did you mean local\?"):
        run(folder, executor="locla")
    assert not (folder / "runs").exists()


def test_build_makes_only_what_is_asked_and_only_once(tmp_path: Path) -> None:
    prepared = resolve.resolve(tiny.request(tiny.write(tmp_path)))
    first = list(runner.build(prepared, {"noisy"}))
    assert (first[0].done, first[-1].done, first[-1].total) == (0, 20, 20)  # type: ignore[union-attr]
    folder = Path(prepared.files["noisy"].folder)
    assert sorted(path.name.split("-")[0] for path in folder.glob("*.npy")) == ["noisy", "reference.npy"]
    assert {event.stage for event in runner.build(prepared, {"noisy"})} == {"verify"}  # type: ignore[union-attr]
    tiny.flip(folder / "reference.npy", -1)
    again = list(runner.build(prepared, {"noisy"}))
    assert [event.text for event in again if isinstance(event, Message)] == [
        f"{folder}: the bytes of reference.npy have changed; built anew"
    ]
    assert again[-1] == first[-1]


def test_plan_writes_nothing(tmp_path: Path) -> None:
    tiny.write(tmp_path)
    done = tiny.bench(tmp_path, "plan", "--profile", "tiny")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["datasets.yaml", "experiments.yaml"]
