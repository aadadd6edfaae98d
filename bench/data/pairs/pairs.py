"""The cache of degraded and reference slices: where its arrays lie, and how they are opened.

``CACHE/FOLDER/reference.npy`` and one ``CONDITION-DIGEST.npy`` per condition are float32 arrays (N, n, n) in
1/cm, memory-mapped, one row per slice in the order of (patient, slice) names. The names hold digests of all that
shapes the values and of nothing else: a changed number needs other names, so nothing stale can be read, and another
split needs no other arrays. An array counts once the folder's manifest names it, and only with the bytes that it
states (``bench.data.pairs.manifest``).
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench import atomic
from bench.config import schema
from bench.data.pairs import manifest, proofs
from bench.data.pairs.manifest import Manifest, SliceName
from bench.data.pairs.proofs import Proof
from bench.errors import BenchError, InputChanged
from bench.events import Message
from bench.plan.acquisition import Acquisition

if TYPE_CHECKING:
    from bench.data.splits import Folds, Selection

REFERENCE = ""  # the name of the reference where a condition's may stand; no condition has an empty one
_AGAIN = "run the same command again: it is built anew"
LOCK_POLL_S = 1.0
SAY_AGAIN_S = 600.0


@dataclass(frozen=True)
class PairFiles:
    """Where the pairs of one condition lie, in plain strings: a folder and two file names in it.

    ``proofs`` travel to another process: what is known of the two files.
    """

    folder: str
    reference: str
    degraded: str
    condition: str
    proofs: tuple[Proof, ...] = ()

    @property
    def reference_path(self) -> Path:
        """The array of the untreated slices."""
        return Path(self.folder, self.reference)

    @property
    def degraded_path(self) -> Path:
        """The array of the slices at the lower dose."""
        return Path(self.folder, self.degraded)


@dataclass(frozen=True)
class PairSet:
    """Pairs ready to be read: ``degraded`` and ``reference`` (N, n, n), float32 in 1/cm, read-only.

    ``parts`` holds for each part its rows in the order in which its names were asked for; ``pixel_cm`` (N,)
    is NaN where the source does not say; ``sha256`` has the keys ``degraded`` and ``reference``; ``lesions`` are
    those of the manifest.
    """

    degraded: np.memmap
    reference: np.memmap
    names: tuple[SliceName, ...]
    parts: dict[str, npt.NDArray[np.int64]]
    sha256: dict[str, str]
    pixel_cm: npt.NDArray[np.float64]
    lesions: tuple[dict[str, str | float], ...] = ()

    def part_names(self, part: str) -> list[SliceName]:
        """Return the (patient, slice) of each row of ``part``."""
        return [self.names[row] for row in self.parts[part]]


def parts_of(selection: Selection) -> dict[str, list[SliceName]]:
    """Return the (patient, slice) names of each part, as ``open_pairs`` takes them."""
    return {part: [(ref.patient, ref.name) for ref in refs] for part, refs in selection.parts.items()}


def locate(
    cache: Path | str,
    source_fingerprint: str,
    selection: Folds | Selection,
    acquisition: Acquisition,
) -> dict[str, PairFiles]:
    """Return where the pairs of each condition lie or will lie. Nothing is read or written.

    Raises:
        BenchError: two slices of the selection have the same names.
    """
    names = sorted((ref.patient, ref.name) for ref in selection.refs)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        patient, name = twice[0]
        raise BenchError(f"patient {patient} has two slices of the name {name}", remedy="rename one")
    shaped_by = acquisition.identity() | {"source": source_fingerprint, "slices": names}
    scan = f"{acquisition.geometry.preset}-{acquisition.size}px-{acquisition.geometry.views}views"
    folder = Path(cache) / f"{scan}-{len(names)}slices-{schema.digest(shaped_by, 16)}"
    return {
        name: PairFiles(str(folder), "reference.npy", _degraded_name(name, acquisition), name)
        for name in acquisition.conditions
    }


def _degraded_name(condition: str, acquisition: Acquisition) -> str:
    digest = schema.digest(acquisition.condition_identity(condition))
    return f"{re.sub(r'[^A-Za-z0-9_.+-]', '_', condition)[:60]}-{digest}.npy"


def missing(files: Mapping[str, PairFiles]) -> list[str]:
    """Return the conditions, in the order of ``files``, of which an array is absent, unfinished or cut short.

    Bytes are not read here: ``repair`` does that once at the start of a run.

    Raises:
        BenchError: the cache may not be read.
    """
    gone = absent(files)
    return [name for name, at in files.items() if at.degraded_path in gone or at.reference_path in gone]


def absent(files: Mapping[str, PairFiles]) -> dict[Path, str]:
    """Return the arrays that are not there yet, or cut short, each with its condition or ``REFERENCE``."""
    every = arrays(files)
    whole = {folder: manifest.whole(folder) for folder in {path.parent for path in every}}
    return {path: name for path, name in every.items() if path.name not in whole[path.parent]}


def arrays(files: Mapping[str, PairFiles]) -> dict[Path, str]:
    """Return each array once with its condition; the reference comes first, as ``REFERENCE``."""
    references = {at.reference_path: REFERENCE for at in files.values()}
    return references | {at.degraded_path: name for name, at in files.items()}


def with_proofs(files: PairFiles) -> PairFiles:
    """Return ``files`` with what this process knows of both, so that a worker need not read them for that again."""
    return replace(files, proofs=proofs.of((files.reference_path, files.degraded_path)))


def open_pairs(files: PairFiles, parts: Mapping[str, Iterable[SliceName]]) -> PairSet:
    """Map the pairs of one condition into memory; ``parts`` names the slices (patient, slice) of each part.

    Both arrays are held against the SHA-256 of the manifest, and read for that where no proof fits the file.

    Raises:
        InputChanged: an array is absent, cut short or changed.
        BenchError: an array is of another program, or a named slice is not in it.
    """
    folder = Path(files.folder)
    proofs.accept(files.proofs)
    described = _sound(folder, (files.degraded, files.reference))
    rows = {name: row for row, name in enumerate(described.names)}
    return PairSet(
        degraded=_map(files.degraded_path, described.shape),
        reference=_map(files.reference_path, described.shape),
        names=described.names,
        parts={
            part: _rows(rows, [(patient, name) for patient, name in names], files)
            for part, names in parts.items()
        },
        sha256={key: described.arrays[getattr(files, key)].sha256 for key in ("degraded", "reference")},
        pixel_cm=np.array([np.nan if width is None else width for width in described.pixel_cm], np.float64),
        lesions=described.lesions,
    )


@contextmanager
def cache_lock(folder: Path) -> Iterator[None]:
    """Hold the right to change the arrays of ``folder``.

    Raises:
        Busy: another process holds it.
        BenchError: the folder may not be written.
    """
    with atomic.lock(folder / "lock", busy="wait for it or give another --cache"):
        atomic.remove_leftovers(folder)
        yield


def cache_turn(folder: Path, stack: ExitStack) -> Iterator[Message]:
    """Hold ``cache_lock`` until ``stack`` is closed; while another job is at work there, wait for it with a line."""
    said = -SAY_AGAIN_S
    while True:
        try:
            stack.enter_context(cache_lock(folder))
            return
        except atomic.Busy as busy:
            if time.monotonic() - said > SAY_AGAIN_S:
                said = time.monotonic()
                yield Message(f"waiting for the pairs: {busy.message}")
        time.sleep(LOCK_POLL_S)


def _remedy(folder: Path | str) -> str:
    return f"delete {folder} and run again"


def _sound(folder: Path, names: Iterable[str]) -> Manifest:
    """Return the manifest of ``folder``, of which the named arrays hold the bytes that it states."""
    described = manifest.read(folder)
    whole = {} if described is None else described.whole_in(folder)
    for name in names:
        if described is None or name not in whole:
            raise InputChanged("not built, or cut short", file=folder / name, remedy=_AGAIN)
        if not manifest.is_sound(folder / name, described):
            raise InputChanged("its bytes have changed since it was built", file=folder / name, remedy=_AGAIN)
    assert described is not None
    return described


def _map(array: Path, shape: tuple[int, int, int]) -> np.memmap:
    try:
        values = np.load(array, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BenchError(f"broken ({error})", file=array, remedy=_remedy(array.parent)) from None
    if not isinstance(values, np.memmap) or values.shape != shape or values.dtype != np.dtype("<f4"):
        raise BenchError("broken (another shape or type)", file=array, remedy=_remedy(array.parent))
    return values


def _rows(
    rows: Mapping[SliceName, int], names: Sequence[SliceName], files: PairFiles
) -> npt.NDArray[np.int64]:
    absent = [name for name in names if name not in rows]
    if absent:
        patient, name = absent[0]
        raise BenchError(
            f"slice {name} of patient {patient} is not in it ({len(absent)} of {len(names)} are not)",
            file=files.reference_path,
            remedy=_remedy(files.folder),
        )
    return np.array([rows[name] for name in names], np.int64)
