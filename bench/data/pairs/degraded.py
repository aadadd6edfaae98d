"""The degraded test slices of a profile as files for another program, and the same names for what it gives back.

``CONDITION/PATIENT/SLICE.npy`` (or ``.mat``) is one slice, float32 in HU. No reference slice is read.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from bench import atomic
from bench.csvtext import to_csv
from bench.ct.units import mu_to_hu
from bench.data.pairs.pairs import PairFiles, open_pairs
from bench.data.splits import Folds
from bench.errors import BenchError
from bench.events import Event, Message, Progress

Kind = Literal["npy", "mat"]
INDEX, NOTE = "index.csv", "README.txt"
COLUMNS = ("file", "condition", "fold", "patient", "slice", "rows", "columns", "pixel_mm")
VARIABLE = "slice_hu"  # in a .mat file
_ELSEWHERE = "name a folder on a larger disk with --into"


class DegradedSlice(NamedTuple):
    """A slice that is tested on one condition; ``fold`` is None where the split has none."""

    condition: str
    fold: int | None
    patient: str
    name: str

    def __str__(self) -> str:
        return f"slice {self.name} of patient {self.patient}, {self.condition}"


@dataclass(frozen=True)
class DegradedExport:
    """What is written: the test slices of ``folds`` on each condition of ``files``."""

    profile: str
    credit: Mapping[str, object]  # title, licence and citation of the source
    folds: Folds
    files: Mapping[str, PairFiles]
    size: int
    kind: Kind = "npy"


def tested(condition: str, folds: Folds) -> list[DegradedSlice]:
    """Return the slices that are tested on a condition, fold by fold; each is in one of them."""
    return [
        DegradedSlice(condition, one.fold, ref.patient, ref.name)
        for one in folds.selections
        for ref in one.parts["test"]
    ]


def places(slices: Iterable[DegradedSlice]) -> dict[DegradedSlice, str]:
    """Return the file of each slice in its folder, without ending: ``CONDITION/PATIENT/SLICE``.

    What a file name should not hold is ``_``; a name that is then taken, also but for capitals, gets a number.
    """
    taken: set[str] = set()
    files = {}
    for one in sorted(slices, key=lambda one: (one.condition, one.patient, one.name)):
        parts = filter(None, (one.condition, one.patient, one.name))
        stem = place = "/".join(re.sub(r"[^A-Za-z0-9_.+-]", "_", part).lstrip(".") or "_" for part in parts)
        number = 1
        while place.lower() in taken:
            number += 1
            place = f"{stem}_{number}"
        taken.add(place.lower())
        files[one] = place
    return files


def refuse_used(into: Path) -> None:
    """Raise a ``BenchError`` where ``into`` holds files."""
    if into.exists() and not (into.is_dir() and not any(into.iterdir())):
        raise BenchError("exists already", file=into, remedy="remove it or name another folder with --into")


def write(export: DegradedExport, into: Path) -> Generator[Event, None, None]:
    """Write the folder ``into``, whole or not at all; yield the slices written. The pairs must be built.

    Raises:
        BenchError: ``into`` holds files, the disk is full, or the pairs are damaged.
    """
    refuse_used(into)
    every = {condition: tested(condition, export.folds) for condition in export.files}
    total = sum(map(len, every.values()))
    needed, rows = total * 4 * export.size**2, []
    with atomic.replace_folder(into, needed_bytes=needed, elsewhere=_ELSEWHERE) as folder:
        for condition, slices in every.items():
            names = {"test": [(one.patient, one.name) for one in slices]}
            pairs, files = open_pairs(export.files[condition], names), places(slices)
            for one, row in zip(slices, pairs.parts["test"], strict=True):
                image, file = mu_to_hu(pairs.degraded[row]), f"{files[one]}.{export.kind}"
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                _write(folder / file, image)
                width = 10 * float(pairs.pixel_cm[row])
                rows.append((file, *_blank(one), *image.shape, f"{width:.6g}" if np.isfinite(width) else ""))
                yield Progress("export", export.profile, len(rows), total)
        (folder / INDEX).write_text(to_csv([COLUMNS, *rows]), encoding="utf-8", newline="")
        (folder / NOTE).write_text(_note(export), encoding="utf-8")
    yield Message(f"wrote {total} degraded test slices to {into}; {NOTE} there says how to give outputs back")


def _blank(one: DegradedSlice) -> tuple[object, ...]:
    return tuple("" if value is None else value for value in one)


def _write(path: Path, image: np.ndarray) -> None:
    if path.suffix == ".npy":
        np.save(path, image)
    else:
        from scipy.io import savemat

        savemat(path, {VARIABLE: image})


def read(path: Path) -> np.ndarray:
    """Return the array in a ``.npy`` file, or the only numeric one in a ``.mat`` file.

    Raises:
        BenchError: the file cannot be read as that.
    """
    try:
        if path.suffix == ".npy":
            array: np.ndarray = np.load(path, allow_pickle=False)
            return array
        from scipy.io import loadmat

        arrays = [value for key, value in loadmat(path).items() if not key.startswith("__")]
    except NotImplementedError:
        raise BenchError("a .mat file of version 7.3", file=path, remedy="save it with '-v7'") from None
    except (*atomic.DAMAGED, TypeError, IndexError) as error:
        raise BenchError(f"cannot be read as .{path.suffix[1:]} ({error})", file=path) from None
    if len(arrays) != 1:
        message = f"holds {len(arrays)} variables"
        raise BenchError(message, file=path, remedy="save the output slice alone")
    only: np.ndarray = np.asarray(arrays[0])
    return only


def _note(export: DegradedExport) -> str:
    size, credit = export.size, export.credit
    matlab = f"""
MATLAB: load gives the variable {VARIABLE}. Save one variable of any name, version 7 (not 7.3):
    save(file, 'output', '-v7')
""" if export.kind == "mat" else ""  # fmt: skip
    return f"""Degraded test slices of profile {export.profile}, for a program that is to be scored on them.
There is no reference among them: these stay with the benchmark.

A file is one slice, {size} x {size} float32 in HU (air -1000, water 0), not clipped: noise goes below -1000.
The first index is the row, from the top of the picture to its bottom; the second the column, from left to right.
{INDEX} names condition, patient and slice of each file, and the width of a pixel in mm where it is known.
{matlab}
What to give back: a folder with a file of the same folders and name for each of these, the denoised slice in the
same shape, orientation and unit, as .npy or .mat; then

    bench submit NAME --outputs FOLDER --profile {export.profile} --trained-by "WHO, HOW, ON WHICH DATA"

Train on none of these slices, nor on other slices of their patients.

Source: {credit.get("title") or "not stated"}. Licence: {credit.get("licence") or "not stated"}.
Please cite: {credit.get("citation") or "not stated"}
"""


def expected(
    folder: Path, slices: Sequence[DegradedSlice], conditions: Iterable[str]
) -> dict[DegradedSlice, Path]:
    """Return the file of each slice in a folder of outputs, ``.npy`` or ``.mat``.

    Beside them may lie what the export has written, and ``conditions`` that are not asked for.

    Raises:
        BenchError: a file is missing, there twice, or of no slice.
    """
    if not folder.is_dir():
        raise BenchError("no such folder", file=folder)
    stems = {place: one for one, place in places(slices).items()}
    asked = {place.partition("/")[0] for place in stems}
    others = {*places(DegradedSlice(name, None, "", "") for name in conditions).values()} - asked
    files: dict[DegradedSlice, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts) or inside.parts[0] in others:
            continue
        one = stems.get(inside.with_suffix("").as_posix()) if path.suffix in (".npy", ".mat") else None
        if one is None and inside.as_posix() not in (INDEX, NOTE):
            raise BenchError("is not the output of a test slice", file=path, remedy=_remedy(inside, stems))
        if one is not None and one in files:
            raise BenchError(f"is there twice, also as {files[one].name}", file=path, remedy="remove one")
        if one is not None:
            files[one] = path
    missing = [place for place, one in stems.items() if one not in files]
    if missing:
        file = folder / f"{missing[0]}.npy"
        count = f" (with {len(missing) - 1} others of {len(stems)})" if len(missing) > 1 else ""
        raise BenchError(f"missing{count}", file=file, remedy="one output for each test slice; see --only")
    return files


def _remedy(inside: Path, stems: Iterable[str]) -> str:
    from bench.names import nearest

    near = nearest(inside.with_suffix("").as_posix(), stems)
    names = "names are those of bench data export --degraded-only"
    return f"did you mean {near}.npy?" if near else names
