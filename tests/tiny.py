"""A benchmark of seconds: one small network on two conditions of a small phantom, and records made by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest

from bench import atomic
from bench.events import CellEnded, Event, Progress
from bench.execution import attempt, executor, resolve, runner, task
from bench.execution.machine import Machine
from bench.execution.task import NetworkCheck, NetworkFault, Task
from bench.metrics import METRICS
from bench.plan.cells import Plan
from bench.records import golden
from bench.records.record import Attempt, Record
from bench.records.store import RunStore
from tests import records_factory

ROOT = Path(__file__).resolve().parent.parent

DATASETS = """
schema: 1
sources:
  phantom: {kind: phantom, patients: 5, slices: 4, title: Phantom, licence: none, citation: none}
  away: {kind: npz, path: "${TINY_ABSENT}/slices", obtain: ask a friend}
geometry: {preset: parallel360, views: 90}
conditions:
  sparse: {views: 30}
  noisy: {photons: 7e4}
splits:
  phantom: {rule: patients, test: [P001], validation: [P002]}
  folds: {rule: kfold, folds: 2, validation: 0.3}
  cut: {rule: order, test: 6, validation: 0.2, leaky: as others cut it}
"""
EXPERIMENTS = """
schema: 1
models:
  unet:
    build: models.unet:build
    params: {filters: [4, 8], momentum: 0.5}
    recipes:
      study: {learning_rate: 1e-2, epochs: 2, batch: 4, passes: 4, loss: mse}
experiments:
  default: {models: [unet], conditions: [sparse, noisy]}
profiles:
  tiny: {source: phantom, split: phantom, size: 32, budget: {slices_seen: 96, checks: 2}}
  long: {source: phantom, split: phantom, size: 32, budget: {slices_seen: 2000000, checks: 20000}}
  away: {source: away, split: phantom, size: 32}
  folds: {source: phantom, split: folds, size: 32, budget: {slices_seen: 96, checks: 2}}
  cut: {source: phantom, split: cut, size: 32, budget: {slices_seen: 96, checks: 2}}
"""
FOUR = ("psnr.slice_max", "ssim.slice_max", "ssim.column", "rmse.hu")  # metrics of records made by hand
CELLS = 4  # the input and the network on two conditions


def write(folder: Path, datasets: str = DATASETS, experiments: str = EXPERIMENTS) -> Path:
    """Write both files into ``folder`` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "datasets.yaml").write_text(datasets, encoding="utf-8")
    (folder / "experiments.yaml").write_text(experiments, encoding="utf-8")
    return folder


def request(folder: Path, profile: str = "tiny", **changes: Any) -> resolve.Request:
    """Return a request whose files and results are in ``folder``; ``workers`` are those of its machine."""
    settings: dict[str, Any] = {
        "profile": profile,
        "datasets": folder / "datasets.yaml",
        "experiments": folder / "experiments.yaml",
        "runs": folder / "runs",
        "cache": folder / "cache",
        "reports": folder / "reports",
        "threads": 1,
    }
    if "workers" in changes:
        changes["machine"] = Machine(workers=changes.pop("workers"))
    return resolve.Request(**{**settings, **changes})


class InProcess:
    """An executor that runs the cells in this process, where a fault can be planted."""

    def __init__(self, machine: Machine) -> None:
        self.check: NetworkCheck | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, check: NetworkCheck, threads: Sequence[int]) -> None:
        """Note which networks are to be built."""
        self.check = check

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Build each network once and return those that cannot be built."""
        yield from ()
        assert self.check is not None
        return attempt.check_networks(self.check).faults

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run the tasks one after another."""
        for number, work in enumerate(tasks, start=1):
            yield task.started(work, number, len(tasks))
            yield from self.cell(work)

    def stop(self) -> None:
        """Nothing: no test asks for it."""

    def cell(self, work: Task) -> Iterator[Event]:
        """Run one cell."""
        events: list[Event] = []
        ended = attempt.attempt(work, events.append)
        yield from (*events, ended)


class FakeExecutor(InProcess):
    """An executor without networks: no training, made-up scores, and a note of what it ran."""

    started = 0
    ran: list[str] = []  # noqa: RUF012
    built: list[tuple[str, ...]] = []  # noqa: RUF012
    unbuildable: tuple[tuple[str, str], ...] = ()
    failing: tuple[str, ...] = ()

    def __init__(self, machine: Machine) -> None:
        type(self).started += 1

    def begin(self, check: NetworkCheck, threads: Sequence[int]) -> None:
        """Note which networks would be built."""
        type(self).built.append(tuple(network.model for network in check.networks))

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Return the planted faults of networks."""
        yield from ()
        return [NetworkFault(*fault) for fault in type(self).unbuildable]

    def cell(self, work: Task) -> Iterator[Event]:
        """Write what a cell would leave."""
        type(self).ran.append(work.id)
        yield Progress("score", work.id, 1, 1)
        if work.id.startswith(self.failing) and self.failing:
            ended = task.fail(work, "planted failure")
        else:
            ended = write_cell(work)
        yield CellEnded(work.id, ended.status, ended.attempts[-1].message if ended.attempts else "", 1.0)


def write_cell(work: Task) -> Record:
    """Write scores, samples and the record of a cell as if it had run."""
    names = work.parts["test"]
    lowest = 0.5 if work.planned.spec.training is None else 1.5  # a network is not its input
    each = [lowest + i for i in range(len(names))]
    rows = records_factory.scores(names, **dict.fromkeys(METRICS, each))
    work.store.write_scores(rows)
    shape = (1, 8, 8)
    work.store.write_samples(
        ["/".join(names[0])], {k: np.zeros(shape) for k in ("input", "output", "reference")}
    )
    attempts = (
        ()
        if work.planned.spec.training is None
        else (Attempt(seed=1, updates=2, epochs=2, ended="finished"),)
    )
    return task.end(work, task.Outcome("finished", attempts))


def use_fake_executor(
    monkeypatch: Any, failing: Sequence[str] = (), unbuildable: Sequence[tuple[str, str]] = ()
) -> type[FakeExecutor]:
    """Let runs use a fresh ``FakeExecutor`` class and return it."""
    fresh = {
        "started": 0,
        "ran": [],
        "built": [],
        "failing": tuple(failing),
        "unbuildable": tuple(unbuildable),
    }
    kind = type("Fake", (FakeExecutor,), fresh)
    use_executor(monkeypatch, kind)
    return kind


def trained(folder: Path, only: Sequence[str]) -> Path:
    """Return ``folder`` after the cells that ``only`` names have run in this process, without a leak audit."""
    write(folder)
    with pytest.MonkeyPatch.context() as patch:
        use_executor(patch, InProcess)
        patch.setattr(runner, "_audited", unaudited)
        for _ in runner.run(request(folder, only=tuple(only))):
            pass
    return folder


def use_executor(monkeypatch: Any, kind: Any) -> None:
    """Let runs that name no executor use this one."""
    monkeypatch.setitem(executor.EXECUTORS, "local", kind)


def flip(path: Path, place: int) -> None:
    """Turn over the bits of one byte and keep the file's size and time of change, as a bad disk would."""
    content, status = bytearray(path.read_bytes()), path.stat()
    content[place] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def no_tables(*_: Any) -> Any:
    """Stands for ``report.publish`` where a test needs no tables."""
    return SimpleNamespace(paths=[Path("results.html")], page=Path("results.html"), scores=())


def command(code: str = "from bench.cli import main; main()") -> list[str]:
    """Return the start of a command line that runs ``bench`` from this checkout."""
    return [sys.executable, "-c", code]


def environment(**changes: str) -> dict[str, str]:
    """Return an environment in which ``bench`` is this checkout's and no variable of the user counts."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BENCH_")}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, "COLUMNS": "80", **changes}


def in_session(folder: Path, *arguments: str, stderr: int, **variables: str) -> subprocess.Popen[str]:
    """Start ``bench`` in a session of its own, as a terminal would: a job in the background has Ctrl-C ignored."""
    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in heard]
    try:
        return subprocess.Popen(
            [*command(), *arguments],
            cwd=folder,
            env=environment(PYTHONUNBUFFERED="1", BENCH_TRACEBACK="1", **variables),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    finally:
        for number, handler in zip(heard, before, strict=True):
            signal.signal(number, handler)


def bench(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``bench`` in ``folder`` to its end."""
    return subprocess.run(
        [*command(), *arguments],
        cwd=folder,
        env=dict(env or environment()),
        capture_output=True,
        text=True,
        timeout=240,
    )


def command_here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *first: str
) -> Callable[..., tuple[int, str, str]]:
    """Return what runs ``bench`` with words after the ``first`` ones in this process: exit code, stdout and stderr.

    The handlers of signals are afterwards those of before.
    """
    from bench import cli

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *first, *arguments])
        capfd.readouterr()
        before = {
            number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        with pytest.raises(SystemExit) as ended:
            cli.main()
        for number, handler in before.items():
            signal.signal(number, handler)
        return int(ended.value.code or 0), *capfd.readouterr()

    return run


def planned(folder: Path) -> Plan:
    """Return the plan of the profile ``tiny``."""
    return resolve.resolve(request(write(folder))).plan


record_of = records_factory.record


def unaudited(prepared: resolve.ResolvedRun) -> Generator[Event, None, resolve.ResolvedRun]:
    """In place of the leak audit of a run: nothing is looked at, nothing is found."""
    yield from ()
    return prepared


def finish(folder: Path, patch: Any) -> None:
    """Let a ``FakeExecutor`` end every cell of ``tiny`` in ``folder``, without pairs, and write ``golden.json``."""
    use_fake_executor(patch)
    patch.setattr(runner, "build", lambda *_: iter(()))
    patch.setattr(runner, "_audited", unaudited)
    for _ in runner.run(request(folder)):
        pass
    store = RunStore(folder / "runs" / "tiny")
    results = store.read_all(store.read_plan())
    atomic.write_json(folder / "golden.json", golden.make([results], "tiny", {}))


def widest(text: str) -> int:
    """Return the length of the longest line, but for those that are one path, which nothing can fold."""
    return max(len(line) for line in text.splitlines() if " " in line.strip())
