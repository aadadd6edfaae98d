"""Fill the pair cache: project each slice once for all the conditions that are not there yet."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from bench import atomic, environment
from bench.config import schema
from bench.ct import dose
from bench.ct.geometry import Geometry, of_spec
from bench.data.pairs import manifest
from bench.data.pairs.manifest import Manifest
from bench.data.pairs.pairs import PairFiles, absent, cache_lock, identity, missing
from bench.data.pairs.partial_array import Filling
from bench.data.pairs.simulate import Job, Made, Maker
from bench.data.sources.catalogue import SliceRef
from bench.errors import BenchError
from bench.events import Progress

if TYPE_CHECKING:
    from bench.data.sources.open import SliceSource
    from bench.data.splits import Folds, Selection

SLICES_PER_BATCH = 8  # as many as the projector works on at once
FLUSH_EVERY_S = 2.0  # at most so much work is done again after a kill
_ELSEWHERE = "name a larger disk with --cache DIR or BENCH_CACHE"


def free_space_needed(files: Mapping[str, PairFiles], slices: int, size: int) -> int:
    """Return how many bytes ``build`` still has to write for arrays of so many slices, size x size."""
    return sum(Filling(path, slices, size).remaining_bytes() for path in absent(files))


def build(
    source: SliceSource,
    selection: Folds | Selection,
    files: Mapping[str, PairFiles],
    size: int,
    geometry: schema.Geometry,
    conditions: Mapping[str, schema.Condition],
    noise_seed: int,
    *,
    threads: int,
) -> Iterator[Progress]:
    """Build what is ``missing`` of ``files`` (``locate`` with the same arguments); yield the slices done.

    Every number of threads gives the same bits. What was interrupted continues; nothing there is done again.

    Raises:
        BenchError: a slice cannot be read, a condition does not fit the geometry, the disk is full or too
            small, or another process is building the same pairs.
    """
    wanted = {name: files[name] for name in missing(files)}
    if not wanted:
        return
    folder = Path(next(iter(wanted.values())).folder)
    scan = of_spec(geometry, size)
    doses = dose_conditions(conditions, scan, dose_reference(geometry))
    maker = Maker(source, bool(source.conditions), scan, doses, noise_seed, dose_reference(geometry))
    refs = sorted(selection.refs, key=lambda ref: (ref.patient, ref.name))
    with cache_lock(folder):
        wanted = {name: files[name] for name in missing(files)}
        needed = free_space_needed(wanted, len(refs), size)
        atomic.require_space(folder, needed, purpose="the pairs", elsewhere=_ELSEWHERE)
        with ExitStack() as stack:
            with _writing(folder, needed):
                fillings = {
                    key: stack.enter_context(Filling(path, len(refs), size))
                    for path, key in absent(wanted).items()
                }
            for done in _fill(maker, refs, fillings, folder, threads):
                yield Progress("build", source.name, done, len(refs))
            words = {key: maker.words(key) for key in fillings}
            described = _described(source, refs, size, geometry, noise_seed)
            with _writing(folder, needed):
                _finish(folder, described, fillings, words)
        yield Progress("build", source.name, len(refs), len(refs))


def _described(
    source: SliceSource, refs: Sequence[SliceRef], size: int, geometry: schema.Geometry, noise_seed: int
) -> Manifest:
    """Return the manifest of a folder in which no array is finished yet."""
    catalogue = source.catalogue()
    asked = source.spec.model_dump(mode="json", include={"title", "licence", "citation"})
    return Manifest(
        identity=identity(catalogue.fingerprint, size, geometry, noise_seed),
        source={"name": source.name, "kind": catalogue.kind, **asked},
        versions=environment.describe(),
        shape=(len(refs), size, size),
        patients=tuple(ref.patient for ref in refs),
        slices=tuple(ref.name for ref in refs),
        pixel_cm=(None,) * len(refs),
        files=dict(catalogue.files),
        lesions=tuple(source.lesions(refs, size)),
        arrays={},
    )


def _finish(
    folder: Path,
    described: Manifest,
    fillings: Mapping[str | None, Filling],
    words: Mapping[str | None, dict[str, str]],
) -> None:
    """Give the arrays their names, then name them in the manifest, then forget what was needed to continue."""
    entries = {filling.path.name: filling.finish(words[key]) for key, filling in fillings.items()}
    widths = next(iter(fillings.values())).pixel_cm
    before = manifest.read(folder)
    arrays_before = {} if before is None else before.arrays
    manifest.write(folder, described.changed(pixel_cm=widths, arrays=arrays_before | entries))
    for filling in fillings.values():
        filling.forget_progress()


def _fill(
    maker: Maker, refs: list[SliceRef], fillings: Mapping[str | None, Filling], folder: Path, threads: int
) -> Iterator[int]:
    """Compute and write all rows that are not done, a few batches at once; yield how many slices are done."""
    jobs = deque(_jobs(refs, fillings))
    total, done = len(refs), len(refs) - sum(len(job.rows) for job in jobs)
    flushed = time.monotonic()
    running: deque[tuple[Job, Future[Made]]] = deque()
    pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="build")
    try:
        while jobs or running:
            if done < total:
                yield done
            while jobs and len(running) <= threads:
                job = jobs.popleft()
                running.append((job, pool.submit(maker.make, job)))
            job, future = running[0]
            with _writing(folder, (total - done) * sum(filling.row_bytes for filling in fillings.values())):
                _write(fillings, job, future.result())
                if time.monotonic() - flushed >= FLUSH_EVERY_S:
                    for filling in fillings.values():
                        filling.flush()
                    flushed = time.monotonic()
            running.popleft()
            done += len(job.rows)
    finally:  # after an error or an interruption, keep what is already computed
        pool.shutdown(wait=True, cancel_futures=True)
        with suppress(OSError):
            for job, future in running:
                if not future.cancelled() and future.exception() is None:
                    _write(fillings, job, future.result())


def _write(fillings: Mapping[str | None, Filling], job: Job, made: Made) -> None:
    images, widths = made
    for key, values in images.items():
        for row, image, width in zip(job.rows, values, widths, strict=True):
            fillings[key].write(row, image, width)


def _jobs(refs: list[SliceRef], fillings: Mapping[str | None, Filling]) -> Iterator[Job]:
    done = {key: filling.done for key, filling in fillings.items()}

    def wanted(row: int) -> tuple[str | None, ...]:
        return tuple(key for key in fillings if not done[key][row])

    for keys, group in groupby(range(len(refs)), wanted):
        rows = list(group) if keys else []
        for start in range(0, len(rows), SLICES_PER_BATCH):
            batch = tuple(rows[start : start + SLICES_PER_BATCH])
            yield Job(batch, tuple(refs[row] for row in batch), keys)


def dose_reference(geometry: schema.Geometry) -> dose.Reference:
    """Return what ``datasets.yaml`` wants degraded slices held against."""
    return dose.Reference(geometry.reference == "fbp", geometry.reference_photons)


def dose_conditions(
    conditions: Mapping[str, schema.Condition], scan: Geometry, reference: dose.Reference
) -> dict[str, dose.Condition]:
    """Return the simulated conditions by name, or raise a ``BenchError`` where one does not fit scan or reference."""
    simulated = {name: value for name, value in conditions.items() if not value.measured}
    try:
        found = {
            name: dose.Condition(name, value.views, value.photons, value.electronic_noise)
            for name, value in simulated.items()
        }
        for condition in found.values():
            condition.stride(scan)
            reference.check(condition)
    except ValueError as error:
        raise BenchError(str(error), remedy="correct it in datasets.yaml") from None
    return found


def _writing(folder: Path, needed: int) -> AbstractContextManager[None]:
    """Say in one line that the disk of the cache is full or may not be written."""
    elsewhere = f"{_ELSEWHERE}; the same command continues"
    return atomic.explained(folder, needed_bytes=needed, elsewhere=elsewhere)
