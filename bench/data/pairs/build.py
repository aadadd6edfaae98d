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
from bench.data.pairs import manifest
from bench.data.pairs.manifest import Manifest
from bench.data.pairs.pairs import PairFiles, absent, cache_turn
from bench.data.pairs.partial_array import PartialArray
from bench.data.pairs.simulate import Batch, Images, PairMaker
from bench.data.sources.catalogue import SliceRef
from bench.events import Message, Progress
from bench.plan.acquisition import Acquisition

if TYPE_CHECKING:
    from bench.data.sources.source import SliceSource
    from bench.data.splits import Folds, Selection

SLICES_PER_BATCH = 8  # as many as the projector works on at once
FLUSH_EVERY_S = 2.0  # at most so much work is done again after a kill
_ELSEWHERE = "name a larger disk with --cache DIR or BENCH_CACHE"

Arrays = Mapping[str, PartialArray]  # by condition, or REFERENCE


def build(
    source: SliceSource,
    selection: Folds | Selection,
    files: Mapping[str, PairFiles],
    acquisition: Acquisition,
    *,
    threads: int,
) -> Iterator[Progress | Message]:
    """Build the arrays that are ``absent`` of ``files`` (``locate`` with the same arguments); yield the slices done.

    Every number of threads gives the same bits. What was interrupted continues; nothing there is done again, and what
    another process builds is waited for.

    Raises:
        BenchError: a slice cannot be read, a condition does not fit the geometry, the disk is full or too small.
    """
    maker = PairMaker(source, acquisition)
    folder = Path(next(iter(files.values())).folder)
    refs = sorted(selection.refs, key=lambda ref: (ref.patient, ref.name))
    with ExitStack() as stack:
        yield from cache_turn(folder, stack)
        arrays = {
            name: PartialArray(path, len(refs), acquisition.size) for path, name in absent(files).items()
        }
        if not arrays:  # another process has built them
            return
        needed = sum(array.remaining_bytes() for array in arrays.values())
        atomic.require_space(folder, needed, purpose="the pairs", elsewhere=_ELSEWHERE)
        with _writing(folder, needed):
            for array in arrays.values():
                stack.enter_context(array)
        for done in _fill(maker, refs, arrays, folder, threads):
            yield Progress("build", source.name, done, len(refs))
        described = _described(source, refs, acquisition)
        words = {name: maker.words(name) for name in arrays}
        with _writing(folder, needed):
            _finish(folder, described, arrays, words)
        yield Progress("build", source.name, len(refs), len(refs))


def _described(source: SliceSource, refs: Sequence[SliceRef], acquisition: Acquisition) -> Manifest:
    """Return the manifest of a folder in which no array is finished yet."""
    catalogue = source.catalogue()
    credit = source.spec.model_dump(mode="json", include={"title", "licence", "citation"})
    return Manifest(
        identity=acquisition.identity() | {"source": catalogue.fingerprint},
        source={"name": source.name, "kind": catalogue.kind, **credit},
        versions=environment.describe(),
        shape=(len(refs), acquisition.size, acquisition.size),
        patients=tuple(ref.patient for ref in refs),
        slices=tuple(ref.name for ref in refs),
        pixel_cm=(None,) * len(refs),
        files=dict(catalogue.files),
        lesions=tuple(source.lesions(refs, acquisition.size)),
        arrays={},
    )


def _finish(folder: Path, described: Manifest, arrays: Arrays, words: Mapping[str, dict[str, str]]) -> None:
    """Give the arrays their names, then name them in the manifest, then forget what was needed to continue."""
    entries = {array.path.name: array.finish(words[name]) for name, array in arrays.items()}
    widths = next(iter(arrays.values())).pixel_cm
    before = manifest.read(folder)
    arrays_before = {} if before is None else before.arrays
    manifest.write(folder, described.changed(pixel_cm=widths, arrays=arrays_before | entries))
    for array in arrays.values():
        array.forget_progress()


def _fill(
    maker: PairMaker, refs: list[SliceRef], arrays: Arrays, folder: Path, threads: int
) -> Iterator[int]:
    """Compute and write all rows that are not done, a few batches at once; yield how many slices are done."""
    batches = deque(_batches(refs, arrays))
    total, done = len(refs), len(refs) - sum(len(batch.rows) for batch in batches)
    flushed = time.monotonic()
    running: deque[tuple[Batch, Future[Images]]] = deque()
    pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="build")
    try:
        while batches or running:
            if done < total:
                yield done
            # one batch more than threads, so that none waits while another is written; no more, to bound the memory
            while batches and len(running) <= threads:
                batch = batches.popleft()
                running.append((batch, pool.submit(maker.images, batch)))
            # only this thread writes, in the order of the rows; a batch leaves ``running`` when it is written, so that
            # one that was cut off is written again below
            batch, future = running[0]
            with _writing(folder, (total - done) * sum(array.row_bytes for array in arrays.values())):
                _write(arrays, batch, future.result())
                if time.monotonic() - flushed >= FLUSH_EVERY_S:
                    for array in arrays.values():
                        array.flush()
                    flushed = time.monotonic()
            running.popleft()
            done += len(batch.rows)
    finally:  # after an error or an interruption, keep what is already computed
        pool.shutdown(wait=True, cancel_futures=True)
        with suppress(OSError):
            for batch, future in running:
                if not future.cancelled() and future.exception() is None:
                    _write(arrays, batch, future.result())


def _write(arrays: Arrays, batch: Batch, images: Images) -> None:
    for name, values in images.of.items():
        for row, image, width in zip(batch.rows, values, images.pixel_cm, strict=True):
            arrays[name].write(row, image, width)


def _batches(refs: list[SliceRef], arrays: Arrays) -> Iterator[Batch]:
    """Yield neighbouring rows of which the same arrays are not done, a few at once."""
    done = {name: array.done for name, array in arrays.items()}

    def open_arrays(row: int) -> tuple[str, ...]:
        return tuple(name for name in arrays if not done[name][row])

    for names, group in groupby(range(len(refs)), open_arrays):
        rows = list(group) if names else []
        for start in range(0, len(rows), SLICES_PER_BATCH):
            batch = tuple(rows[start : start + SLICES_PER_BATCH])
            yield Batch(batch, tuple(refs[row] for row in batch), names)


def _writing(folder: Path, needed: int) -> AbstractContextManager[None]:
    """Say in one line that the disk of the cache is full or may not be written."""
    elsewhere = f"{_ELSEWHERE}; the same command continues"
    return atomic.explained(folder, needed_bytes=needed, elsewhere=elsewhere)
