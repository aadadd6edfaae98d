"""Arrays are hashed once in a run, and again only where size, times or inode have changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.data.pairs import partial_array, proofs
from bench.data.pairs.pairs import PairFiles, open_pairs, with_proofs
from bench.errors import InputChanged
from bench.events import Event
from bench.execution import runner
from bench.execution.task import Task
from tests import tiny
from tests.conftest import PARTS, SIZE

Make = Callable[..., PairFiles]
ARRAY = sum(len(names) for names in PARTS.values()) * SIZE * SIZE * 4  # bytes of values


class Bytes:
    """Counts the bytes that are hashed."""

    def __init__(self) -> None:
        self.count = 0

    def taken(self) -> int:
        """Return the count and begin anew."""
        count, self.count = self.count, 0
        return count


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Bytes:
    """The bytes hashed from now on, in a process that knows nothing yet."""
    counter, hash_of = Bytes(), proofs.sha256_of

    def count(file: Any) -> str:
        began = file.tell()
        sha256 = hash_of(file)
        counter.count += file.tell() - began
        return sha256

    monkeypatch.setattr(proofs, "sha256_of", count)
    monkeypatch.setattr(partial_array, "sha256_of", count)
    monkeypatch.setattr(proofs, "_known", {})
    return counter


def as_worker(monkeypatch: pytest.MonkeyPatch, files: PairFiles) -> None:
    """Open pairs as another process does, which knows what came with ``files`` and nothing else."""
    with monkeypatch.context() as patch:
        patch.setattr(proofs, "_known", {})
        open_pairs(files, PARTS)


@pytest.fixture
def known(pair_files: Make, tmp_path: Path, hashed: Bytes) -> PairFiles:
    """Pairs that this process has opened, with its proofs."""
    files = pair_files(tmp_path)
    open_pairs(files, PARTS)
    assert hashed.taken() == 2 * ARRAY
    return with_proofs(files)


def test_a_run_hashes_each_array_once_for_all_its_cells(
    hashed: Bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []

    class Workers(tiny.FakeExecutor):
        def cell(self, work: Task) -> Iterator[Event]:
            with monkeypatch.context() as patch:
                patch.setattr(proofs, "_known", {})
                open_pairs(work.files, work.parts)
            opened.append(work.files.condition)
            yield from super().cell(work)

    tiny.use_executor(monkeypatch, Workers)
    request = tiny.request(tiny.write(tmp_path))
    three = 3 * 5 * 4 * 32 * 32 * 4  # arrays, patients, slices, pixels, bytes
    list(runner.run(request))
    assert hashed.taken() == three  # as they were built
    list(runner.run(tiny.request(tmp_path, force=True)))
    assert hashed.taken() == three  # at the start, though this process knew them
    assert sorted(opened) == sorted(["sparse", "noisy"] * tiny.CELLS)


def test_what_a_process_knows_is_not_hashed_again_there_or_in_its_workers(
    known: PairFiles, hashed: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pairs(known, PARTS)
    as_worker(monkeypatch, known)
    assert hashed.taken() == 0
    as_worker(monkeypatch, PairFiles(known.folder, known.reference, known.degraded, known.condition))
    assert hashed.taken() == 2 * ARRAY


def touch(path: Path) -> None:
    os.utime(path)


def touch_to_the_same_time(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_by_a_copy(path: Path) -> None:
    shutil.copy2(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


@pytest.mark.parametrize("change", [touch, touch_to_the_same_time, replace_by_a_copy])
def test_a_file_of_another_time_or_inode_is_hashed_again(
    known: PairFiles, hashed: Bytes, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    change(known.degraded_path)
    as_worker(monkeypatch, known)
    assert hashed.taken() == ARRAY
    open_pairs(known, PARTS)
    assert hashed.taken() == ARRAY
    open_pairs(known, PARTS)
    assert hashed.taken() == 0


def test_a_changed_byte_is_refused_though_size_and_time_of_writing_are_the_same(
    known: PairFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.flip(known.reference_path, -5)
    with pytest.raises(InputChanged, match="its bytes have changed since it was built"):
        as_worker(monkeypatch, known)
    with pytest.raises(InputChanged, match="its bytes have changed since it was built"):
        open_pairs(known, PARTS)


def test_a_change_at_once_after_the_hash_is_seen(pair_files: Make, hashed: Bytes, tmp_path: Path) -> None:
    for number in range(10):
        files = pair_files(tmp_path / str(number))
        open_pairs(files, PARTS)
        tiny.flip(files.degraded_path, -1)
        with pytest.raises(InputChanged):
            open_pairs(files, PARTS)


def test_a_hash_that_is_known_and_is_not_that_of_the_manifest_is_refused(
    known: PairFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = tuple(proof._replace(sha256="0" * 64) for proof in known.proofs)
    files = PairFiles(known.folder, known.reference, known.degraded, known.condition, stale)
    with pytest.raises(InputChanged):
        as_worker(monkeypatch, files)
