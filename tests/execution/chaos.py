"""A run that is killed at seeded points and started again until it ends, and what must hold after each kill."""

from __future__ import annotations

import difflib
import os
import queue
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.cli import overview
from bench.plan.cells import Plan
from bench.records.store import CellStore, Result, RunStore
from bench.report import table
from bench.report.render import csv, markdown
from tests import tiny

NETWORK = """
import keras

def build(filters):
    image = keras.Input((None, None, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(filters, 3, padding="same")(image))
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(keras.layers.Dropout(0.1)(x)))
"""
EXPERIMENTS = """
schema: 1
models:
  two: {build: "own:build", params: {filters: 2}, recipes: {study: RECIPE}}
  three: {build: "own:build", params: {filters: 3}, recipes: {study: RECIPE}}
experiments:
  default: {models: [two, three], conditions: [noisy]}
profiles:
  tiny: {source: phantom, split: phantom, size: 32, budget: {slices_seen: 480, checks: 4}}
"""
RECIPE = "{learning_rate: 1e-2, epochs: 4, batch: 4, passes: 4, loss: mse}"
COMMAND = ("run", "--profile", "tiny", "--threads", "1", "--save-every", "1", "--retry-failed")
CELLS = ("input:noisy", "two:noisy", "three:noisy")
END_S = 280.0

#: By name: the line that is waited for, and the seconds after it within which the kill comes.
PHASES = {
    "starting": ("datasets.yaml: ", 0.5),
    "building pairs": ("building phantom: ", 0.4),
    "importing": ("building phantom: 12 of 12", 4.0),
    "first epoch": ("] t", 1.5),
    "within an epoch": (" epoch 1/4", 0.5),
    "late epochs": (" epoch 3/4", 0.3),
    "scoring": (" epoch 4/4", 0.3),
    "between cells": (" finished after", 0.3),
}
#: By name: who gets which signals.
KILLS: dict[str, tuple[str, tuple[int, ...]]] = {
    "SIGKILL of the command": ("command", (signal.SIGKILL,)),
    "SIGKILL of a worker": ("worker", (signal.SIGKILL,)),
    "SIGKILL of the group": ("group", (signal.SIGKILL,)),
    "SIGTERM of the command": ("command", (signal.SIGTERM,)),
    "SIGTERM of the group": ("group", (signal.SIGTERM,)),
    "SIGTERM of a worker": ("worker", (signal.SIGTERM,)),
    "SIGINT": ("group", (signal.SIGINT,)),
    "SIGINT twice": ("group", (signal.SIGINT, signal.SIGINT)),
}
DAMAGE = ("none", "none", "byte", "cut", "zeros", "both")
#: The exit code of a command that got this signal, unless it had just ended by itself.
CODES = {signal.SIGKILL: -9, signal.SIGTERM: 75, signal.SIGINT: 130}


@dataclass(frozen=True)
class Point:
    """A kill: when, how, and what is done to a saved state after it."""

    phase: str
    kill: str
    delay: float  # share of the phase's seconds
    damage: str = "none"
    at_once: bool = False  # the next run starts while the processes of this one may still live

    @classmethod
    def drawn(cls, rng: random.Random) -> Point:
        """Return a point by chance."""
        return cls(
            rng.choice(list(PHASES)), rng.choice(list(KILLS)), rng.random(),
            rng.choice(DAMAGE), rng.random() < 0.5,
        )  # fmt: skip


class Running:
    """A ``bench`` process in a session of its own."""

    def __init__(self, folder: Path, workers: int, cells: Sequence[str]) -> None:
        self.process = tiny.in_session(
            folder, *COMMAND, "--workers", str(workers), "--only", *cells,
            stderr=subprocess.STDOUT, BENCH_CACHE=str(folder / "cache"),
        )  # fmt: skip
        self.lines: list[str] = []
        self._coming: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self._coming.put(line)
        self._coming.put(None)

    def reaches(self, text: str) -> bool:
        """Return whether a line with ``text`` comes before the end of the process."""
        while (line := self._coming.get(timeout=END_S)) is not None:
            self.lines.append(line)
            if text in line:
                return True
        self._coming.put(None)  # for ``end``
        return False

    def members(self, of: str = "") -> list[int]:
        """Return the processes of the session with ``of`` in their command line."""
        listed = subprocess.run(
            ["ps", "-ww", "-o", "pid=,stat=,args=", "-s", str(self.process.pid)],
            capture_output=True,
            text=True,
        )
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
        return [int(pid) for pid, state, args in rows if of in args and not state.startswith("Z")]

    def strike(self, kill: str, rng: random.Random) -> bool:
        """Send the signals of a kill; return whether there was a process to get them."""
        target, numbers = KILLS[kill]
        for index, number in enumerate(numbers):
            if index:
                time.sleep(0.2 * rng.random())
            workers = self.members("spawn_main")
            try:
                if target == "group":
                    os.killpg(self.process.pid, number)
                elif target == "command":
                    self.process.send_signal(number)
                elif workers:
                    os.kill(rng.choice(workers), number)
                else:
                    return False
            except ProcessLookupError:
                return index > 0
        return True

    def end(self) -> int:
        """Wait for the end of the command and return its exit code."""
        code = self.process.wait(timeout=END_S)
        while (
            line := self._coming.get(timeout=END_S)
        ) is not None:  # orphans hold the pipe too: they are gone
            self.lines.append(line)
        return code

    def clear(self) -> None:
        """Wait until no process of the session is left."""
        ends = time.monotonic() + 30
        while self.members():
            assert time.monotonic() < ends, f"processes are left: {self.members()}"
            time.sleep(0.05)


@dataclass
class Chaos:
    """Runs in a folder, beside those of ``expected``, which nothing has disturbed."""

    folder: Path
    workers: int = 1
    cells: tuple[str, ...] = CELLS
    expected: Chaos | None = None
    finished: dict[str, tuple[int, int]] = field(default_factory=dict)  # cell -> inode and time of its record
    hit: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        datasets = tiny.DATASETS.replace("patients: 5, slices: 4", "patients: 4, slices: 3")
        tiny.write(self.folder, datasets, EXPERIMENTS.replace("RECIPE", RECIPE))
        (self.folder / "own.py").write_text(NETWORK)

    @property
    def store(self) -> RunStore:
        """The results."""
        return RunStore(self.folder / "runs" / "tiny")

    def plan(self) -> Plan | None:
        """Return the plan, where there is one yet."""
        return self.store.read_plan() if (self.store.root / "plan.json").exists() else None

    def finish(self) -> None:
        """Start the command until it has finished every cell: once, or twice where a killed worker has cost a cell."""
        for _ in range(2):
            running = Running(self.folder, self.workers, self.cells)
            code = running.end()
            running.clear()
            self.check()
            if code == 0:
                break
        assert code == 0, "".join(running.lines)

    def strike(self, point: Point, rng: random.Random) -> bool:
        """Start the command, kill it at a point, look at what is there; return whether the point was reached."""
        text, spread = PHASES[point.phase]
        running = Running(self.folder, self.workers, self.cells)
        reached = running.reaches(text)
        if reached:
            time.sleep(spread * point.delay)
            reached = running.strike(point.kill, rng)
        if KILLS[point.kill][0] == "command" and point.at_once and point.damage == "none":
            code = running.process.wait(timeout=END_S)
        else:
            code = running.end()
            running.clear()
        if reached:
            self._note(point, code, running)
            self._damage(point.damage, rng)
        self.check()
        return reached

    def _note(self, point: Point, code: int, running: Running) -> None:
        target, numbers = KILLS[point.kill]
        if target != "worker":
            assert code in (CODES[signal.Signals(numbers[-1])], 0, 1), (point, code, running.lines)
        at_work = [line.split(" ", 2)[2].strip() for line in running.lines[-3:] if line[:2] == "20"]
        self.hit.update((f"phase: {point.phase}", f"kill: {point.kill}", f"exit code: {code}"))
        self.log.append(f"{point} -> {code}; {at_work[-1:]}")

    def _damage(self, kind: str, rng: random.Random) -> None:
        """Damage a saved state, or both of a cell."""
        states = sorted(self.store.root.glob("*/state.npz"))
        if kind == "none" or not states:
            return
        state = rng.choice(states)
        both = [state, state.with_name("state.previous.npz")] if kind == "both" else [state]
        for path in both:
            if not path.exists():
                continue
            size = path.stat().st_size
            if kind == "cut":
                os.truncate(path, rng.randrange(size))
            elif kind == "zeros":
                os.truncate(path, size // 2)
                os.truncate(path, size)
            else:
                tiny.flip(path, rng.randrange(size))
        self.hit.update((f"damage: {kind}",))

    def check(self) -> None:
        """No cell is shown as done that is not whole, and no finished one was done again."""
        plan = self.plan()
        if plan is None:
            return
        results = self.store.read_all(plan)
        done = [result for result in results if result.record and result.record.status == "finished"]
        for result in done:
            status = (result.folder.folder / "record.json").stat()
            mark = (status.st_ino, status.st_mtime_ns)
            assert self.finished.setdefault(result.planned.id, mark) == mark, "a finished cell was done again"
            if self.expected is not None:
                same(result.folder, self.expected.store.cell(result.planned.id))
        assert set(self.finished) <= {result.planned.id for result in done}
        assert overview.of_run(self.store).count(" finished") == len(done)
        markdown.render(table.build(plan, results, ()))

    def check_end(self) -> None:
        """All is as in the undisturbed run: files by name, weights, scores, tables without times."""
        assert self.expected is not None
        assert len(self.finished) == len(self.cells)
        assert self.files() == self.expected.files()
        for cell in self.finished:
            ours, theirs = self.store.cell(cell), self.expected.store.cell(cell)
            same(ours, theirs)
            assert [{**row, "seconds": 0} for row in ours.read_history()] == [
                {**row, "seconds": 0} for row in theirs.read_history()
            ]
        for ours, theirs in zip(self.tables(), self.expected.tables(), strict=True):
            others = difflib.unified_diff(
                theirs.splitlines(), ours.splitlines(), "undisturbed", "ours", "", "", 0, ""
            )
            assert ours == theirs, "\n".join([*others, *self.log[-8:]])

    def files(self) -> list[str]:
        """Return all files by name, but for compiled Python."""
        return sorted(
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        )

    def tables(self) -> tuple[str, str]:
        """Return the tables of results without times and attempts, in two forms."""
        plan = self.store.read_plan()
        tables = table.build(plan, [timeless(result) for result in self.store.read_all(plan)], ())
        return csv.render(tables), markdown.render(tables)

    def again(self, rng: random.Random) -> None:
        """Begin a new round: without results, in half of the cases also without pairs."""
        self.finished.clear()
        shutil.rmtree(self.folder / "runs", ignore_errors=True)
        shutil.rmtree(self.folder / "reports", ignore_errors=True)
        if rng.random() < 0.5:
            shutil.rmtree(self.folder / "cache", ignore_errors=True)


def same(ours: CellStore, theirs: CellStore) -> None:
    """Check that two cells have equal scores and weights, to the last bit."""
    assert (ours.folder / "scores.csv").read_bytes() == (theirs.folder / "scores.csv").read_bytes()
    if theirs.weights.exists():
        with np.load(ours.weights) as a, np.load(theirs.weights) as b:
            assert {key: a[key].tobytes() for key in a.files} == {key: b[key].tobytes() for key in b.files}


def timeless(result: Result) -> Result:
    """Return a result without what a clock has measured, and with its last attempt only."""
    if result.record is None:  # a cell that is not asked for
        return result
    record = result.record.model_copy(
        update={
            "timings": {}, "files": {}, "environment": {}, "attempts": result.record.attempts[-1:],
            "started": "", "ended": "",
        }
    )  # fmt: skip
    history = [{**row, "seconds": 0.0} for row in result.history]
    return Result(result.planned, record, result.scores, history, result.folder)


def rounds(chaos: Chaos, points: Sequence[Point], rng: random.Random, *, each: int) -> Iterator[Point]:
    """Strike at the points, a new round after ``each`` or when a run has come to its end; yield those that were hit."""
    struck = 0
    for point in points:
        reached = chaos.strike(point, rng)
        if reached:
            struck += 1
            yield point
        if not reached or struck == each:
            chaos.finish()
            chaos.check_end()
            chaos.again(rng)
            struck = 0
    chaos.finish()
    chaos.check_end()
