"""The seam between the runner and what runs the cells: another executor, and the one of a single worker process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.execution.one_worker import OneWorker

from bench import devices
from bench.devices import Gpu
from bench.events import Event, Message
from bench.execution import attempt, one_worker
from bench.execution.task import NetworkCheck, NetworkFault
from tests import tiny


def test_pairs_that_are_not_there_leave_the_cell_open(task: Any, pair_files: Any, tmp_path: Path) -> None:
    """What a new run builds anew must not end a cell: it has no record, so the same command runs it."""
    files = pair_files(tmp_path / "pairs")
    tiny.flip(files.reference_path, -1)
    work = task(tmp_path / "cell", files)
    for cause, message in (("changed", "its bytes have changed since it was built"), ("gone", "not built")):
        if cause == "gone":
            files.reference_path.unlink()
        ended = attempt.attempt(work, lambda event: None)
        assert (ended.status, work.store.read_record()) == ("failed", None)
        assert message in ended.message
        assert ended.message.endswith("run the same command again: it is built anew")


class FakeExecutor:
    """In place of a worker process: a note of its GPU and of what it was asked."""

    log: list[Any] = []  # noqa: RUF012

    def __init__(self, threads: int, gpu: int | None) -> None:
        self.log.append(("gpu", gpu))

    def __enter__(self) -> FakeExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append("closed")

    def begin(self, check: NetworkCheck) -> None:
        self.log.append("begin")

    def checked(self) -> list[NetworkFault]:
        return [NetworkFault("unet", "planted")]


USED = Gpu(0, "u0", "A", used=60000, total=80000)
FREE = [USED, Gpu(1, "u1", "B", 100, 16000), Gpu(2, "u2", "C", 100, 24000)]


@pytest.mark.parametrize(
    ("answers", "log", "waits"),
    [([[]], [("gpu", None)], 0), ([FREE], [("gpu", 2)], 0), ([[USED], [USED], FREE], [("gpu", 2)], 1)],
    ids=["no GPU", "the free GPU with most memory", "all in use at first"],
)
def test_one_worker_takes_a_free_gpu_and_waits_for_one_in_use(
    answers: list[list[Gpu]], log: list[Any], waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: answers.pop(0))
    monkeypatch.setattr(one_worker.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(one_worker, "Worker", FakeExecutor)
    monkeypatch.setattr(FakeExecutor, "log", [])
    faults: list[NetworkFault] = []

    def ask(executor: OneWorker) -> Iterator[Event]:
        faults.extend((yield from executor.faults()))

    with OneWorker(threads=1) as executor:
        executor.begin(NetworkCheck((), Path()))
        events = list(ask(executor))
    assert faults == [NetworkFault("unet", "planted")]
    waiting = Message("waiting for a GPU that no other job uses (GPU 0: 60000 of 80000 MiB)")
    assert events == [waiting] * waits
    assert FakeExecutor.log == [*log, "closed"]
