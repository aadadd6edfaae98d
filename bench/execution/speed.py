"""What this machine makes of each network of a profile: measured in worker processes, as many as run in a run."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import devices
from bench.errors import BenchError
from bench.events import Event, Message
from bench.execution import places, resolve, threads
from bench.execution.known_speeds import here
from bench.execution.machine import Machine
from bench.execution.resolve import Request
from bench.execution.task import Measurement, NetworkFault
from bench.execution.worker import Worker
from bench.names import suggestion
from bench.network_code.importing import Planned
from bench.plan.cells import Plan
from bench.plan.forecast import Forecast, NetworkSpeed, forecast, mean
from bench.records import speeds

BUSY_LOAD = 0.5  # cores
LOG = "speed.log"  # in the cache: what the libraries print


@dataclass(frozen=True)
class Measured:
    """The speeds of a profile's networks by model, and how long all its cells take.

    ``forecast`` is None where networks have no figures or, for the reason ``unknown``, the cells cannot be counted.
    """

    profile: str
    threads: int
    speeds: dict[str, NetworkSpeed]
    forecast: Forecast | None
    unknown: str = ""
    faults: tuple[str, ...] = ()  # of networks that could not be measured


def run(request: Request, seconds: float, only: Sequence[str] = ()) -> Generator[Event, None, Measured]:
    """Measure each network for about ``seconds``, keep the figures beside the pairs, and return them.

    Raises:
        BenchError: an unknown model, or no network can be measured.
    """
    plan, base, unknown = _plan(request)
    by_model = {cell.spec.model: cell.spec for cell in plan.cells if cell.spec.training is not None}
    for model in only:
        if model not in by_model:
            raise BenchError(f"--only {model}: unknown model {model!r}", remedy=suggestion(model, by_model))
    each = request.threads or threads.by_size(plan.cells[0].size)
    workers = yield from _devices(request.machine, [each] * len(plan.cells))
    at_once, on = len(workers), here(each, request.machine.gpus)
    if (load := _load()) > BUSY_LOAD and not workers[0]:
        yield Message(f"remark: other jobs keep {load:.1f} cores busy, so the figures are too low")
    if slow := places.bfloat16_remark(request.machine, by_model.values()):
        yield Message(f"remark: {slow}")
    kept = yield from _kept(request.cache)
    faults: list[str] = []
    for model, cell in by_model.items():
        if not only or model in only:
            yield Message(f"measuring {model}" + (f", {at_once} cells at once" if at_once > 1 else ""))
            slices = {} if unknown else dict(cell.dataset.data.slices)
            work = Measurement(
                cell, Planned(str(base), cell.code), slices, seconds, time.monotonic(), request.cache / LOG
            )
            try:
                kept[speeds.key(cell, on)] = _measured(work, each, workers)
            except BenchError as error:
                faults.append(str(error))
                yield Message(str(error))
            speeds.write(request.cache, kept)
    known = {m: kept[key] for m, cell in by_model.items() if (key := speeds.key(cell, on)) in kept}
    if not known:
        raise BenchError(f"no network of {request.profile} was measured", remedy="; ".join(faults))
    estimate = None if unknown else forecast(plan.cells, known, request.machine.workers)
    return Measured(request.profile, each, known, estimate, unknown, tuple(faults))


def _devices(machine: Machine, threads: Sequence[int]) -> Generator[Event, None, list[str | None]]:
    """Return the device of each worker that would run at once in a run; wait for a GPU that others use."""
    if free := (yield from places.free_gpus(machine)):
        return [gpu.device for gpu, slots in places.slots(machine, free, len(threads)) for _ in range(slots)]
    return [machine.device_without_gpu] * places.workers(machine.workers, threads)


def _load() -> float:
    """Return how many jobs the system has had on its cores in the last minute, on average; 0 where it does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _plan(request: Request) -> tuple[Plan, Path, str]:
    """Return the plan of a profile and the folder of its code; why no more is known where its slices are not there."""
    plan, base = resolve.without_data(request)
    try:
        return resolve.resolve(request, timed=False).plan, base, ""
    except BenchError as error:
        return plan, base, str(error)


def _kept(cache: Path) -> Generator[Event, None, dict[str, NetworkSpeed]]:
    try:
        return dict(speeds.read(cache))
    except BenchError as error:
        yield Message(str(error))
        return {}


def _measured(work: Measurement, each: int, on: Sequence[str | None]) -> NetworkSpeed:
    """Return the speed of a network, the mean of new processes of ``each`` threads that do the same, one a device."""
    cores = devices.allowed_cores() if devices.must_be_held(on[0]) else []
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(device)) for device in on]
        for index, worker in enumerate(workers):
            worker.ask(work, each, tuple(cores[index * each : (index + 1) * each]))
        answers = [worker.answer(work) for worker in workers]
    faults = [answer for answer in answers if isinstance(answer, NetworkFault)]
    if faults:
        raise BenchError(f"{work.cell.model} cannot be measured: {faults[0].message}")
    return mean([answer for answer in answers if isinstance(answer, NetworkSpeed)])
