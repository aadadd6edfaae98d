"""A cell's folder that does something to the process which writes to it: for workers, which unpickle it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.records.record import Record
from bench.records.store import CellStore


@dataclass(frozen=True)
class PlantedStore(CellStore):
    """Executes ``before`` in place of writing the scores, ``after`` once the record is on disk."""

    before: str = ""
    after: str = ""

    def write_scores(self, rows: Sequence[Any]) -> None:  # type: ignore[override]
        """Write the scores, unless something is planted."""
        exec(self.before)
        super().write_scores(rows)  # type: ignore[arg-type]

    def write_record(self, record: Record) -> None:
        """Write the record, then do what is planted."""
        super().write_record(record)
        exec(self.after)
