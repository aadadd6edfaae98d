"""Rule ``list``: the folds of a split that is written out in a CSV file, checked line by line.

Columns ``part,patient``, and as wanted: ``slice`` (empty: the whole patient), ``fold`` (from 1), ``series_uid``
and ``slices`` (what the patient must be made of). A split file of a run is such a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import csvtext
from bench.config import schema
from bench.csvtext import Line, Table
from bench.data.sources.catalogue import Catalogue, SliceRef
from bench.data.splits.by_patient import like, no_patient
from bench.data.splits.selection import COLUMNS, ONE_PART, PARTS, Parts
from bench.errors import BenchError, BenchErrors
from bench.names import nfc, suggestion

NEEDED, PINS = ("part", "patient"), ("series_uid", "slices")
MOST_FAULTS = 20  # reported at once


@dataclass(frozen=True)
class Row:
    """One row of a list; ``name`` is empty for a whole patient, ``pins`` what the patient must be made of."""

    line: int
    part: str
    fold: int | None
    patient: str
    name: str
    pins: dict[str, str]


@dataclass
class _Lines:
    """The slices of one fold, and the line that put each of them and each patient where it is."""

    parts: dict[str, list[SliceRef]] = field(default_factory=lambda: {part: [] for part in PARTS})
    slices: dict[SliceRef, Row] = field(default_factory=dict)
    patients: dict[str, Row] = field(default_factory=dict)


def listed(catalogue: Catalogue, split: schema.ListSplit) -> list[Parts]:
    """Return the parts of each fold, or of the whole; patients that the list does not name are left out.

    Raises:
        BenchErrors: every fault of the file, each with its line.
    """
    file = Path(split.file)
    rows = read(file)
    numbers = sorted({row.fold or 1 for row in rows})
    folds, faults = _place(rows, catalogue, split, file)
    faults += _tested_again(folds, catalogue.patients_known, file)
    faults += _pinned(rows, catalogue, file)
    if numbers != list(range(1, len(numbers) + 1)):
        faults.append(BenchError(f"has the folds {numbers}", file=file, remedy="number them from 1"))
    if faults:
        raise _together(faults, file)
    order = {ref: place for place, ref in enumerate(catalogue.refs)}
    return [
        {part: tuple(sorted(folds[number].parts[part], key=lambda ref: order[ref])) for part in PARTS}
        for number in numbers
    ]


def read(file: Path) -> list[Row]:
    """Return the rows of a list.

    Raises:
        BenchError: it cannot be read or has other columns.
        BenchErrors: every row that is faulty by itself.
    """
    table = csvtext.read(file, remedy="correct file: of the split")
    table.require(NEEDED, "needs part,patient[,slice]")
    _check_columns(table)
    if not table.lines:
        raise BenchError("lists no patients", file=file, line=1)
    rows, faults = [], []
    for line in table.lines:
        try:
            rows.append(_row(line))
        except BenchError as error:
            faults.append(error)
    if faults:
        raise _together(faults, file)
    return rows


def _check_columns(table: Table) -> None:
    known = (*COLUMNS, *PINS)
    for name in table.columns:
        if name not in known or table.columns.count(name) > 1:
            message = f"column {name!r} is {'there twice' if name in known else 'unknown'}"
            raise BenchError(message, file=table.file, line=1, remedy=suggestion(name, known))


def _row(line: Line) -> Row:
    values = {name: nfc(value.strip()) for name, value in line.values.items()}
    part, fold, patient = values["part"], values.get("fold", ""), values["patient"]
    if part not in PARTS:
        raise line.fault(f"unknown part {part!r}", suggestion(part, PARTS))
    if not patient:
        raise line.fault("names no patient")
    for name, value in (("fold", fold), ("slices", values.get("slices", ""))):
        if value and not (value.isascii() and value.isdecimal() and int(value) > 0):
            raise line.fault(f"{name} {value!r} is no number from 1")
    pins = {name: values[name] for name in PINS if values.get(name)}
    return Row(line.number, part, int(fold) if fold else None, patient, values.get("slice", ""), pins)


def _place(
    rows: list[Row], catalogue: Catalogue, split: schema.ListSplit, file: Path
) -> tuple[dict[int, _Lines], list[BenchError]]:
    """Return the slices of each fold, and a fault for each row that does not fit the source or the rows before it."""
    slices: dict[str, dict[str, SliceRef]] = {}
    for ref in catalogue.refs:
        slices.setdefault(ref.patient, {})[ref.name] = ref
    folds: dict[int, _Lines] = {}
    faults: list[BenchError] = []
    for row in rows:
        fold = folds.setdefault(row.fold or 1, _Lines())
        fault = _fault(row, rows[0], catalogue, slices, fold, split)
        if fault is not None:
            faults.append(BenchError(fault.message, file=file, line=row.line, remedy=fault.remedy))
            continue
        fold.patients.setdefault(row.patient, row)
        of_patient = slices[row.patient]
        for ref in [of_patient[row.name]] if row.name else list(of_patient.values()):
            fold.slices[ref] = row
            fold.parts[row.part].append(ref)
    return folds, faults


def _fault(
    row: Row,
    first: Row,
    catalogue: Catalogue,
    slices: dict[str, dict[str, SliceRef]],
    fold: _Lines,
    split: schema.ListSplit,
) -> BenchError | None:
    """Return why a row does not fit the source or the rows before it; None where it does."""
    of_patient = slices.get(row.patient)
    if of_patient is None:
        return no_patient(catalogue, row.patient)
    if row.name and row.name not in of_patient:
        return BenchError(f"patient {row.patient} has no slice {row.name}", remedy=like(row.name, of_patient))
    if (row.fold is None) != (first.fold is None):
        return BenchError("a fold is given on some lines only", remedy="give it on all lines, or on none")
    refs = [of_patient[row.name]] if row.name else of_patient.values()
    before = next((fold.slices[ref] for ref in refs if ref in fold.slices), None)
    if before is not None:
        what = f"slice {row.name} of patient {row.patient}" if row.name else f"patient {row.patient}"
        return BenchError(f"{what} is already in {before.part} by line {before.line}", remedy="remove one")
    other = fold.patients.get(row.patient)
    if catalogue.patients_known and not split.leaky and other is not None and other.part != row.part:
        message = f"patient {row.patient} is in {row.part}, and by line {other.line} in {other.part}"
        return BenchError(message, remedy=ONE_PART)
    return None


def _tested_again(folds: dict[int, _Lines], known: bool, file: Path) -> Iterator[BenchError]:
    """Yield a fault for each row that tests what another fold tests already.

    The scores of all folds are joined, so each patient (each slice where patients are not known) is tested once.
    """
    tested: dict[object, Row] = {}
    reported: set[int] = set()
    for fold in folds.values():
        for ref in fold.parts["test"]:
            row = fold.slices[ref]
            first = tested.setdefault(ref.patient if known else ref, row)
            if first.fold != row.fold and row.line not in reported:
                reported.add(row.line)
                message = (
                    f"patient {ref.patient} is tested in fold {row.fold}, and by line {first.line} in another"
                )
                yield BenchError(message, file=file, line=row.line, remedy="test it in one fold only")


def _pinned(rows: list[Row], catalogue: Catalogue, file: Path) -> Iterator[BenchError]:
    """Yield a fault for each patient of another series, or of another number of slices, than the list states."""
    by_patient: dict[str, list[SliceRef]] = {}
    for ref in catalogue.refs:
        by_patient.setdefault(ref.patient, []).append(ref)
    remedy = "get the pinned series, or list your own patients"
    for row in (row for row in rows if row.pins):
        refs, pinned = by_patient.get(row.patient, []), row.pins.get("series_uid")
        other = next((ref.series for ref in refs if pinned and ref.series != pinned), pinned)
        if other != pinned:
            present = f"series {other}" if other else "no series"
            message = f"patient {row.patient} has {present} in source {catalogue.source}, pinned is {pinned}"
            yield BenchError(message, file=file, line=row.line, remedy=remedy)
        elif refs and row.pins.get("slices", str(len(refs))) != str(len(refs)):
            message = f"patient {row.patient} has {len(refs)} slices, pinned are {row.pins['slices']}"
            yield BenchError(message, file=file, line=row.line, remedy=remedy)


def _together(faults: list[BenchError], file: Path) -> BenchErrors:
    ordered = sorted(faults, key=lambda fault: fault.line or 0)
    more = len(ordered) - MOST_FAULTS
    if more > 0:
        ordered = [*ordered[:MOST_FAULTS], BenchError(f"{more} further lines are faulty", file=file)]
    return BenchErrors(ordered)
