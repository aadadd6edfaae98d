"""``bench speed``: a real measurement of the tiny network in this process, and what it says in 80 columns."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench import gpus
from bench.cli import overview
from bench.cli.speed import of_speeds
from bench.errors import BenchError
from bench.events import Event, Message
from bench.execution import attempt, resolve, speed
from bench.execution.speed import Measured
from bench.execution.task import Measurement, NetworkFault
from bench.network_code.importing import ANY
from bench.plan.forecast import NetworkSpeed, forecast
from bench.records import speeds
from tests import tiny
from tests.plan.test_forecast import cells
from tests.plan.test_forecast import speed as figures


class InProcess:
    """A worker that measures in this process; with ``planted`` it has that answer."""

    planted: NetworkSpeed | NetworkFault | None = None
    asked: list[tuple[Measurement, int]] = []  # noqa: RUF012

    def __init__(self, device: str | None) -> None:
        pass

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, work: Measurement, threads: int, cores: tuple[int, ...]) -> None:
        type(self).asked.append((work, threads))

    def answer(self, work: Measurement) -> NetworkSpeed | NetworkFault:
        return self.planted or attempt.measure(work)


def measured(
    request: resolve.Request, seconds: float = 0.1, only: tuple[str, ...] = ()
) -> tuple[Measured, list[Event]]:
    events, running = [], speed.run(request, seconds, only)
    while True:
        try:
            events.append(next(running))
        except StopIteration as end:
            return end.value, events


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> type[InProcess]:
    kind = type("Planted", (InProcess,), {"asked": []})
    monkeypatch.setattr(speed, "Worker", kind)
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))
    monkeypatch.setattr(speed, "_load", lambda: 0.0)
    return kind


@pytest.mark.integration
def test_a_measurement_of_the_tiny_network_ends_in_the_forecast_of_the_plan(
    tmp_path: Path, worker: type[InProcess]
) -> None:
    request = tiny.request(tiny.write(tmp_path), workers=1)
    began = time.monotonic()
    done, events = measured(request, seconds=0.2)
    took = time.monotonic() - began
    assert events == [Message("measuring unet")]
    assert [threads for _, threads in worker.asked] == [1]
    (one,) = done.speeds.values()
    assert one.slices_per_s == pytest.approx(4 * one.updates_per_s)  # a batch of four whole slices
    assert 0 < one.inference_s <= one.score_s and 0 < one.check_s < took
    assert 0 < one.trace_s < took and 0 <= one.start_s < took
    assert 0 < one.ratio < 2 and not one.streamed
    assert done.forecast is not None and done.unknown == ""
    text = of_speeds(done)
    assert tiny.widest(text) <= 80
    assert "1 cell at once with 1 thread each" in text.replace("\n  ", " ")
    plan = overview.of_plan(resolve.resolve(request))
    assert "on this machine (bench speed of " in plan and tiny.widest(plan) <= 80


def test_networks_are_measured_without_the_slices(
    tmp_path: Path, worker: type[InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINY_ABSENT", raising=False)
    worker.planted = figures()
    done, _ = measured(tiny.request(tiny.write(tmp_path), "away"))
    assert list(done.speeds) == ["unet"] and done.forecast is None
    assert [work.slices for work, _ in worker.asked] == [{}] * len(worker.asked)
    text = of_speeds(done).replace("\n  ", " ")
    assert "forecast for --all: not without the slices (" in text and "TINY_ABSENT is not set" in text


def test_as_many_processes_measure_as_cells_run(tmp_path: Path, worker: type[InProcess]) -> None:
    worker.planted = figures(at_once=1)
    done, events = measured(tiny.request(tiny.write(tmp_path), threads=3, workers=2))
    assert events == [Message("measuring unet, 2 cells at once")]
    assert [threads for _, threads in worker.asked] == [3, 3]
    assert done.speeds["unet"].at_once == 2


def test_a_damaged_file_is_said_and_measured_anew(tmp_path: Path, worker: type[InProcess]) -> None:
    worker.planted = figures()
    request = tiny.request(tiny.write(tmp_path))
    request.cache.mkdir()
    (request.cache / "speed.json").write_text('{"schema": 1')
    done, events = measured(request)
    first = events[0]
    assert isinstance(first, Message) and first.text.endswith("damaged, or written by another program; "
                                                              "bench speed measures anew")  # fmt: skip
    assert list(speeds.read(request.cache).values()) == list(done.speeds.values())


def test_a_busy_machine_is_remarked_on(
    tmp_path: Path, worker: type[InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.planted = figures()
    monkeypatch.setattr(speed, "_load", lambda: 1.26)
    _, events = measured(tiny.request(tiny.write(tmp_path)))
    assert events[0] == Message("remark: other jobs keep 1.3 cores busy, so the figures are too low")


def test_an_unknown_network_and_one_that_cannot_be_measured_are_one_line(
    tmp_path: Path, worker: type[InProcess]
) -> None:
    request = tiny.request(tiny.write(tmp_path))
    with pytest.raises(BenchError) as unknown:
        measured(request, only=("umet",))
    assert str(unknown.value) == "--only umet: unknown model 'umet'; did you mean unet?"
    worker.planted = NetworkFault("unet", "out of memory")
    with pytest.raises(BenchError) as fault:
        measured(request)
    assert str(fault.value) == "no network of tiny was measured; unet cannot be measured: out of memory"
    assert speeds.read(request.cache) == {}
    worker.planted = figures()
    measured(request)
    worker.planted = NetworkFault("unet", "out of memory")
    again, events = measured(request)  # the figures of before stand
    assert again.faults == ("unet cannot be measured: out of memory",) and list(again.speeds) == ["unet"]
    assert events[-1] == Message("unet cannot be measured: out of memory")


def test_what_a_worker_cannot_build_is_its_answer(tmp_path: Path) -> None:
    cell = cells("unet")[0].spec.model_copy(update={"build": "models.unet:nothing"})
    work = Measurement(cell, ANY, {}, 0.1, time.monotonic(), tmp_path / "log")
    answer = attempt.measure(work)
    assert isinstance(answer, NetworkFault)
    assert answer.message.startswith("network models.unet:nothing cannot be built")


def test_long_names_large_times_and_all_remarks_fit_the_page() -> None:
    name = "a-network-with-a-long-name"
    slow = figures(
        start_s=9000.0, trace_s=4000.0, updates_per_s=0.0081, slices_per_s=0.00123, bytes_per_s=4.3e12, streamed=True,
        inference_s=12.3, score_s=45.6, flops=7.9e14, device="a GPU " * 14,
    )  # fmt: skip
    plan = cells("input", name, "unet")
    both = {name: slow, "unet": figures(slices_per_s=12345.0)}
    text = of_speeds(Measured("tiny", 4, both, forecast(plan, both)))
    assert tiny.widest(text) <= 80
    assert "4,300 GB/s" in text and "do not fit the memory" in text
    partly = of_speeds(Measured("tiny", 4, {"unet": figures()}, None)).replace("\n  ", " ")
    assert "not before all networks of the profile are measured" in partly
