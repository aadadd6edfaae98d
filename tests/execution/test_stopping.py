"""The wish to stop a run, and the lock that keeps a new run from the workers of a killed one."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.execution import run_lock
from bench.execution.stopping import Wish


def test_a_wish_is_heeded_once_and_only_while_cells_are_at_work() -> None:
    wish, acts = Wish(), list[str]()
    assert not wish.ask(2)
    assert not wish.asked
    with wish.heeded(lambda: acts.append("save")):
        assert wish.ask(15)
        assert not wish.ask(2)  # the second signal: at once
    assert (acts, wish.signal, wish.asked) == (["save"], 15, True)


def test_a_run_waits_for_the_workers_of_a_killed_one(tmp_path: Path) -> None:
    """The lock of the command is free as soon as that is dead; a worker holds its own."""
    orphan = open(tmp_path / ".lock.workers", "a")  # noqa: SIM115 - closed by the timer
    fcntl.flock(orphan, fcntl.LOCK_SH)
    ended = threading.Event()

    def end() -> None:
        ended.set()
        orphan.close()

    threading.Timer(0.3, end).start()
    with run_lock.exclusive(tmp_path):
        assert ended.is_set()
        with run_lock.shared(tmp_path), run_lock.shared(tmp_path):  # its own workers
            pass


def test_a_worker_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "WAIT_S", 0.0)
    with run_lock.shared(tmp_path), pytest.raises(BenchError) as error, run_lock.exclusive(tmp_path):
        pass
    assert str(error.value).startswith(f"{tmp_path}: a worker process of a killed run still uses this folder")
    with run_lock.exclusive(tmp_path):
        pass


def test_a_worker_whose_command_has_died_begins_no_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dead:
        def is_alive(self) -> bool:
            return False

    monkeypatch.setattr(run_lock, "parent_process", Dead)
    held: Any = run_lock.shared(tmp_path)
    with pytest.raises(BrokenPipeError), held:
        pass
