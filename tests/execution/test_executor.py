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

from bench import devices, environment, gpus
from bench.errors import BenchError
from bench.events import CellEnded, CellStarted, Event, Message, Progress
from bench.execution import attempt, local, places, slots
from bench.execution.local import Local
from bench.execution.machine import AUTO, Machine
from bench.execution.task import Checked, Network, NetworkCheck, NetworkFault, Task
from bench.gpus import Gpu, Process
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

    def __init__(self, device: str | None = None, machine: Machine | None = None) -> None:
        self.device, self.task, self.traced = device, None, ""
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
        self.log.append(("begin", self.device, *self.models))

    sees_gpu = True

    def checked(self) -> Checked:
        return Checked([NetworkFault(model, "planted") for model in self.models], self.sees_gpu)

    def close(self) -> None:
        self.log.append(("ended", self.device))

    def overdue(self, heard: bool) -> None:
        return None

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
    monkeypatch.setattr(local, "wait", lambda signs, timeout: [FakeWorker.random.choice(signs)])
    monkeypatch.setattr(environment, "cores", lambda: 8)
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
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


def run(tasks: Sequence[Task], workers: int = 0, **machine: Any) -> list[Event]:
    """Return the events of all tasks."""
    with Local(Machine(workers, **machine)) as executor:
        executor.begin(check("unet"), [task.threads for task in tasks if task.network])
        return [*executor.faults(), *executor.run(tasks)]


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
    ("chosen", "threads", "free", "count"),
    [
        (0, [1] * 18, 64, 8), (0, [2] * 18, 64, 4), (0, [4] * 18, 64, 2), (0, [16] * 18, 64, 1),
        (0, [1] * 3, 64, 3), (0, [1] * 18, 7, 3), (0, [1] * 18, 1, 1), (0, [], 64, 1),
        (5, [4] * 18, 1, 5), (5, [1] * 2, 64, 2),
    ],
)  # fmt: skip
def test_cells_at_once_follow_from_cores_memory_and_cells_unless_chosen(
    chosen: int, threads: list[int], free: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda: free << 30)
    assert places.workers(chosen, threads) == count


@pytest.mark.parametrize(
    ("has", "present", "precision", "remarked"),
    [
        (False, [], "bfloat16", True),
        (True, [], "bfloat16", False),
        (None, [], "bfloat16", False),  # not known: nothing is said
        (False, [], "float32", False),
        (False, [Gpu(0, "GPU-u0", "A", 0, 80000)], "bfloat16", False),  # trained on the GPU
    ],
)
def test_bfloat16_on_a_cpu_without_instructions_for_it_is_remarked_on(
    has: bool | None, present: list[Gpu], precision: str, remarked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "has_bfloat16", lambda: has)
    monkeypatch.setattr(gpus, "_read", lambda: (present, []))
    cells = [records_factory.cell("dncnn", trained=records_factory.training(precision=precision))]
    assert ("dncnn train in bfloat16" in places.bfloat16_remark(Machine(), cells)) is remarked


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

    assert not list(ask())
    return faults


JOB = Process(4711, "python", 59000)
USED = Gpu(0, "GPU-u0", "A", used=60000, total=80000, processes=(JOB,))
SMALL, LARGE = Gpu(1, "GPU-u1", "B", 100, 16000), Gpu(2, "GPU-u2", "C", 100, 24000)
FREE = [USED, SMALL, LARGE]


def plant(monkeypatch: pytest.MonkeyPatch, *answers: list[Gpu]) -> None:
    """Let the driver tell these GPUs, one answer after the other; the last one for ever."""
    left = list(answers)
    monkeypatch.setattr(gpus, "_read", lambda: (left.pop(0) if len(left) > 1 else left[0], []))
    monkeypatch.setattr(places.time, "sleep", lambda seconds: None)


def texts(events: Sequence[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Message)]


@pytest.mark.parametrize(
    ("answers", "machine", "devices", "waits"),
    [
        ([[]], {}, [None, None], 0),
        ([FREE], {}, ["GPU-u2", "GPU-u1"], 0),
        ([FREE], {"gpu_free": 0.2}, ["GPU-u2", "GPU-u0"], 0),
        ([FREE], {"gpus": "1"}, ["GPU-u1"], 0),
        ([FREE], {"gpus": "none"}, ["", ""], 0),
        ([[USED], [USED], FREE], {}, ["GPU-u2", "GPU-u1"], 1),
        ([[USED]], {"wait": False}, ["GPU-u0"], 0),
        ([FREE], {"wait": False, "gpu_free": 1.0}, ["GPU-u2"], 0),
    ],
    ids=["no GPU", "the free ones", "one less free", "chosen", "none", "in use at first", "no wait", "least used"],
)  # fmt: skip
def test_the_free_gpus_are_taken_and_those_in_use_waited_for(
    answers: list[list[Gpu]], machine: dict[str, Any], devices: list[Any], waits: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plant(monkeypatch, *answers)
    with Local(Machine(**machine)) as executor:
        executor.begin(check("unet", "dncnn"), [4, 4])
        waiting = [event.text for event in faults_of(executor) if event.text.startswith("waiting")]
    begun = [entry[1] for entry in FakeWorker.log if entry[0] == "begin"]
    assert sorted(begun, key=str) == sorted(devices, key=str)
    assert waiting == waits * [
        "waiting for a GPU with 50% of its memory free: GPU 0 has 20000 of 80000 MiB free "
        "(python, pid 4711, 59000 MiB); past it: --gpu-free 0.25, or --no-wait for the least used"
    ]


def faults_of(executor: Local) -> list[Message]:
    events = list(executor.faults())
    assert all(isinstance(event, Message) for event in events)
    return events  # type: ignore[return-value]


def test_the_suggested_share_takes_the_gpu_and_a_desktop_stops_nobody() -> None:
    desktop = Gpu(0, "GPU-d", "D", used=2253, total=10240)  # 22 %
    assert places.free(Machine(), [desktop]) == [desktop]
    assert places.free(Machine(), [USED]) == []
    assert places.free(Machine(gpu_free=0.25), [USED]) == [USED]


def test_while_a_gpu_is_waited_for_a_line_comes_when_its_jobs_change_or_ten_minutes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Gpu(0, "GPU-u0", "A", 61000, 80000, (Process(9, "julia", None),))
    plant(monkeypatch, *[[USED]] * 3, *[[other]] * 32, [LARGE])
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(places.time, "monotonic", lambda: next(clock))
    said = texts(list(places.free_gpus(Machine())))
    assert [("python" in line, "julia, pid 9)" in line) for line in said] == [(True, False)] + [
        (False, True)
    ] * 2


def test_no_more_gpus_than_cells_and_rows_without_a_network_wait_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch, FREE)
    run([cell("unet", 0)])
    assert [worker.device for worker in FakeWorker.made] == ["GPU-u2"]
    anew()
    plant(monkeypatch, [USED])
    run([cell("input", index) for index in range(2)])
    assert {worker.device for worker in FakeWorker.made} == {None}


@pytest.mark.parametrize(
    ("machine", "count"),
    [({}, [1, 1]), ({"workers": 3}, [2, 1]), ({"slots_per_gpu": 2}, [2, 2]), ({"slots_per_gpu": AUTO}, [1, 1])],
)  # fmt: skip
def test_beside_gpus_rows_without_a_network_have_a_worker_of_their_own(
    machine: dict[str, Any], count: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, FREE)
    events = run([cell(model, index) for model in ("input", "unet") for index in range(6)], **machine)
    devices = [worker.device for worker in FakeWorker.made]
    assert devices == ["GPU-u2"] * count[0] + ["GPU-u1"] * count[1] + [None]
    assert f"up to {sum(count) + 1} cells at once" in texts(events)
    assert any(text.startswith("left to others: GPU 0 has 20000 of 80000") for text in texts(events))
    for worker in FakeWorker.made:
        assert {task.network == "" for task in worker.given} == {worker.device is None}


def test_a_gpu_that_the_backend_does_not_see_is_told_before_any_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, [LARGE])
    monkeypatch.setattr(FakeWorker, "sees_gpu", False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with pytest.raises(BenchError) as told:
        run([cell("unet", 0)])
    assert str(told.value) == (
        "GPU 2 (C) is free, but TensorFlow sees none; pip install 'ldct-denoising-benchmark[gpu]', "
        "or --gpus none to train on the CPU on purpose"
    )
    assert all(not worker.given for worker in FakeWorker.made)
    run([cell("unet", 0)], gpus="none")  # on the CPU on purpose


class Crowded(FakeWorker):
    """A worker whose cell of ``big`` runs out of memory unless it is told that it is alone."""

    def receive(self) -> Iterator[Event]:
        for event in super().receive():
            if isinstance(event, CellEnded) and event.cell.startswith("big") and not self.given[-1].alone:
                yield CellEnded(event.cell, "failed", "out of memory", 1.0, crowded=True)
            else:
                yield event


@pytest.mark.parametrize(
    ("machine", "others", "at_once"),
    [
        ({"workers": 3}, 6, [2, 1]),
        ({"gpus": "2", "slots_per_gpu": 3}, 6, [2, 1]),
        ({"gpus": "2", "slots_per_gpu": AUTO}, 1, [1]),  # so the big cell is the first
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_cell_that_runs_out_of_memory_beside_others_runs_again_with_fewer(
    machine: dict[str, Any], others: int, at_once: list[int], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, FREE if "gpus" in machine else [])
    monkeypatch.setattr(local, "Worker", Crowded)
    anew(seed)
    tasks = [cell("big", 0), *(cell("unet", index) for index in range(others))]
    events = run(tasks, **machine)
    ended = [event.cell for event in events if isinstance(event, CellEnded)]
    assert sorted(ended) == sorted(task.id for task in tasks)
    assert not any(event.crowded for event in events if isinstance(event, CellEnded))
    fewer = [text for text in texts(events) if "ran out of memory" in text]
    slots_left = [int(text.partition("with ")[2].split()[0]) for text in fewer]
    assert slots_left and slots_left == at_once[: len(fewer)]
    numbers = {event.cell: event.number for event in events if isinstance(event, CellStarted)}
    assert sorted(numbers.values()) == list(range(1, others + 2))
    given = [task.alone for worker in FakeWorker.made for task in worker.given if task.id == tasks[0].id]
    assert sorted(given) == [False] * len(fewer) + [True]
    at_work, limit = set[str](), 9
    for event in events:
        if isinstance(event, Message) and event.text in fewer:
            at_work.remove(event.text.split()[0])
            limit = slots_left.pop(0)
        elif isinstance(event, CellEnded):
            at_work.remove(event.cell)
        elif isinstance(event, CellStarted):
            at_work.add(event.cell)
            assert len(at_work) <= limit


def grow(
    monkeypatch: pytest.MonkeyPatch, factor: float, used: tuple[int, int, int], pids: bool = True
) -> tuple[list[str], slots.Place]:
    """Return what is said of a GPU whose cells make ``factor`` times the updates together when they are two."""
    place = slots.Place(LARGE, 1, networks=True, growth=slots.Growth(clock=lambda: now))
    waiting, said, now = [cell("unet", index) for index in range(2, 5)], list[str](), 0.0
    for index in range(2):
        worker = FakeWorker("GPU-u2")
        worker.pid, worker.task = 100 + index, cell("unet", index) if index == 0 else None  # type: ignore[attr-defined,assignment]
        place.workers.append(worker)  # type: ignore[arg-type]
    updates = dict.fromkeys(range(2), 0.0)
    for _ in range(4000):
        now += 0.25
        busy = [worker for worker in place.workers if worker.task]
        for index, worker in enumerate(busy):
            updates[index] += 0.25 * 100 * (1 if len(busy) == 1 else factor / 2)
            place.growth and place.growth.note(Progress("train", worker.task.id, int(updates[index]), 10**6))
        told = tuple(Process(100 + i, "python", used[1]) for i in range(len(busy))) if pids else ()
        current = Gpu(2, "GPU-u2", "C", used[0] + used[1] * len(busy), used[2], told)
        monkeypatch.setattr(gpus, "_read", lambda current=current: ([current], []))
        if place.growth:
            said += [event.text for event in place.growth.step(place, waiting)]
        if place.slots == 2 and place.workers[1].task is None:
            place.workers[1].task = cell("unet", 1)
    return said, place


@pytest.mark.parametrize("pids", [True, False], ids=["named", "not named by the driver"])
@pytest.mark.parametrize(
    ("factor", "used", "slots_at_end", "said"),
    [
        (1.5, (100, 4000, 24000), 3, ["it is tried", "100 with one less: kept", "it is tried"]),
        (1.5, (100, 9000, 24000), 2, ["it is tried", "100 with one less: kept", "5900 free: no more"]),
        (1.02, (100, 4000, 24000), 1, ["it is tried", "100 with one less: back to 1 cell"]),
        (1.5, (100, 14000, 24000), 1, ["17500 MiB for a further one, 9900 free: no more"]),
    ],
    ids=["gains", "gains, then full", "does not gain", "does not fit"],
)  # fmt: skip
def test_a_gpu_gets_a_further_cell_where_it_fits_and_gains(
    factor: float, used: tuple[int, int, int], slots_at_end: int, said: list[str], pids: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    lines, place = grow(monkeypatch, factor, used, pids)
    assert place.slots == slots_at_end
    assert lines[0].startswith("GPU 2: 100 updates/s with 1 cell at once")
    assert len(lines) == len(said), lines
    assert all(part in line for line, part in zip(lines, said, strict=True)), lines
