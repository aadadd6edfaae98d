"""Published tables: one YAML file each in the folder ``published`` beside ``experiments.yaml``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.config import crosschecks, schema
from bench.config.faults import Fault
from bench.config.partial import validate
from bench.config.yaml_lines import Document, dotted, read
from bench.errors import BenchError, BenchErrors

FOLDER = "published"


class Tables(NamedTuple):
    """The table that profiles are held against, if any, and the further ones, each by the name of its file."""

    standard: schema.Published | None
    further: dict[str, schema.Published]


def read_tables(
    folder: Path, value: schema.Experiments, known: crosschecks.Names, stated: Collection[str] = ()
) -> Tables:
    """Return the tables of a folder, which need not be there, in the order of the files' names.

    Args:
        folder: Of the files; only ``*.yaml`` are read.
        value: The experiments, whose networks and recipes the tables name.
        known: The names of networks and conditions.
        stated: Networks that the user's file states anew: a packaged table's scores are not theirs, and are dropped.

    Raises:
        BenchErrors: a file is no such table or names what is not known, or two say that they are the standard.
    """
    errors: list[BenchError] = []
    standard: list[tuple[Path, schema.Published]] = []
    further: dict[str, schema.Published] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            table = _read(path, value, known, stated)
        except BenchErrors as faults:
            errors += faults.errors
            continue
        if table.standard:
            standard.append((path, table.table))
        else:
            further[path.stem] = table.table
    if len(standard) > 1:
        message = f"two tables are the standard, this one and {standard[0][0].name}"
        errors.append(BenchError(message, file=standard[1][0], key="standard", remedy="keep one"))
    if errors:
        raise BenchErrors(errors)
    return Tables(standard[0][1] if standard else None, further)


def _read(
    path: Path, value: schema.Experiments, known: crosschecks.Names, stated: Collection[str]
) -> schema.PublishedFile:
    document = read(path)
    if not isinstance(document.value, dict):
        raise BenchErrors([BenchError("must hold keys and values", file=path, line=1)])
    rows = document.value.get("values")
    for row in rows.values() if isinstance(rows, dict) else ():
        for name in stated if isinstance(row, dict) else ():
            row.pop(name, None)
    faults, table = validate(schema.PublishedFile, document, ())
    if table is not None and not faults:
        faults += list(crosschecks.published(table, value, known, ()))
    if faults or table is None:
        raise BenchErrors(list(_errors(faults, document)))
    return table


def _errors(faults: list[Fault], document: Document) -> Iterator[BenchError]:
    for fault in faults:
        file, line = document.place(fault.path)
        key = dotted(fault.path) or None
        yield BenchError(fault.message, file=file, line=line, key=key, remedy=fault.remedy)
