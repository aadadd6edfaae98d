"""From what a person asked for to what is planned: both files, the source's catalogue, the split, the cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.config import load as config
from bench.config.paths import located, located_split
from bench.config.schema import TRAINING_VERSION, Profile
from bench.config.yaml_lines import KeyPath, dotted
from bench.ct import PHYSICS_VERSION
from bench.data.pairs import pairs
from bench.data.pairs.pairs import PairFiles
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import SliceSource, open_source
from bench.data.splits import Folds, choose, identities
from bench.errors import BenchError, BenchErrors
from bench.network_code import hashing
from bench.plan import expand as plan
from bench.plan.acquisition import Acquisition
from bench.plan.cells import Plan, PlannedCell
from bench.records.store import RunStore


@dataclass(frozen=True)
class Request:
    """What a person asked for on the command line; ``only`` empty means all cells."""

    profile: str
    datasets: Path | None
    experiments: Path | None
    runs: Path
    cache: Path
    reports: Path
    only: tuple[str, ...] = ()
    force: bool = False
    retry_failed: bool = False
    threads: int = 0  # per cell; 0: all cores


@dataclass(frozen=True)
class Prepared:
    """A request with its files read: what is planned, where the pairs lie, where the records go."""

    request: Request
    config: config.Config
    profile: Profile
    plan: Plan
    chosen: tuple[PlannedCell, ...]
    source: SliceSource
    folds: Folds
    acquisition: Acquisition
    files: dict[str, PairFiles]
    store: RunStore
    code_files: dict[str, dict[str, str]]  # by model: hash of each file of its code


def prepare(request: Request) -> Prepared:
    """Read the two files and the source's index, cut it into parts and plan the cells. Nothing is written but an index.

    Raises:
        BenchError: bad input, or the source's slices are not there (with how to get them).
    """
    settings = config.load(request.datasets, request.experiments)
    profile = config.profile(settings, request.profile)
    only = plan.parse_only(request.only, settings, request.profile) if request.only else None
    source = open_profile_source(request, settings, profile)
    catalogue = source.catalogue()
    folds = _folds(settings, catalogue, profile)
    models = settings.experiments.experiments[profile.experiment].models
    builds = {name: settings.experiments.models[name].build for name in models}
    sources = {name: hashing.code_sources(build, settings.base) for name, build in builds.items()}
    code = {name: hashing.hash_of(found) for name, found in sources.items()}
    planned = plan.expand(
        settings,
        request.profile,
        identities(catalogue, folds, profile.split, profile.source),
        code,
        {"physics": PHYSICS_VERSION, "training": TRAINING_VERSION},
        leaky=folds.leaky,
    )
    acquisition = Acquisition.of_profile(settings, profile)
    files = pairs.locate(request.cache, catalogue.fingerprint, folds, acquisition)
    chosen = tuple(planned.cells if only is None else plan.select(planned, only))
    store = RunStore(request.runs / request.profile)
    code_files = {name: hashing.file_hashes(found) for name, found in sources.items()}
    return Prepared(
        request, settings, profile, planned, chosen, source, folds, acquisition, files, store, code_files
    )


def _folds(settings: config.Config, catalogue: Catalogue, profile: Profile) -> Folds:
    """Return the split of a profile; what is wrong with it is said with its place in ``datasets.yaml``."""
    try:
        return choose(catalogue, located_split(settings, profile.split), profile.slices)
    except BenchErrors:
        raise
    except BenchError as error:
        if error.file is not None:
            raise
        path: KeyPath = ("splits", profile.split, *([error.key] if error.key else []))
        file, line = settings.place(path)
        raise BenchError(error.message, file=file, line=line, key=dotted(path), remedy=error.remedy) from None


def open_profile_source(request: Request, settings: config.Config, profile: Profile) -> SliceSource:
    """Return the source of a profile; its index of files is kept beside the pairs."""
    source = located(settings, profile.source)
    base = settings.datasets_file.parent
    return open_source(profile.source, source, base=base, index_cache=request.cache / "index.json")
