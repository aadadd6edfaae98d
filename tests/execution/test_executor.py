"""What runs the cells: how many at once, which next, on which cores and GPU; its processes are in test_side_by_side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import devices, environment
from bench.devices import Gpu
from bench.events import CellEnded, CellStarted, Event, Message, Progress
from bench.execution import attempt, local, places
from bench.execution.local import Local
from bench.execution.task import Network, NetworkCheck, NetworkFault, Task
from bench.network_code.importing import Planned
from tests import records_factory, tiny


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


class FakeWorker:
    """In place of a worker process: a note of what it was asked; a cell takes as many events as a test draws."""

    log: list[Any] = []  # noqa: RUF012
    made: list[FakeWorker] = []  # noqa: RUF012
    random = Random(0)

    def __init__(self, gpu: int | None = None) -> None:
        self.gpu, self.task, self.traced = gpu, None, ""
        self.cores: tuple[int, ...] = ()
        self.given: list[Task] = []
        self.models: tuple[str, ...] = ()
        self.left = 0
        self.made.append(self)

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append("closed")

    def begin(self, check: NetworkCheck, threads: int, cores: tuple[int, ...] = ()) -> None:
        self.models, self.cores = tuple(network.model for network in check.networks), cores
        self.log.append(("begin", self.gpu, *self.models))

    def checked(self) -> list[NetworkFault]:
        return [NetworkFault(model, "planted") for model in self.models]

    def give(self, task: Task, cores: tuple[int, ...] = ()) -> None:
        self.task, self.cores, self.left = task, cores, self.random.randrange(4)  # type: ignore[assignment]
        self.traced = task.network or self.traced
        self.given.append(task)

    def signs(self) -> list[Any]:
        return [self]

    def receive(self) -> Iterator[Event]:
        assert self.task is not None
        name = self.task.id
        if self.left:
            yield Progress("train", name, 1, self.left)
            self.left -= 1
        else:
            self.task = None
            yield CellEnded(name, "finished", "", 1.0)


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers without processes on a machine of eight cores without a GPU; a random one of those at work is heard."""
    monkeypatch.setattr(local, "Worker", FakeWorker)
    monkeypatch.setattr(local, "wait", lambda signs: [FakeWorker.random.choice(signs)])
    monkeypatch.setattr(environment, "cores", lambda: 8)
    monkeypatch.setattr(devices, "gpus", list)
    monkeypatch.setattr(devices, "free_memory", lambda: 64 << 30)
    anew()


def anew(seed: int = 0) -> None:
    FakeWorker.log, FakeWorker.made, FakeWorker.random = [], [], Random(seed)


def cell(model: str, index: int, threads: int = 1) -> Task:
    described = records_factory.cell(model, f"c{index}")
    return Task(
        planned=records_factory.planned(described), files=None, parts={}, store=records_factory.NOWHERE,  # type: ignore[arg-type]
        credit={}, deviation_factor=None, code=Planned("", ""), threads=threads,
    )  # fmt: skip


def check(*models: str) -> NetworkCheck:
    return NetworkCheck(
        tuple(Network(name, "", {}, "float32", (), Planned("", "")) for name in models), Path()
    )


def run(tasks: Sequence[Task], workers: int = 0) -> list[Event]:
    """Return the events of all tasks."""
    with Local(workers) as executor:
        executor.begin(check(), [task.threads for task in tasks if task.network])
        assert list(executor.faults()) == []
        return list(executor.run(tasks))


COUNTS = st.dictionaries(st.sampled_from(["input", "unet", "dncnn", "ddnet"]), st.integers(1, 7), min_size=1)


@given(COUNTS, st.integers(1, 5), st.integers(0, 999))
def test_every_cell_runs_once_and_no_worker_traces_a_network_twice(
    counts: dict[str, int], workers: int, seed: int
) -> None:
    anew(seed)
    tasks = [cell(model, index) for model, count in counts.items() for index in range(count)]
    events = [event for event in run(tasks, workers) if not isinstance(event, Message)]
    by_cell: dict[str, list[Event]] = {}
    for event in events:
        by_cell.setdefault(event.subject if isinstance(event, Progress) else event.cell, []).append(event)  # type: ignore[union-attr]
    assert sorted(by_cell) == sorted(task.id for task in tasks)
    for own in by_cell.values():
        assert isinstance(own[0], CellStarted)
        assert [isinstance(event, CellEnded) for event in own].index(True) == len(own) - 1
    starts = [event for event in events if isinstance(event, CellStarted)]
    assert [(event.number, event.count) for event in starts] == [
        (number, len(tasks)) for number in range(1, len(tasks) + 1)
    ]
    first = [event.cell.startswith("input") for event in starts]
    assert first == sorted(first, reverse=True)
    for worker in FakeWorker.made:
        networks = [task.network for task in worker.given if task.network]
        switches = sum(a != b for a, b in pairwise(networks))
        assert switches + bool(networks) == len(set(networks))
    # as many at once as there are workers, as long as cells wait
    at_work = 0
    for index, event in enumerate(events):
        at_work += isinstance(event, CellStarted) - isinstance(event, CellEnded)
        if isinstance(event, Progress):
            begun = sum(isinstance(earlier, CellStarted) for earlier in events[:index])
            assert at_work == min(workers, len(tasks)) or begun == len(tasks)


def test_each_network_begins_before_one_gets_a_second_worker() -> None:
    tasks = [cell(model, index) for model in ("unet", "dncnn", "ddnet") for index in range(6)]
    run(tasks, 4)
    begun = [worker.given[0].planned.spec.model for worker in FakeWorker.made]
    assert begun[:3] == ["unet", "dncnn", "ddnet"]
    assert len(begun) == 4


@given(st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=12), st.integers(0, 999))
def test_cells_that_began_on_other_threads_never_take_more_than_the_cores(
    threads: list[int], seed: int
) -> None:
    anew(seed)
    tasks = {task.id: task for index, count in enumerate(threads) if (task := cell("unet", index, count))}
    at_work = 0
    for event in run(list(tasks.values())):
        if isinstance(event, CellStarted):
            at_work += tasks[event.cell].threads
        if isinstance(event, CellEnded):
            at_work -= tasks[event.cell].threads
        assert at_work <= 8


@pytest.mark.parametrize(
    ("chosen", "threads", "gpu", "free", "count"),
    [
        (0, [1] * 18, None, 64, 8), (0, [2] * 18, None, 64, 4), (0, [4] * 18, None, 64, 2), (0, [16] * 18, None, 64, 1),
        (0, [1] * 3, None, 64, 3), (0, [1] * 18, None, 7, 3), (0, [1] * 18, None, 1, 1), (0, [], None, 64, 1),
        (5, [4] * 18, None, 1, 5), (5, [1] * 2, None, 64, 2), (0, [4] * 18, 0, 64, 1), (2, [4] * 18, 0, 64, 2),
    ],
)  # fmt: skip
def test_cells_at_once_follow_from_cores_memory_and_cells_unless_chosen(
    chosen: int, threads: list[int], gpu: int | None, free: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda: free << 30)
    assert places.workers(chosen, threads, gpu) == count


def test_workers_that_must_be_held_share_no_core_while_there_are_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "must_be_held", lambda gpu: True)
    monkeypatch.setattr(devices, "allowed_cores", lambda: [2, 3, 5, 7, 11, 13, 17, 19])
    run([cell("unet", index, 2) for index in range(9)])
    assert sorted(worker.cores for worker in FakeWorker.made) == [(2, 3), (5, 7), (11, 13), (17, 19)]
    anew()
    run([cell("unet", index, 2) for index in range(9)], workers=5)
    assert FakeWorker.made[4].cores == (2, 3)


def test_each_network_is_built_once_by_one_of_the_workers() -> None:
    with Local() as executor:
        executor.begin(check("a", "b", "c"), [4] * 9)
        assert FakeWorker.log == [("begin", None, "a", "c"), ("begin", None, "b")]
        faults = answer(executor)
    assert [fault.model for fault in faults] == ["a", "b", "c"]


def answer(executor: Local) -> list[NetworkFault]:
    faults: list[NetworkFault] = []

    def ask() -> Iterator[Event]:
        faults.extend((yield from executor.faults()))

    waits = [event for event in ask() if isinstance(event, Message)]
    assert all(event == WAITING for event in waits)
    FakeWorker.log.append(len(waits))
    return faults


USED = Gpu(0, "u0", "A", used=60000, total=80000)
FREE = [USED, Gpu(1, "u1", "B", 100, 16000), Gpu(2, "u2", "C", 100, 24000)]
WAITING = Message("waiting for a GPU that no other job uses (GPU 0: 60000 of 80000 MiB)")


@pytest.mark.parametrize(
    ("answers", "gpu", "waits"),
    [([[]], None, 0), ([FREE], 2, 0), ([[USED], [USED], FREE], 2, 1)],
    ids=["no GPU", "the free GPU with most memory", "all in use at first"],
)
def test_a_free_gpu_is_taken_and_one_in_use_waited_for(
    answers: list[list[Gpu]], gpu: int | None, waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: answers.pop(0))
    monkeypatch.setattr(places.time, "sleep", lambda seconds: None)
    with Local() as executor:
        executor.begin(check("unet"), [4])
        assert answer(executor) == [NetworkFault("unet", "planted")]
    assert FakeWorker.log == [("begin", gpu, "unet"), waits, "closed"]


@pytest.mark.parametrize("workers", [0, 2])
def test_beside_a_gpu_rows_without_a_network_have_a_worker_of_their_own(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: FREE)
    run([cell(model, index) for model in ("input", "unet") for index in range(6)], workers)
    assert [worker.gpu for worker in FakeWorker.made] == [2] * (workers or 1) + [None]
    for worker in FakeWorker.made:
        assert {task.network == "" for task in worker.given} == {worker.gpu is None}
