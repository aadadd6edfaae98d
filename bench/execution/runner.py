"""The one orchestrator: cells to records and tables. A generator of events."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack

from bench import atomic, devices, environment, report
from bench.config.load import EXPERIMENTS
from bench.config.precedence import ALL
from bench.config.yaml_lines import KeyPath, dotted
from bench.ct.noise import Noiseless
from bench.ct.units import deviation_factor
from bench.data.pairs import pairs, repair
from bench.errors import BenchError, BenchErrors
from bench.events import CellStarted, Event, Message, RunEnded
from bench.execution.resolve import Prepared, Request, prepare
from bench.execution.task import Check, Network, Task
from bench.execution.worker import Worker
from bench.network_code.importing import Planned
from bench.plan.cells import PlannedCell
from bench.plan.expand import resolved

GPU_POLL_S = 60.0
BUSY = -1  # in place of a GPU's index: there are some, and other jobs use them


def run(request: Request) -> Generator[Event, None, None]:
    """Build the pairs, run every cell that has not ended, write the tables; yield events all the way."""
    prepared = prepare(request)
    with atomic.lock(prepared.store.root / ".lock"):
        prepared.store.write_plan(prepared.plan)
        prepared.store.write_split(prepared.folds.text)
        todo = [cell for cell in prepared.chosen if _is_open(prepared, cell)]
        yield from _files(prepared)
        yield from _remarks(prepared)
        if todo:
            with ExitStack() as stack:
                worker = (
                    _worker(prepared, todo, stack, gpu) if (gpu := _gpu(devices.gpus())) != BUSY else None
                )
                yield from build(prepared, {cell.spec.dataset.condition for cell in todo})
                prepared = yield from _audited(prepared)
                if worker is None:
                    worker = _worker(prepared, todo, stack, (yield from _free_gpu()))
                _refuse(prepared, worker.checked())
                if request.force:  # not before: what cannot be run must not cost the results that are there
                    for cell in todo:
                        prepared.store.cell(cell.id).remove()
                yield from _run_cells(prepared, todo, worker)
        else:
            _remember(prepared)
            yield Message(f"nothing to do: all {len(prepared.chosen)} cells have ended")
        for path in report.write(prepared.store, request.reports / request.profile):
            yield Message(f"wrote {path}")
    yield _summary(prepared)


def build(prepared: Prepared, conditions: set[str] | None = None) -> Generator[Event, None, None]:
    """Build the pairs of ``conditions`` (all of them without) where they are not on disk, byte for byte."""
    files = {k: v for k, v in prepared.files.items() if conditions is None or k in conditions}
    threads = prepared.request.threads or environment.cores()
    yield from repair.verify(prepared.source.name, files, threads=threads)
    if pairs.missing(files):
        from bench import compiled
        from bench.data.pairs import build as pairs_build  # late: the projector's compiler is not for a plan

        if slow := compiled.remark():
            yield Message(slow)
        acquisition = prepared.acquisition.only(files)
        yield from pairs_build.build(prepared.source, prepared.folds, files, acquisition, threads=threads)


def _files(prepared: Prepared) -> Iterator[Message]:
    """Say which two files are in use."""
    for name, file in prepared.plan.configuration.items():
        yield Message(f"{name}: {file.words}")


def _remarks(prepared: Prepared) -> Iterator[Message]:
    """Say that something about the source should be known before its slices are used."""
    remarks = prepared.source.catalogue().remarks
    if remarks:
        command = f"bench data check --profile {prepared.request.profile}"
        more = f" (and {len(remarks) - 1} more remarks: {command})" if len(remarks) > 1 else ""
        yield Message(f"remark: {remarks[0]}{more}")


def _remember(prepared: Prepared) -> None:
    """Let the tables of a leaky split count what an earlier audit has found in it."""
    if prepared.folds.leaky:
        from bench.execution import leak_gate

        leak_gate.counted(prepared, leak_gate.known(prepared))


def _audited(prepared: Prepared) -> Generator[Event, None, Prepared]:
    from bench.execution import leak_gate  # late: a plan needs no image filters

    return (yield from leak_gate.passed(prepared))


def _is_open(prepared: Prepared, cell: PlannedCell) -> bool:
    """Return whether a cell is to be run: it has not ended, or is asked for again."""
    record = prepared.store.cell(cell.id).read_record()
    again = prepared.request.retry_failed and record is not None and record.status != "finished"
    return prepared.request.force or record is None or again


def _summary(prepared: Prepared) -> RunEnded:
    records = [prepared.store.cell(cell.id).read_record() for cell in prepared.chosen]
    finished = sum(record is not None and record.status == "finished" for record in records)
    return RunEnded(finished, len(records) - finished)


def _worker(prepared: Prepared, todo: Sequence[PlannedCell], stack: ExitStack, gpu: int | None) -> Worker:
    """Return a worker, ended with ``stack``, that builds each network of ``todo`` once in the background."""
    worker = stack.enter_context(Worker(prepared.request.threads or environment.cores(), gpu))
    networks = {}
    for cell in todo:
        spec, training = cell.spec, cell.spec.training
        if spec.build is not None and training is not None:
            size = spec.dataset.size
            sides, code = (size, training.patch or size), _code(prepared, cell)
            one = Network(spec.model, spec.build, spec.params, training.precision, sides, code)
            networks[one.model] = one  # of one plan, so the cells of a model have equal settings
    if networks:
        worker.begin(Check(tuple(networks.values()), prepared.store.log))
    return worker


def _refuse(prepared: Prepared, faults: Sequence[tuple[str, str]]) -> None:
    """Raise ``BenchErrors`` with every model that cannot be built: nothing has been trained yet."""
    errors = []
    for model, message in faults:
        path = _of_params(prepared, model)
        file, line = prepared.config.place(path, EXPERIMENTS)
        errors.append(BenchError(message, file=file, line=line, key=dotted(path)))
    if errors:
        raise BenchErrors(errors)


def _of_params(prepared: Prepared, model: str) -> KeyPath:
    """Return the key path of what is nearest to a person's own changes of a network: its parameters, or the model."""
    found = resolved(prepared.config, prepared.profile, model)
    origins = {setting.origin for setting in found.params.values()}
    name = {"own": model, "all": ALL}.get(next((one for one in ("own", "all") if one in origins), ""))
    training: KeyPath = ("profiles", prepared.request.profile, "training")
    return ("models", model) if name is None else (*training, name, "params")


def _run_cells(prepared: Prepared, todo: Sequence[PlannedCell], worker: Worker) -> Iterator[Event]:
    for number, cell in enumerate(todo, start=1):
        task = _task(prepared, cell)
        resumed = len(task.store.read_history()) if task.store.state.exists() else 0
        yield CellStarted(cell.id, number, len(todo), resumed)
        yield from worker.run(task)


def _task(prepared: Prepared, cell: PlannedCell) -> Task:
    condition, fold = cell.spec.dataset.condition, cell.spec.dataset.data.fold or 1
    dose = cell.spec.dataset.dose
    return Task(
        planned=cell,
        files=prepared.files[condition],
        parts=pairs.parts_of(prepared.folds.selections[fold - 1]),
        store=prepared.store.cell(cell.id),
        source=prepared.plan.source,
        leaky=prepared.plan.leaky,
        deviation_factor=None
        if isinstance(dose.noise_model, Noiseless)
        else deviation_factor(prepared.profile.size),
        code=_code(prepared, cell),
        configuration=prepared.plan.configuration,
    )


def _code(prepared: Prepared, cell: PlannedCell) -> Planned:
    """Return the code of a cell's network as it was read for the plan."""
    return Planned(str(prepared.config.base), cell.spec.code, prepared.code_files.get(cell.spec.model, {}))


def _gpu(found: Sequence[devices.Gpu]) -> int | None:
    """Return the GPU with most free memory that no other job uses, or BUSY; None on a machine without one."""
    free = [gpu for gpu in found if gpu.free]
    if free:
        return max(free, key=lambda gpu: gpu.total - gpu.used).index
    return BUSY if found else None


def _free_gpu() -> Generator[Event, None, int | None]:
    """Wait until a GPU is free of other jobs and return its index; None on a machine without one."""
    while (free := _gpu(found := devices.gpus())) == BUSY:
        used = ", ".join(f"GPU {gpu.index}: {gpu.used} of {gpu.total} MiB" for gpu in found)
        yield Message(f"waiting for a GPU that no other job uses ({used})")
        time.sleep(GPU_POLL_S)
    return free
