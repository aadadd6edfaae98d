"""Planted ends of worker processes: each is a failed record with its log, and the next cell goes on. No backend."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import devices
from bench.errors import BenchError
from bench.events import CellEnded, Event, Message
from bench.execution import watch, worker
from bench.execution.machine import Machine
from bench.execution.task import Network, NetworkCheck, Task
from bench.execution.watch import Watch
from bench.execution.worker import Worker
from bench.network_code.importing import Planned
from tests.planted import PlantedStore

SEGFAULT, KILLED = "import ctypes\nctypes.string_at(0)", "import os\nos.kill(os.getpid(), 9)"
EXITS = "import os\nos._exit(3)"
STOPPED = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"
SLEEPS = "import time\ntime.sleep(1000)"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_S", 0.02)
    monkeypatch.setattr(worker, "STOP_S", 0.5)


@pytest.fixture
def row(task: Callable[..., Task], pair_files: Callable[..., Any], tmp_path: Path) -> Callable[..., Task]:
    """The function that makes the task of a row without a network, with something planted."""
    files = pair_files(tmp_path / "pairs")

    def plant(name: str, **planted: str) -> Task:
        work = task(tmp_path / name, files, build=None, params={}, seed=0)
        return replace(work, store=PlantedStore(tmp_path / name, **planted))

    return plant


def events_of(process: Worker, work: Task) -> list[Event]:
    process.give(work)
    events: list[Event] = []
    while process.task is not None:
        events += process.receive()
    assert [isinstance(event, CellEnded) for event in events].index(True) == len(events) - 1
    return events


def ended(events: list[Event]) -> CellEnded:
    assert isinstance(events[-1], CellEnded)
    return events[-1]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("planted", "machine", "message", "logged"),
    [
        (SEGFAULT, {}, "the worker process died (SIGSEGV); see log.txt in the cell's folder", "string_at"),
        (KILLED, {}, "the worker was killed, most likely for want of memory", ""),
        (EXITS, {}, "the worker process died (exit code 3); see log.txt", ""),
        (SLEEPS, {"stall_limit": 4}, "given up because it made no progress for 4 min 00 s (--stall-", "write_scores"),
        (SLEEPS, {"cell_limit": 0.05}, "given up because it took longer than 3 min 00 s (--cell-limit)", ""),
        (STOPPED, {}, "given up because its process gave no sign for 5 min 00 s", ""),
    ],
    ids=["segfault", "killed", "exits", "hangs", "takes too long", "stopped"],
)  # fmt: skip
def test_a_process_that_ends_or_hangs_is_a_failed_record_and_the_next_cell_goes_on(
    planted: str, machine: dict[str, Any], message: str, logged: str, row: Callable[..., Task], quick: None,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Once a cell does what is planted, each look of the parent is ten seconds after the one before."""
    marker, looks = tmp_path / "planted", itertools.count()
    if planted == SLEEPS:
        monkeypatch.setattr(watch, "SILENT_S", 3600.0)
    work, after = row("bad", before=f"open({str(marker)!r}, 'w').close()\n{planted}"), row("good")
    with Worker(machine=Machine(**machine)) as process:
        process._watch._clock = lambda: time.monotonic() + 10 * marker.exists() * next(looks)
        events = events_of(process, work)
        marker.unlink()
        end, record = ended(events), work.store.read_record()
        assert record is not None and record.status == end.status == "failed"
        assert record.started and record.started <= record.ended  # the parent knows when it gave the cell
        assert end.message.startswith(message) and end.message.endswith("--retry-failed")
        assert any(isinstance(event, Message) and "started again" in event.text for event in events)
        assert logged in work.store.log.read_text()
        assert process.pid is None
        if planted in (SEGFAULT, STOPPED):
            assert ended(events_of(process, after)).status == "finished"


def test_a_process_that_dies_after_its_record_has_finished_its_cell(
    row: Callable[..., Task], quick: None
) -> None:
    work = row("late", after=KILLED)
    with Worker() as process:
        end = ended(events_of(process, work))
    record = work.store.read_record()
    assert record is not None and (end.status, end.message, record.status) == ("finished", "", "finished")


def test_a_process_that_hangs_or_stops_as_it_builds_networks_is_given_up(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a backend: the process is stopped before it has built anything."""
    looks = itertools.count()
    check = NetworkCheck((Network("one", "", {}, "float32", (), Planned("", "")),), tmp_path / "log.txt")
    with Worker() as process:
        process.begin(check, 1)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        process._watch._clock = lambda: 10.0 * next(looks)
        (fault,) = process.checked().faults
    assert fault.model == "one"
    why = "its process gave no sign for 5 min 00 s"
    assert fault.message == f"given up while it built the networks because {why}; see {check.log}"


@pytest.mark.parametrize("until", [2, 9])
def test_processes_that_end_before_they_take_work_are_started_three_times(
    until: int, row: Callable[..., Task], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cannot find Python's own library."""
    starts: list[int] = []
    variables = devices.environment_variables

    def broken(threads: int, device: str | None) -> dict[str, str]:
        starts.append(1)
        return {**variables(threads, device), **({"PYTHONHOME": "/nowhere"} if len(starts) <= until else {})}

    monkeypatch.setattr(devices, "environment_variables", broken)
    work = row("cell")
    with Worker() as process:
        if until > worker.STARTS:
            with pytest.raises(
                BenchError, match=r"end before they take any work \(exit code 1\), 3 times in a row"
            ):
                events_of(process, work)
            assert work.store.read_record() is None
        else:
            assert ended(events_of(process, work)).status == "finished"
    assert len(starts) == 3


def test_what_is_overdue_counts_only_the_time_in_which_this_process_was_awake() -> None:
    now = 0.0
    watched = Watch(Machine(stall_limit=10, cell_limit=1), clock=lambda: now)
    watched.begin()
    pulse = 0

    def later(seconds: float, step: float = 1.0, beats: bool = True, heard: bool = False) -> str:
        nonlocal now, pulse
        end, why = now + seconds, None
        while now < end and why is None:
            now, pulse = min(now + step, end), pulse + beats
            why = watched.overdue(pulse, heard)
        return str(why or "")

    assert later(599) == ""
    assert later(2) == "it made no progress for 10 min 00 s (--stall-limit)"
    watched.begin()
    assert later(599) == "" and later(1, heard=True) == "" and later(599) == ""
    assert (
        later(4 * 3600, step=4 * 3600) == "it made no progress for 10 min 00 s (--stall-limit)"
    )  # 599 s and a look
    watched.begin()
    assert later(8 * 3600, step=8 * 3600) == ""  # a night in which the laptop slept
    watched.begin()
    assert later(295, beats=False) == "" and later(1) == ""
    assert later(302, beats=False) == "its process gave no sign for 5 min 00 s"
    watched.begin()
    assert later(3600, heard=True) == ""
    assert later(2, heard=True) == "it took longer than 1 h 00 min (--cell-limit)"
    unlimited = Watch(Machine(stall_limit=0), clock=lambda: now)
    for _ in range(100_000):
        now, pulse = now + 10, pulse + 1
        assert unlimited.overdue(pulse, heard=False) is None
