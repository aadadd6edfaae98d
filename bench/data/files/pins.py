"""Series of a collection, pinned by UID: what ``bench data fetch`` gets and what a folder is held against.

A pin file is a CSV table with the columns ``patient_id``, ``study_instance_uid``, ``series_instance_uid``,
``slices`` (files of the series) and ``size_mb`` (10^6 bytes, all of its files together); others are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import csvtext
from bench.config.packaged import packaged, packaged_tables
from bench.csvtext import Line
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
    table = csvtext.read(place)
    table.require(COLUMNS)
    for line in table.lines:
        pin = _pin(line)
        if pins.setdefault(pin.series, pin) is not pin:
            raise line.fault(f"series {pin.series} twice")
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


def _pin(line: Line) -> Pin:
    values = [line.values[column].strip() for column in COLUMNS]
    empty = [column for column, value in zip(COLUMNS, values, strict=True) if not value]
    if empty:
        raise line.fault(f"{empty[0]} is empty")
    patient, study, series, slices, size = values
    if not set(series + study) <= set("0123456789."):
        raise line.fault(f"{series} in study {study} are no DICOM UIDs")
    if "/" in patient or patient.startswith("."):
        raise line.fault(f"patient {patient} cannot be the name of a folder")
    try:
        pin = Pin(patient, study, series, int(slices), round(float(size) * 1e6))
    except (ValueError, OverflowError):
        raise line.fault(f"{slices} slices of {size} MB are no numbers") from None
    if pin.slices < 1 or pin.size_bytes < 1 or not math.isfinite(float(size)):
        raise line.fault(f"{slices} slices of {size} MB cannot be")
    return pin
