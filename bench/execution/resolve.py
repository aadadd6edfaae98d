"""A request with all that it names read and planned: both files, the source's catalogue, the split, the cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import environment
from bench.config import load
from bench.config.paths import located, located_split
from bench.config.schema import TRAINING_VERSION, Experiment, Profile
from bench.config.yaml_lines import KeyPath, dotted
from bench.ct import PHYSICS_VERSION
from bench.data.pairs import pairs
from bench.data.pairs.pairs import PairFiles
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import open_source
from bench.data.sources.source import SliceSource
from bench.data.splits import PARTS, Folds, choose, identities
from bench.errors import BenchError, BenchErrors
from bench.execution import time_budget
from bench.execution.machine import EVERYTHING, Machine
from bench.network_code import hashing
from bench.plan import expand
from bench.plan.acquisition import Acquisition
from bench.plan.cells import DataIdentity, Plan, PlannedCell, TimeBudget
from bench.records.store import RunStore
from bench.training.checkpoint import SAVE_EVERY_S


@dataclass(frozen=True)
class Request:
    """What a person asked for on the command line; ``only`` empty means all cells."""

    profile: str
    datasets: Path | None
    experiments: Path | None
    runs: Path
    cache: Path
    reports: Path = Path("reports")
    mask_patients: bool = False  # in the report
    only: tuple[str, ...] = ()
    force: bool = False
    retry_failed: bool = False
    threads: int = 0  # per cell; 0: by the size of its slices
    machine: Machine = EVERYTHING
    executor: str = "local"  # a name in the table of ``executor``
    save_every_s: float = SAVE_EVERY_S  # at most between two saved states of a training
    budget: str | None = None  # the time of the whole run, as 10h

    @property
    def build_threads(self) -> int:
        """The threads for pairs and leak audit: as many as all cells take where both are given, else all cores."""
        return self.threads * self.machine.workers or environment.cores()


@dataclass(frozen=True)
class ResolvedRun:
    """A request with its files read: what is planned, where the pairs lie, where the records go."""

    request: Request
    config: load.Config
    profile: Profile
    plan: Plan
    chosen: tuple[PlannedCell, ...]
    reader: SliceSource
    folds: Folds
    acquisition: Acquisition
    files: dict[str, PairFiles]
    store: RunStore
    second: dict[
        str, PairFiles
    ]  # by condition, where a cell learns from them: pairs of a second draw of the noise
    code_files: dict[str, dict[str, str]]  # by model: hash of each file of its code


def resolve(request: Request, *, timed: bool = True) -> ResolvedRun:
    """Return what a request asks for, with its cells planned. Nothing is written but an index of the source's files.

    Who needs no cells goes without their time budget (``timed`` is false), since it takes measured speeds.

    Raises:
        BenchError: bad input, or the source's slices are not there (with how to get them).
    """
    config = load.load(request.datasets, request.experiments)
    profile = load.profile(config, request.profile)
    experiment = config.experiments.experiments[profile.experiment]
    store = RunStore(request.runs / request.profile)
    only = expand.parse_only(request.only, experiment, store.submitted()) if request.only else None
    reader = open_reader(request, config, profile)
    catalogue = reader.catalogue()
    folds = _folds(config, catalogue, profile)
    sources = _sources(config, experiment)
    data = identities(catalogue, folds, profile.split, profile.source)

    def planned(budget: TimeBudget | None) -> Plan:
        return _planned(config, request.profile, data, sources, folds.leaky, budget)

    acquisition = Acquisition.of_profile(config, profile)
    files = pairs.locate(request.cache, catalogue.fingerprint, folds, acquisition)
    slices = len(set(folds.refs))
    budget = time_budget.of_run(request, profile, store, files, slices, planned) if timed else None
    plan = store.with_submitted(planned(budget))
    twice = {cell.condition for cell in plan.cells if cell.spec.training and cell.spec.training.second_draw}
    again = acquisition.second_draw().only(name for name in files if name in twice)
    return ResolvedRun(
        request=request,
        config=config,
        profile=profile,
        plan=plan,
        chosen=tuple(expand.select(plan, only)),
        reader=reader,
        folds=folds,
        acquisition=acquisition,
        files=files,
        second=pairs.locate(request.cache, catalogue.fingerprint, folds, again),
        store=store,
        code_files={name: hashing.file_hashes(files) for name, files in sources.items()},
    )


def without_data(request: Request) -> tuple[Plan, Path]:
    """Return how the networks of a profile train, as a plan on one slice of each part, and the folder of their code.

    The profile's slices need not be there, so the number of updates says nothing.
    """
    config = load.load(request.datasets, request.experiments)
    profile = load.profile(config, request.profile)
    sources = _sources(config, config.experiments.experiments[profile.experiment])
    kind = config.datasets.sources[profile.source].kind
    nothing = DataIdentity(
        source=profile.source, kind=kind, fingerprint="", selection="", split=profile.split, split_sha256="",
        patients_known=True, slices=dict.fromkeys(PARTS, 1), patients=dict.fromkeys(PARTS, 1),
    )  # fmt: skip
    return _planned(config, request.profile, [nothing], sources), config.base


def _sources(config: load.Config, experiment: Experiment) -> dict[str, hashing.Sources]:
    """Return the code of each model of an experiment, file by file."""
    builds = {name: config.experiments.models[name].build for name in experiment.models}
    return {name: hashing.code_sources(build, config.base) for name, build in builds.items()}


def _planned(
    config: load.Config, profile: str, folds: Sequence[DataIdentity], sources: Mapping[str, hashing.Sources],
    leaky: str = "", budget: TimeBudget | None = None,
) -> Plan:  # fmt: skip
    code = {name: hashing.hash_of(files) for name, files in sources.items()}
    versions = {"physics": PHYSICS_VERSION, "training": TRAINING_VERSION}
    return expand.expand(config, profile, folds, code, versions, leaky=leaky, budget=budget)


def _folds(config: load.Config, catalogue: Catalogue, profile: Profile) -> Folds:
    """Return the split of a profile; what is wrong with it is said with its place in ``datasets.yaml``."""
    try:
        return choose(catalogue, located_split(config, profile.split), profile.slices)
    except BenchErrors:
        raise
    except BenchError as error:
        if error.file is not None:
            raise
        path: KeyPath = ("splits", profile.split, *([error.key] if error.key else []))
        file, line = config.place(path)
        raise BenchError(error.message, file=file, line=line, key=dotted(path), remedy=error.remedy) from None


def open_reader(request: Request, config: load.Config, profile: Profile) -> SliceSource:
    """Return the reader of a profile's source; its index of files is kept beside the pairs."""
    source = located(config, profile.source)
    base = config.datasets_file.parent
    return open_source(profile.source, source, base=base, index_cache=request.cache / "index.json")
