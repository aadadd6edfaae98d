"""The one orchestrator: cells to records and tables. A generator of events."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bench import atomic, devices, report, words
from bench.config.load import EXPERIMENTS
from bench.config.precedence import ALL
from bench.config.yaml_lines import KeyPath, dotted
from bench.ct.noise import Noiseless
from bench.ct.units import deviation_factor
from bench.data.pairs import pairs, repair
from bench.data.pairs.pairs import PairFiles
from bench.errors import BenchError, BenchErrors
from bench.events import CellCost, CellEnded, CellsPlanned, Event, Message, ReportWritten, RunEnded
from bench.execution import cell_lock, places, threads
from bench.execution.executor import executor_of
from bench.execution.known_speeds import known
from bench.execution.local import BACKENDS
from bench.execution.resolve import Request, ResolvedRun, resolve
from bench.execution.stopping import Wish
from bench.execution.task import Network, NetworkCheck, NetworkFault, Task
from bench.network_code.importing import Planned
from bench.plan import expand
from bench.plan.acquisition import Acquisition
from bench.plan.cells import PlannedCell
from bench.plan.forecast import forecast
from bench.records import forecasts
from bench.records.store import CellStore
from bench.training import checkpoint


def run(request: Request, wish: Wish | None = None) -> Generator[Event, None, None]:
    """Build the pairs, run every cell that has not ended, write the tables; yield events all the way.

    Where ``wish`` is asked while cells are at work, they save their state, and the run ends without tables.
    """
    wish = wish or Wish()
    make_executor = executor_of(request.executor)
    resolved = resolve(request)
    with atomic.lock(resolved.store.root / ".lock"):
        _tidy(resolved, request.reports / request.profile)
        resolved.store.write_plan(resolved.plan)
        resolved.store.write_split(resolved.folds.text)
        todo = [cell for cell in resolved.chosen if _is_open(resolved, cell)]
        yield from _files(resolved)
        yield from _remarks(resolved, todo)
        if todo:
            with make_executor(request.machine) as executor:
                trained = [_threads(resolved, cell) for cell in todo if cell.spec.build is not None]
                networks = _networks(resolved, todo)
                executor.begin(NetworkCheck(networks, resolved.store.log), trained)
                if networks:
                    yield Message(
                        f"starting {_backend()} and building {words.count(len(networks), 'network')} ..."
                    )
                yield from build(resolved, {cell.condition for cell in todo})
                resolved = yield from _audited(resolved)
                resolved.store.write_plan(resolved.plan)  # of a leaky split it now counts the leaks
                _refuse(resolved, (yield from executor.faults()))
                if request.force:  # not before: what cannot be run must not cost the results that are there
                    _remove([resolved.store.cell(cell.id) for cell in todo])
                yield _costs(resolved, todo)
                with wish.heeded(executor.stop):
                    for event in executor.run([task_of(resolved, cell) for cell in todo]):
                        yield _with_log(resolved, event)
            if wish.asked:
                return
        else:
            resolved.store.write_plan(_remembered(resolved).plan)
            yield Message(f"nothing to do: all {len(resolved.chosen)} cells have ended")
        yield from tables(request, resolved)
    yield _summary(resolved)


def tables(request: Request, resolved: ResolvedRun) -> Generator[Event, None, None]:
    """Write the tables of a run."""
    written = report.publish(resolved.store, request.reports / request.profile, request.mask_patients)
    for path in written.paths:
        yield Message(f"wrote {path}")
    yield ReportWritten(str(written.page), written.scores)


def build(resolved: ResolvedRun, conditions: set[str] | None = None) -> Generator[Event, None, None]:
    """Build the pairs of ``conditions`` (all of them without) where they are not on disk, byte for byte."""
    scans = resolved.acquisition
    for every, acquisition in ((resolved.files, scans), (resolved.second, scans.second_draw())):
        files = {k: v for k, v in every.items() if conditions is None or k in conditions}
        if files:
            yield from _build(resolved, files, acquisition.only(files))


def _build(
    resolved: ResolvedRun, files: dict[str, PairFiles], acquisition: Acquisition
) -> Generator[Event, None, None]:
    count = resolved.request.build_threads
    yield from repair.verify(resolved.reader.name, files, threads=count)
    if pairs.missing(files):
        from bench import compiled
        from bench.data.pairs import build as pairs_build  # late: the projector's compiler is not for a plan

        if slow := compiled.remark():
            yield Message(slow)
        yield from pairs_build.build(resolved.reader, resolved.folds, files, acquisition, threads=count)


def _files(resolved: ResolvedRun) -> Iterator[Message]:
    """Say which two files are in use."""
    for name, file in resolved.plan.configuration.items():
        yield Message(f"{name}: {file.words}")


def _remarks(resolved: ResolvedRun, todo: Sequence[PlannedCell]) -> Iterator[Message]:
    """Say what should be known of the source before its slices are used, and of the machine before it trains."""
    remarks = resolved.reader.catalogue().remarks
    if remarks:
        command = f"bench data check --profile {resolved.request.profile}"
        more = f" (and {len(remarks) - 1} more remarks: {command})" if len(remarks) > 1 else ""
        yield Message(f"remark: {remarks[0]}{more}")
    if resolved.request.executor == "local" and (
        slow := places.bfloat16_remark(resolved.request.machine, (cell.spec for cell in todo))
    ):
        yield Message(f"remark: {slow}")


def _audited(resolved: ResolvedRun) -> Generator[Event, None, ResolvedRun]:
    """Return a run whose slices have passed the leak audit, with the finding in the plan of a leaky split."""
    from bench.execution import leak_gate  # late: a plan needs no image filters

    verdict = yield from leak_gate.audit(resolved)
    yield Message(verdict.words)
    leak_gate.refuse(resolved, verdict)
    return replace(resolved, plan=leak_gate.plan_with(resolved, verdict))


def _remembered(resolved: ResolvedRun) -> ResolvedRun:
    """Return a run with nothing to do, with the finding of an earlier leak audit in the plan of a leaky split."""
    if not resolved.folds.leaky:
        return resolved
    from bench.execution import leak_gate

    return replace(resolved, plan=leak_gate.plan_with(resolved, leak_gate.known(resolved)))


def _tidy(resolved: ResolvedRun, reports: Path) -> None:
    """Remove what killed processes have left: unfinished files, and states of cells that have ended.

    A cell that a process is at, an orphan or a job of an engine, is left to it.
    """
    for folder in (reports, resolved.store.root, resolved.store.root / ".locks"):
        atomic.remove_leftovers(folder)
    for store in map(resolved.store.cell, (cell.id for cell in resolved.plan.cells)):
        if store.folder.exists():
            with suppress(atomic.Busy), cell_lock.held(store):
                atomic.remove_leftovers(store.folder)
                record = store.read_record() if checkpoint.exists(store.state) else None
                if record is not None and record.status != "failed":
                    checkpoint.remove(store.state)


def _remove(stores: Sequence[CellStore]) -> None:
    """Remove all that is on disk of cells; none of it where another process is at one of them."""
    for store in stores:
        with cell_lock.held(store):
            pass
    for store in stores:
        with cell_lock.held(store):
            store.remove()


def _is_open(resolved: ResolvedRun, cell: PlannedCell) -> bool:
    """Return whether a cell is to be run: it has not ended, or is asked for again. A submitted one has ended."""
    if cell.spec.submitted:
        return False
    record = resolved.store.cell(cell.id).read_record()
    again = resolved.request.retry_failed and record is not None and record.status != "finished"
    return resolved.request.force or record is None or again


def _summary(resolved: ResolvedRun) -> RunEnded:
    records = [resolved.store.cell(cell.id).read_record() for cell in resolved.chosen]
    finished = sum(record is not None and record.status == "finished" for record in records)
    return RunEnded(finished, len(records) - finished)


def _backend() -> str:
    """Return the printed name of what the networks run on."""
    name = devices.backend()
    return BACKENDS[name][0] if name in BACKENDS else name


def _costs(resolved: ResolvedRun, todo: Sequence[PlannedCell]) -> CellsPlanned:
    """Return what the cells cost, and freeze their forecast where the speed of every network is known."""
    request, store = resolved.request, resolved.store
    estimate = forecast(todo, known(request, todo)[0], request.machine.workers)
    if estimate is not None:
        forecasts.freeze(store.root, estimate, anew=request.force)
    costs = []
    for cell in todo:
        training, folder = cell.spec.training, store.cell(cell.id)
        checks = len(folder.read_history()) if checkpoint.exists(folder.state) else 0
        costs.append(
            CellCost(
                cell.id, cell.spec.model, training.updates if training else 0,
                checks / training.epochs if training else 0.0,
                estimate.cells[cell.id].seconds if estimate else None,
            )
        )  # fmt: skip
    return CellsPlanned(tuple(costs))


def _with_log(resolved: ResolvedRun, event: Event) -> Event:
    """Return the end of a cell that did not finish with the path of its log."""
    if not isinstance(event, CellEnded) or event.status == "finished" or event.crowded:
        return event
    log = resolved.store.cell(event.cell).log
    return replace(event, log=str(log)) if log.exists() else event


def _networks(resolved: ResolvedRun, todo: Sequence[PlannedCell]) -> tuple[Network, ...]:
    """Return each network of the cells once: those of one model have equal settings, as they are of one plan."""
    networks = {}
    for cell in todo:
        spec, training = cell.spec, cell.spec.training
        if spec.build is not None and training is not None:
            size = spec.dataset.size
            sides, code = (size, training.patch or size), _code(resolved, cell)
            networks[spec.model] = Network(
                spec.model, spec.build, spec.params, training.precision, sides, code
            )
    return tuple(networks.values())


def _refuse(resolved: ResolvedRun, faults: Sequence[NetworkFault]) -> None:
    """Raise ``BenchErrors`` with every model that cannot be built: nothing has been trained yet."""
    errors = []
    for model, message in faults:
        path = _of_params(resolved, model)
        file, line = resolved.config.place(path, EXPERIMENTS)
        errors.append(BenchError(message, file=file, line=line, key=dotted(path)))
    if errors:
        raise BenchErrors(errors)


def _of_params(resolved: ResolvedRun, model: str) -> KeyPath:
    """Return the key path of what is nearest to a person's own changes of a network: its parameters, or the model."""
    settings = expand.resolved(resolved.config, resolved.profile, model)
    origins = {setting.origin for setting in settings.params.values()}
    name = {"own": model, "all": ALL}.get(next((one for one in ("own", "all") if one in origins), ""))
    training: KeyPath = ("profiles", resolved.request.profile, "training")
    return ("models", model) if name is None else (*training, name, "params")


def task_of(resolved: ResolvedRun, cell: PlannedCell) -> Task:
    """Return all that a worker needs for one cell of a run."""
    condition, fold, training = cell.condition, cell.fold or 1, cell.spec.training
    twice = training is not None and training.second_draw
    noiseless = isinstance(cell.spec.dataset.dose.noise_model, Noiseless)
    return Task(
        planned=cell,
        files=pairs.with_proofs(resolved.files[condition]),
        second=pairs.with_proofs(resolved.second[condition]) if twice else None,
        parts=pairs.parts_of(resolved.folds.selections[fold - 1]),
        store=resolved.store.cell(cell.id),
        credit=resolved.plan.source,
        leaky=resolved.plan.leaky,
        deviation_factor=None if noiseless else deviation_factor(resolved.profile.size),
        code=_code(resolved, cell),
        threads=_threads(resolved, cell),
        configuration=resolved.plan.configuration,
        save_every_s=resolved.request.save_every_s,
        before=resolved.store.cell(cell.id).record_sha256(),
    )


def _threads(resolved: ResolvedRun, cell: PlannedCell) -> int:
    """Return how many threads a cell runs on."""
    request = resolved.request
    return threads.of_cell(cell, resolved.store.cell(cell.id), chosen=request.threads, anew=request.force)


def _code(resolved: ResolvedRun, cell: PlannedCell) -> Planned:
    """Return the code of a cell's network as it was read for the plan."""
    return Planned(str(resolved.config.base), cell.spec.code, resolved.code_files.get(cell.spec.model, {}))
