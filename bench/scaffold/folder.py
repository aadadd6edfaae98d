"""What lies in a folder of slices, told by the program's own readers: kind, unit, matrix, patients and a split."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config import schema
from bench.config.schema.formats import FORMATS
from bench.data.files.dicom_series import refused
from bench.data.files.file_format import format_of
from bench.data.files.index import FileIndex
from bench.data.files.listing import kind_of_name, list_files, told
from bench.data.files.masks import named_as_mask
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import open_source
from bench.data.splits import PARTS, Folds, choose
from bench.errors import BenchError
from bench.names import suggestion
from bench.scaffold import doses

UNITS = ("HU", "1/cm", "1/mm")
BARE = ("npy", "flt")  # kinds whose files say nothing but values
DICOM_ENDINGS = (".dcm", ".ima", ".dicom")
SPLIT = schema.ShareSplit(
    rule="shares", test=0.3, validation=0.15, seed=1
)  # chosen: four of 12 patients are tested


@dataclass(frozen=True)
class Given:
    """What a person says of the slices; None where the files are to say it."""

    kind: str | None = None
    unit: str | None = None
    pixel_mm: float | None = None
    patient_from: str | None = None


@dataclass(frozen=True)
class Found:
    """The source that reads a folder, what it holds, and who is in which part of ``SPLIT``."""

    source: schema.FolderSource | schema.DicomPairs
    catalogue: Catalogue
    folds: Folds

    @property
    def patients(self) -> dict[str, list[str]]:
        """The patients of each part."""
        parts = self.folds.selections[0].parts
        return {part: list(dict.fromkeys(ref.patient for ref in parts[part])) for part in PARTS}


def look(folder: Path, given: Given, *, index_cache: Path | None) -> Found:
    """Return what lies in ``folder``; ``index_cache`` remembers what is read of each file.

    Raises:
        BenchError: nothing that can be read, slices of several sizes, values that no CT has, patients that nothing
            tells apart, or fewer than three of them.
    """
    if not folder.is_dir():
        raise BenchError("no such folder", file=folder, remedy="give the folder that holds the slices")
    if given.kind is not None and given.kind not in FORMATS:
        raise BenchError(f"unknown kind {given.kind!r}", key="--kind", remedy=suggestion(given.kind, FORMATS))
    if given.kind is None and (measured := doses.keys(folder)):
        return _split(folder, *_of_doses(folder, measured, given, index_cache))
    return _split(folder, *_of_slices(folder, given, index_cache))


def _split(folder: Path, source: schema.FolderSource | schema.DicomPairs, catalogue: Catalogue) -> Found:
    """Return what was found with its patients in parts."""
    count = len(catalogue.patients)
    if count < len(PARTS):
        who = "one patient only" if count == 1 else f"{count} patients only"
        remedy = "add patients; where these are several, say whose each file is: --patient-from REGEX or patients.csv"
        message = (
            f"{who} ({', '.join(catalogue.patients)}); training, validation and test need one each at least"
        )
        raise BenchError(message, file=folder, remedy=remedy)
    return Found(source, catalogue, choose(catalogue, SPLIT, schema.Counts()))


def _of_slices(folder: Path, given: Given, index_cache: Path | None) -> tuple[schema.FolderSource, Catalogue]:
    """Return the source of slices of one dose and its catalogue."""
    kind = given.kind or _kind(folder)
    if kind in BARE and given.pixel_mm is None:
        remedy = "give the side of a pixel in mm, for example --pixel-mm 0.78"
        raise BenchError(f"{kind} files do not say their pixel spacing", file=folder, remedy=remedy)
    keys: dict[str, Any] = {"kind": kind, "path": str(folder), "matrix": _matrix(folder, kind, index_cache)}
    keys |= {key: value for key in ("pixel_mm", "patient_from") if (value := getattr(given, key)) is not None}
    return _of_unit(keys, given.unit, index_cache)


def _of_doses(
    folder: Path, measured: dict[str, Any], given: Given, index_cache: Path | None
) -> tuple[schema.DicomPairs, Catalogue]:
    """Return the source of measured pairs and its catalogue; the patient is the first folder where no header says."""
    for option, value in (("--unit", given.unit), ("--pixel-mm", given.pixel_mm)):
        if value not in (None, "HU"):
            raise BenchError(
                f"the DICOM files of {folder} say that themselves", key=option, remedy="leave it out"
            )
    keys = {**measured, "path": str(folder), "matrix": _matrix(folder, "dicom", index_cache)}
    rules = (given.patient_from,) if given.patient_from else (None, doses.BY_FOLDER)
    for rule in rules:
        source = schema.DicomPairs.model_validate(keys | ({"patient_from": rule} if rule else {}))
        try:
            return source, open_source("slices", source, base=Path(), index_cache=index_cache).catalogue()
        except BenchError as error:
            if rule == rules[-1] or "patient_from" not in str(error):
                raise
    raise AssertionError("there is a rule")


def _kind(folder: Path) -> str:
    """Return the kind of most of the files in ``folder``."""
    listing = list_files(folder, None)
    suffixes = {suffix: kind for kind in FORMATS for suffix in format_of(kind, "HU", None).suffixes or ()}
    kinds: Counter[str] = Counter()
    for file in listing.files:
        kind = next((kind for suffix, kind in suffixes.items() if file.lower().endswith(suffix)), None)
        if kind is None and _is_dicom(folder / file):
            kind = "dicom"
        if kind is None or named_as_mask(file):
            listing.skipped[kind_of_name(file)] += 1
        else:
            kinds[kind] += 1
    if not kinds:
        there = f", but {told(listing.skipped)}" if listing.skipped else ": it is empty"
        remedy = f"slices may be {', '.join(FORMATS)} files (docs/data.md)"
        raise BenchError(f"holds no slices that can be read{there}", file=folder, remedy=remedy)
    return kinds.most_common(1)[0][0]


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() in DICOM_ENDINGS:
        return True
    if path.suffix.lower() in (".csv", ".txt", ".md", ".json", ".pdf", ".png", ".jpg"):
        return False
    from bench.data.files.dicom_file import beginning  # late: pydicom takes a second to import

    return beginning(path) is not None


def _matrix(folder: Path, kind: str, index_cache: Path | None) -> int:
    """Return the side of the slices in pixels.

    Raises:
        BenchError: they have several sizes or are not square; the first file of the rarer size is named.
    """
    format, shapes = format_of(kind, "HU", None), dict[tuple[int, int], list[str]]()
    with FileIndex.open(index_cache) as index:
        for file in list_files(folder, format.suffixes).files:
            scan = index.scan(format, folder / file)
            if scan.no_image is None and refused(scan, None) is None:
                shapes.setdefault(scan.shape, []).append(file)
    if not shapes:
        return schema.FULL_SIZE  # the source says what is wrong with each
    (rows, columns), *others = sorted(shapes, key=lambda shape: -len(shapes[shape]))
    if others:
        other = others[0]
        message = (
            f"{other[0]} x {other[1]} pixels ({len(shapes[other])} such), but {len(shapes[rows, columns])} files have "
            f"{rows} x {columns}: slices of a source have one size"
        )
        remedy = "move the ones or the others out of the folder"
        raise BenchError(message, file=folder / shapes[other][0], remedy=remedy)
    if rows != columns:
        message = f"{rows} x {columns} pixels, not square: crops cannot be projected"
        raise BenchError(message, file=folder / shapes[rows, columns][0], remedy="give whole slices")
    return rows


def _of_unit(
    keys: dict[str, Any], unit: str | None, index_cache: Path | None
) -> tuple[schema.FolderSource, Catalogue]:
    """Return the source in the first unit that its values can be in, HU before attenuation, and its catalogue."""
    first: BenchError | None = None
    for one in (unit,) if unit else UNITS:
        source = schema.FolderSource.model_validate({**keys, "unit": one})
        try:
            return source, open_source("slices", source, base=Path(), index_cache=index_cache).catalogue()
        except BenchError as error:
            first = first or error
            if "unit" not in (error.remedy or ""):
                break
    assert first is not None
    if "patients.csv" in (first.remedy or "") or "patient_from" in (first.remedy or ""):
        more = "; here: --patient-from REGEX, whose one group is the patient in a file's path"
        raise BenchError(first.message, file=first.file, remedy=f"{first.remedy}{more}") from None
    raise first
