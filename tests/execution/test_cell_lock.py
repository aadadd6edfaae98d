"""One cell is worked on by one process at a time, and what has ended meanwhile is not done again."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import atomic
from bench.errors import BenchError
from bench.events import Event, Message
from bench.execution import attempt, cell_lock, runner
from bench.execution.task import Task
from tests import tiny

HOLD = """
import sys, time
from pathlib import Path
from bench import atomic
with atomic.lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def work(task: Any, pair_files: Any, tmp_path: Path) -> Task:
    made: Task = task(
        tmp_path / "runs" / "cell", pair_files(tmp_path / "pairs"), build=None, params={}, seed=0
    )
    return made


@pytest.fixture
def holder(work: Task) -> Any:
    """Another process that works on the cell."""
    command = [sys.executable, "-c", HOLD, str(work.store.lock)]
    process = subprocess.Popen(
        command, env=tiny.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_cell_that_another_process_works_on_is_left_alone(
    work: Task, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_lock, "WAIT_S", 0.5)
    events: list[Event] = []
    ended = attempt.attempt(work, events.append)
    assert (ended.status, work.store.read_record()) == ("failed", None)
    assert f"left alone: another bench process (pid {holder.pid} on " in ended.message
    assert ended.message.endswith(f"is using {work.store.folder}; run again later")
    assert [type(event) for event in events] == [Message]


def test_the_worker_of_a_killed_command_is_waited_for(work: Task, holder: Any) -> None:
    events: list[Event] = []

    def kill_and_note(event: Event) -> None:
        holder.kill()
        events.append(event)

    ended = attempt.attempt(work, kill_and_note)
    assert ended.status == "finished"
    assert isinstance(events[0], Message)
    assert f"pid {holder.pid}" in events[0].text


def test_what_has_ended_since_it_was_chosen_keeps_its_record(work: Task) -> None:
    assert attempt.attempt(replace(work, before=""), lambda event: None).status == "finished"
    record = work.store.folder / "record.json"
    before = record.stat()
    again = attempt.attempt(replace(work, before=""), lambda event: None)
    assert (again.status, again.message) == ("finished", "it has ended meanwhile")
    assert record.stat() == before
    chosen = replace(work, before=work.store.record_sha256())  # as of a failed cell that is tried again
    time.sleep(0.01)
    assert attempt.attempt(chosen, lambda event: None).message == ""
    assert record.stat() != before


def test_force_spares_a_cell_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.finish(tiny.write(tmp_path), monkeypatch)
    store = runner.resolve(tiny.request(tmp_path)).store
    cell = store.cell(store.read_plan().cells[0].id)
    with (
        atomic.lock(cell.lock, what=cell.folder),
        pytest.raises(
            BenchError, match=rf"is using .*{cell.folder.name}; wait until it has ended, or stop it"
        ),
    ):
        list(runner.run(tiny.request(tmp_path, force=True)))
    assert cell.read_record() is not None


def test_force_removes_nothing_while_another_process_is_at_one_of_the_cells(work: Task, holder: Any) -> None:
    other = replace(work.store, folder=work.store.folder.with_name("another"))
    other.write_history([{"epoch": 1}])
    with pytest.raises(atomic.Busy, match=f"pid {holder.pid}"):
        runner._remove([other, work.store])
    assert other.history.exists()
