"""Whose slices are in a file: a row of ``patients.csv``, its name, a field of it, or the subfolder it lies in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench import csvtext
from bench.data.files.index import sha256
from bench.errors import BenchError
from bench.names import nfc, on_disk

TABLE = "patients.csv"
BOTH_WAYS = "put each patient's files into a folder of its own, or write patients.csv (columns file,patient)"


@dataclass(frozen=True)
class PatientTable:
    """``rows`` maps a file, relative to the source's folder and in NFC, to its patient; ``sha256`` is the table's."""

    place: Path
    rows: Mapping[str, str]
    sha256: str

    def patient(self, relative: str) -> str:
        """Return the patient of a file; ``BenchError`` where the table has no row for it."""
        try:
            return self.rows[nfc(relative)]
        except KeyError:
            raise BenchError(f"has no row for {relative}", file=self.place, remedy="add it") from None


def find_table(named: str | None, folder: Path, base: Path) -> PatientTable | None:
    """Return the table that a source names, else the ``patients.csv`` in its folder, else None.

    A relative name is looked for in the folder of the source, then in ``base``.

    Raises:
        BenchError: the named table is not there, or its content is wrong.
    """
    if named is None:
        place = folder / TABLE
        return read_table(place) if place.is_file() else None
    for place in (on_disk(folder / named), on_disk(base / named)):
        if place.is_file():
            return read_table(place)
    message = "not found, nor beside datasets.yaml"
    raise BenchError(message, file=folder / named, key="patients", remedy="correct the name")


def read_table(place: Path) -> PatientTable:
    """Read a table with the columns ``file`` and ``patient``.

    Raises:
        BenchError: unreadable, without these columns, an empty entry, or one file with two patients.
    """
    rows: dict[str, str] = {}
    table = csvtext.read(place)
    table.require(("file", "patient"), "needs the columns file and patient")
    for line in table.lines:
        name = nfc(line.values["file"].strip().replace("\\", "/").removeprefix("./"))
        patient = nfc(line.values["patient"].strip())
        if not name or not patient:
            raise line.fault("an empty entry")
        if rows.setdefault(name, patient) != patient:
            raise line.fault(f"{name} belongs to two patients")
    return PatientTable(place, rows, sha256(place))


def patient_of(
    relative: str, in_file: str | None, table: PatientTable | None, folder: Path, rule: str | None = None
) -> str:
    """Return the patient of the file ``relative`` in ``folder``: by table, then rule, field, first subfolder.

    ``rule`` is a regular expression whose one group is the patient, searched in ``relative``.

    Raises:
        BenchError: none of them says whose it is, or the file does not fit the rule.
    """
    if table is not None:
        return table.patient(relative)
    if rule is not None:
        match = re.search(nfc(rule), nfc(relative))
        if match is None or not match[1]:
            remedy = "correct patient_from of the source"
            raise BenchError(f"does not fit patient_from {rule!r}", file=folder / relative, remedy=remedy)
        return str(match[1])
    if in_file:
        return nfc(in_file)
    parts = PurePosixPath(relative).parts
    if len(parts) < 2:
        raise BenchError("nothing says whose slices these are", file=folder / relative, remedy=BOTH_WAYS)
    return nfc(parts[0])
