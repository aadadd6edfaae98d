"""Series of a collection, pinned by UID: what ``bench data fetch`` gets and what a folder is held against.

A pin file is a CSV table with the columns ``patient_id``, ``study_instance_uid``, ``series_instance_uid``,
``slices`` (files of the series) and ``size_mb`` (10^6 bytes, all of its files together); others are ignored.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.config.packaged import packaged, packaged_tables
from bench.errors import BenchError
from bench.names import on_disk

COLUMNS = ("patient_id", "study_instance_uid", "series_instance_uid", "slices", "size_mb")


@dataclass(frozen=True)
class Pin:
    """One series: whose it is, its UIDs, how many files of how many bytes together."""

    patient: str
    study: str
    series: str
    slices: int
    size_bytes: int


def find_pins(named: str, base: Path) -> Path:
    """Return the pin file ``named`` in ``base``, else the packaged one; ``BenchError`` where there is none."""
    for place in (on_disk(base / named), packaged(f"pinned/{named}")):
        if place.is_file():
            return place
    remedy = f"packaged are: {packaged_tables('pinned')}"
    raise BenchError("not found", file=base / named, key="series", remedy=remedy)


def read_pins(place: Path) -> tuple[Pin, ...]:
    """Return the series of a pin file in its order.

    Raises:
        BenchError: unreadable, a column or value is missing or no number, or a series is named twice.
    """
    pins: dict[str, Pin] = {}
    try:
        with open(place, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            absent = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if absent:
                raise BenchError(f"has no column {absent[0]}", file=place, line=1)
            for row in reader:
                pin = _pin(row, place, reader.line_num)
                if pins.setdefault(pin.series, pin) is not pin:
                    raise BenchError(f"series {pin.series} twice", file=place, line=reader.line_num)
    except UnicodeDecodeError:
        raise BenchError("is not UTF-8", file=place, remedy="save it as CSV in UTF-8") from None
    except (OSError, csv.Error) as error:
        raise BenchError(f"cannot be read ({error})", file=place) from None
    if not pins:
        raise BenchError("names no series", file=place)
    return tuple(pins.values())


def wanted_series(series: str | Sequence[str] | None, base: Path) -> dict[str, Pin | None] | None:
    """Return the wanted series by UID, each with its pin where it has one; None: all that are found."""
    if series is None:
        return None
    if isinstance(series, str):
        return {pin.series: pin for pin in read_pins(find_pins(series, base))}
    return dict.fromkeys(series)


def pin_file(series: str | Sequence[str] | None, base: Path) -> Path | None:
    """Return the pin file that a source names, or None where it names none."""
    return find_pins(series, base) if isinstance(series, str) else None


def _pin(row: dict[str, str | None], place: Path, line: int) -> Pin:
    values = [(row[column] or "").strip() for column in COLUMNS]
    empty = [column for column, value in zip(COLUMNS, values, strict=True) if not value]
    if empty:
        raise BenchError(f"{empty[0]} is empty", file=place, line=line)
    patient, study, series, slices, size = values
    if not set(series + study) <= set("0123456789."):
        raise BenchError(f"{series} in study {study} are no DICOM UIDs", file=place, line=line)
    if "/" in patient or patient.startswith("."):
        raise BenchError(f"patient {patient} cannot be the name of a folder", file=place, line=line)
    try:
        pin = Pin(patient, study, series, int(slices), round(float(size) * 1e6))
    except (ValueError, OverflowError):
        raise BenchError(f"{slices} slices of {size} MB are no numbers", file=place, line=line) from None
    if pin.slices < 1 or pin.size_bytes < 1 or not math.isfinite(float(size)):
        raise BenchError(f"{slices} slices of {size} MB cannot be", file=place, line=line)
    return pin
