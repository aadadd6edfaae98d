"""Degraded and reference slices on disk, memory-mapped, in files named by what they hold.

``CACHE/FOLDER/reference.npy`` and one ``CONDITION-DIGEST.npy`` per condition are float32 arrays (N, n, n) in
1/cm, one row per slice in the order of (patient, slice) names. The folder's name holds a digest of the
physics version, the source's fingerprint, the slices' names, size, geometry and noise seed; a file's name one
of its condition. What a slice is used for is not in the names, so another split needs no other arrays, and a
changed number needs other names: nothing stale can be read. An array counts once its sidecar ``NAME.json``
lies beside it, which is written last; ``pairs_build`` writes both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from bench import spec
from bench.ct import PHYSICS_VERSION
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.data.splits import Selection

SliceName = tuple[str, str]  # patient, slice
_AGAIN = "run the same command again: it is built anew"


@dataclass(frozen=True)
class PairFiles:
    """Where the pairs of one condition lie, in plain strings: a folder and two file names in it."""

    folder: str
    reference: str
    degraded: str
    condition: str

    @property
    def reference_path(self) -> Path:
        """The array of the untreated slices."""
        return Path(self.folder, self.reference)

    @property
    def degraded_path(self) -> Path:
        """The array of the slices at the lower dose."""
        return Path(self.folder, self.degraded)


class Sidecar(spec.Frozen):
    """What lies in one array: names and pixel width (cm) of each row, and what was asked for, in words."""

    schema_version: int = 1
    asked: dict[str, str]
    shape: tuple[int, int, int]
    file_bytes: int
    sha256: str  # of the array's bytes, without the header of the file
    patients: tuple[str, ...]
    slices: tuple[str, ...]
    pixel_cm: tuple[float | None, ...]  # None: the source does not say

    @property
    def names(self) -> tuple[SliceName, ...]:
        """The (patient, slice) of each row."""
        return tuple(zip(self.patients, self.slices, strict=True))


@dataclass(frozen=True)
class PairSet:
    """Pairs ready to be read: ``degraded`` and ``reference`` (N, n, n), float32 in 1/cm, read-only.

    ``parts`` holds for each part its rows in the order in which its names were asked for; ``pixel_cm`` (N,)
    is NaN where the source does not say; ``sha256`` has the keys ``degraded`` and ``reference``.
    """

    degraded: np.memmap
    reference: np.memmap
    names: tuple[SliceName, ...]
    parts: dict[str, npt.NDArray[np.int64]]
    sha256: dict[str, str]
    pixel_cm: npt.NDArray[np.float64]

    def part_names(self, part: str) -> list[SliceName]:
        """Return the (patient, slice) of each row of ``part``."""
        return [self.names[row] for row in self.parts[part]]


def parts_of(selection: Selection) -> dict[str, list[SliceName]]:
    """Return the names of the slices of each part: what ``open_pairs`` wants, plain and picklable."""
    return {part: [(ref.patient, ref.name) for ref in refs] for part, refs in selection.parts.items()}


def locate(
    cache: Path | str,
    source_fingerprint: str,
    selection: Selection,
    size: int,
    geometry: spec.Geometry,
    conditions: Mapping[str, spec.Condition],
    noise_seed: int,
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
    asked = {
        "physics": PHYSICS_VERSION,
        "source": source_fingerprint,
        "slices": names,
        "size": size,
        "geometry": geometry.model_dump(mode="json"),
        "noise_seed": noise_seed,
    }
    folder = f"{geometry.preset}-{size}px-{geometry.views}views-{len(names)}slices-{spec.digest(asked, 16)}"
    return {
        name: PairFiles(str(Path(cache) / folder), "reference.npy", _degraded_name(name, condition), name)
        for name, condition in conditions.items()
    }


def _degraded_name(name: str, condition: spec.Condition) -> str:
    dose = {"name": name, "views": condition.views, "photons": condition.photons}
    return f"{re.sub(r'[^A-Za-z0-9_.+-]', '_', name)[:60]}-{spec.digest(dose)}.npy"


def sidecar_path(array: Path) -> Path:
    """Return where the sidecar of ``array`` lies."""
    return array.with_name(array.name + ".json")


def read_sidecar(array: Path) -> Sidecar | None:
    """Return the sidecar of ``array`` if both are whole, else None: such an array is built anew."""
    try:
        sidecar = Sidecar.model_validate_json(sidecar_path(array).read_bytes())
        whole = array.stat().st_size == sidecar.file_bytes
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None
    except OSError as error:
        raise BenchError(f"cannot be read ({error.strerror})", file=array) from None
    return sidecar if whole else None


def missing(files: Mapping[str, PairFiles]) -> list[str]:
    """Return the conditions, in the order of ``files``, of which an array is absent, unfinished or cut short.

    Raises:
        BenchError: the cache may not be read.
    """
    whole = {path: read_sidecar(path) is not None for path in arrays(files)}
    return [name for name, at in files.items() if not (whole[at.degraded_path] and whole[at.reference_path])]


def arrays(files: Mapping[str, PairFiles]) -> dict[Path, str | None]:
    """Return each array once with its condition; the reference comes first, with None."""
    found: dict[Path, str | None] = {at.reference_path: None for at in files.values()}
    return found | {at.degraded_path: name for name, at in files.items()}


def open_pairs(files: PairFiles, parts: Mapping[str, Iterable[SliceName]]) -> PairSet:
    """Map the pairs of one condition into memory; ``parts`` names the slices (patient, slice) of each part.

    Raises:
        BenchError: an array is absent, cut short or of another program, or a named slice is not in it.
    """
    degraded, reference = _whole(files.degraded_path), _whole(files.reference_path)
    if degraded.names != reference.names or degraded.shape != reference.shape:
        message = f"holds other slices than {files.reference}"
        raise BenchError(message, file=files.degraded_path, remedy=_remedy(files.folder))
    rows = {name: row for row, name in enumerate(reference.names)}
    return PairSet(
        degraded=_map(files.degraded_path, degraded),
        reference=_map(files.reference_path, reference),
        names=reference.names,
        parts={
            part: _rows(rows, [(patient, name) for patient, name in names], files)
            for part, names in parts.items()
        },
        sha256={"degraded": degraded.sha256, "reference": reference.sha256},
        pixel_cm=np.array([np.nan if width is None else width for width in reference.pixel_cm], np.float64),
    )


def _remedy(folder: Path | str) -> str:
    return f"delete {folder} and run again"


def _whole(array: Path) -> Sidecar:
    sidecar = read_sidecar(array)
    if sidecar is None:
        raise BenchError("not built, or cut short", file=array, remedy=_AGAIN)
    return sidecar


def _map(array: Path, sidecar: Sidecar) -> np.memmap:
    try:
        values = np.load(array, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BenchError(f"broken ({error})", file=array, remedy=_remedy(array.parent)) from None
    if not isinstance(values, np.memmap) or values.shape != sidecar.shape or values.dtype != np.dtype("<f4"):
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
