"""A cell's folder that does something to the process which writes to it: for workers, which unpickle it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.records.record import Record
from bench.records.store import CellStore, Row


@dataclass(frozen=True)
class PlantedStore(CellStore):
    """Executes ``before`` in place of writing the scores, ``after`` once the record is on disk."""

    before: str = ""
    after: str = ""

    def write_scores(self, rows: Iterable[Row], metrics: Iterable[str] = ()) -> None:
        """Write the scores, unless something is planted."""
        exec(self.before)
        super().write_scores(rows, metrics)

    def write_record(self, record: Record) -> None:
        """Write the record, then do what is planted."""
        super().write_record(record)
        exec(self.after)
