"""A method of another program scored like a cell of this one: degraded slices go out, outputs come in, a record stays.

Everything is looked at before anything is written: what is refused leaves no trace.
"""

from __future__ import annotations

import importlib
import inspect
import re
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench import atomic, words
from bench.classical import METHODS
from bench.config.precedence import ALL
from bench.config.schema import INPUT
from bench.ct.units import mu_to_hu
from bench.data.pairs import degraded, outputs
from bench.data.pairs.degraded import DegradedSlice
from bench.errors import BenchError
from bench.events import Event, Message, Progress
from bench.execution import cell_lock, leak_gate, runner, scoring, task
from bench.execution.resolve import Request, ResolvedRun, resolve
from bench.execution.task import Task
from bench.names import suggestion
from bench.plan.cells import PlannedCell
from bench.records import submissions
from bench.records.record import Submission
from bench.records.store import sha256_of


class Program(Protocol):
    """What turns degraded slices into outputs, in words, and from where an output comes."""

    @property
    def words(self) -> str:
        """The program in a few words."""
        ...

    def begin(self, slices: Sequence[DegradedSlice], conditions: Sequence[str]) -> None:
        """Make ready for ``slices``; all ``conditions`` of the profile are named."""
        ...

    def place(self, one: DegradedSlice) -> str:
        """Return where the output of a slice comes from."""
        ...

    def output(self, one: DegradedSlice, image: np.ndarray) -> object:
        """Return the output for a degraded slice, (H, W) float32 in HU."""
        ...


@dataclass
class Called:
    """A function of Python that is called with one slice at a time: ``package.module:function``."""

    name: str
    _function: Callable[..., Any] = field(init=False)
    _keys: frozenset[str] = field(init=False)
    words = property(lambda self: f"callable {self.name}")

    def begin(self, slices: Sequence[DegradedSlice], conditions: Sequence[str]) -> None:
        """Import the function, also from the current folder, and see which names of a slice it takes."""
        self._function = imported(self.name)
        try:
            parameters = inspect.signature(self._function).parameters.values()
        except (TypeError, ValueError):  # of a compiled one
            parameters = {}.values()
        self._keys = frozenset(one.name for one in parameters) & {"patient", "slice", "condition"}

    def place(self, one: DegradedSlice) -> str:
        """Return the function and the slice that it was called with."""
        return f"{self.name} on {one}"

    def output(self, one: DegradedSlice, image: np.ndarray) -> object:
        """Return what the function returns for a slice; it gets the names that it has parameters for."""
        named = {"patient": one.patient, "slice": one.name, "condition": one.condition}
        try:
            return self._function(image, **{key: named[key] for key in self._keys})
        except Exception as error:
            raise BenchError(_told(error), file=self.place(one)) from error


@dataclass
class Files:
    """A folder with a file for each slice, named as ``bench data export --degraded-only`` names them."""

    folder: Path
    _files: dict[DegradedSlice, Path] = field(default_factory=dict)
    words = property(lambda self: f"files in {self.folder}")

    def begin(self, slices: Sequence[DegradedSlice], conditions: Sequence[str]) -> None:
        """Find the file of each slice; one that is missing or of no slice is refused."""
        self._files = degraded.expected(self.folder, slices, conditions)

    def place(self, one: DegradedSlice) -> str:
        """Return the file of a slice."""
        return str(self._files[one])

    def output(self, one: DegradedSlice, image: np.ndarray) -> object:
        """Return the array in the file of a slice."""
        return degraded.read(self._files[one])


@dataclass(frozen=True)
class Order:
    """What is submitted: ``name`` in the table, its program, who says how it was trained; ``force`` replaces."""

    name: str
    program: Program
    trained_by: str
    conditions: tuple[str, ...] = ()  # empty: all of the profile
    force: bool = False


@dataclass(frozen=True)
class _Collected:
    """The outputs of one cell, in a file."""

    cell: PlannedCell
    file: Path
    ms_per_slice: float


def run(request: Request, order: Order) -> Generator[Event, None, None]:
    """Collect and check the outputs of a program, score them, write records and tables; yield events.

    Raises:
        BenchError: bad input, a method of that name is there, or outputs that cannot be what they are given out for.
    """
    resolved = resolve(request)
    cells = _cells(resolved, order)
    every = {
        name: degraded.tested(name, resolved.folds) for name in dict.fromkeys(c.condition for c in cells)
    }
    order.program.begin([one for slices in every.values() for one in slices], list(resolved.plan.conditions))
    with atomic.lock(resolved.store.root / ".lock"):
        yield from runner.build(resolved, set(every))
        verdict = yield from leak_gate.audit(resolved)
        leak_gate.refuse(resolved, verdict)
        images = sum(map(len, every.values())) * 4 * resolved.profile.size**2
        atomic.require_space(
            resolved.store.root, images, purpose="the outputs", elsewhere="give another --runs"
        )
        with tempfile.TemporaryDirectory(prefix=".tmp-", dir=resolved.store.root) as folder:
            collected = yield from _collect(resolved, order, cells, Path(folder))
            resolved.store.write_plan(leak_gate.plan_with(resolved, verdict))
            resolved.store.write_split(resolved.folds.text)
            for one in collected:
                yield from _score(resolved, order, one)
        yield from runner.tables(request, resolved)
    yield Message(f"{order.name}: {words.count(len(cells), 'cell')} scored, not trained here")


def imported(name: str) -> Callable[..., Any]:
    """Return the function that ``package.module:function`` names; the current folder is looked in first.

    Raises:
        BenchError: there is none, or its module cannot be imported.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise BenchError(f"--callable {name}: must be PACKAGE.MODULE:FUNCTION")
    sys.path.insert(0, str(Path.cwd()))
    try:
        value: Any = importlib.import_module(module)
    except Exception as error:
        raise BenchError(f"cannot be imported: {_told(error)}", file=f"--callable {name}") from error
    finally:
        sys.path.remove(str(Path.cwd()))
    for part in attribute.split("."):
        if not hasattr(value, part):
            known = [key for key, one in vars(value).items() if callable(one) and not key.startswith("_")]
            raise BenchError(
                f"{module} has no {attribute}", file=f"--callable {name}", remedy=suggestion(part, known)
            )
        value = getattr(value, part)
    if not callable(value):
        raise BenchError(f"{attribute} cannot be called", file=f"--callable {name}")
    function: Callable[..., Any] = value
    return function


def _told(error: Exception) -> str:
    """Return what went wrong in a person's own code in one line, and in which line of it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {' '.join(str(error).split())[:300]} ({last.filename}, line {last.lineno})"
    )


def _cells(resolved: ResolvedRun, order: Order) -> list[PlannedCell]:
    """Return the cells that are submitted, one for each condition and fold.

    Raises:
        BenchError: the name or a condition cannot be, or such a cell is there already.
    """
    plan, conditions = submissions.without(resolved.plan), resolved.plan.conditions
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+]*", order.name):
        raise BenchError(
            f"{order.name!r}: a name has letters, digits, _ . + only, and begins with one of the first two"
        )
    if order.name in (INPUT, ALL, *METHODS, *plan.models):
        raise BenchError(f"{order.name} is the name of a model of this profile", remedy="give another name")
    for name in order.conditions:
        if name not in conditions:
            raise BenchError(f"--only {name}: unknown condition", remedy=suggestion(name, conditions))
    inputs = [cell for cell in plan.cells if cell.spec.model == INPUT]
    cells = [
        submissions.cell_of(order.name, untreated)
        for untreated in inputs
        if not order.conditions or untreated.condition in order.conditions
    ]
    there = [cell for cell in cells if resolved.store.cell(cell.id).record_sha256()]
    if there and not order.force:
        message = f"{order.name} has been submitted on {there[0].condition} already"
        raise BenchError(message, remedy="give another name, or --force to replace it")
    return cells


def _collect(
    resolved: ResolvedRun, order: Order, cells: Sequence[PlannedCell], folder: Path
) -> Generator[Event, None, list[_Collected]]:
    """Return the outputs of all cells, each slice and then all slices of a condition checked."""
    collected = []
    total = sum(cell.spec.dataset.data.slices["test"] for cell in cells)
    done = 0
    for condition in dict.fromkeys(cell.condition for cell in cells):
        small: list[tuple[np.ndarray, np.ndarray]] = []
        places: list[str] = []
        for cell in (cell for cell in cells if cell.condition == condition):
            work = runner.task_of(resolved, cell)
            pairs, _ = scoring.opened(work)
            rows, file, times = pairs.parts["test"], folder / f"{cell.id}.npy", []
            shape = (len(rows), *pairs.degraded.shape[1:])
            kept = np.lib.format.open_memmap(file, "w+", np.float32, shape)
            for at, row in enumerate(rows):
                image, one = (
                    mu_to_hu(pairs.degraded[row]),
                    DegradedSlice(condition, cell.fold, *pairs.names[row]),
                )
                began = time.perf_counter()
                output = order.program.output(one, image.copy())
                times.append(time.perf_counter() - began)
                kept[at] = outputs.checked(output, image, order.program.place(one))
                small.append((outputs.thumbnail(kept[at]), outputs.thumbnail(image)))
                places.append(order.program.place(one))
                done += 1
                yield Progress("submit", order.name, done, total)
            kept.flush()
            collected.append(_Collected(cell, file, 1000 * statistics.median(times)))
        theirs, inputs = (np.stack(stack) for stack in zip(*small, strict=True))
        outputs.refuse_turned(theirs, inputs, places)
        outputs.refuse_mixed_up(theirs, inputs, places)
    return collected


def _score(resolved: ResolvedRun, order: Order, one: _Collected) -> Generator[Event, None, None]:
    """Put the outputs of a cell into its folder, score them from there and write its record."""
    work: Task = replace(task.begun(runner.task_of(resolved, one.cell)), before=None)
    submission = Submission(
        trained_by=order.trained_by, program=order.program.words, outputs_sha256=sha256_of(one.file)
    )
    events: list[Event] = []
    with cell_lock.held(work.store):
        work.store.remove()
        with atomic.replace_with(work.store.outputs) as temporary:
            one.file.replace(temporary)
        pairs, outcome = scoring.opened(work)
        timings = {"ms_per_slice": one.ms_per_slice} if isinstance(order.program, Called) else {}
        outcome = replace(outcome, attempts=(), timings=timings, submission=submission)
        scoring.finish(work, pairs, work.store.read_outputs(), events.append, outcome)
    yield from events
