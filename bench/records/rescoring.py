"""The outdated scores of a finished cell, and newly computed ones merged with those that are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bench import metrics
from bench.errors import BenchError
from bench.metrics import METRICS, SCORING_VERSION
from bench.records.record import Record, Rescoring
from bench.records.store import TEXT_COLUMNS

Rows = Sequence[Mapping[str, str | float]]


def outdated(record: Record) -> tuple[str, ...]:
    """Return the metrics that the record lacks or has in an earlier version; all of them after another scoring."""
    if record.scoring_version != SCORING_VERSION:
        return tuple(METRICS)
    versions = {name: definition.get("version", 0) for name, definition in record.metrics.items()}
    return tuple(name for name, metric in METRICS.items() if versions.get(name, 0) < metric.version)


def is_newer(record: Record) -> bool:
    """Return whether a later version of this program has scored the cell: its numbers must not be made older."""
    known = {name: definition for name, definition in record.metrics.items() if name in METRICS}
    return (record.scoring_version or 0) > SCORING_VERSION or any(
        definition.get("version", 0) > METRICS[name].version for name, definition in known.items()
    )


def merge(
    record: Record, old: Rows, new: Rows, environment: dict[str, Any]
) -> tuple[list[dict[str, str | float]], Record, Rescoring]:
    """Return the rows of ``scores.csv`` with outdated metrics from ``new``, the record that defines them, and its note.

    All other scores, also those of metrics that this program does not have, are those of ``old`` to the last bit.

    Args:
        record: That of the finished cell.
        old: Its scores.
        new: One row per test slice with all metrics of this program.
        environment: Of the process that computed ``new``.

    Raises:
        BenchError: ``old`` and ``new`` differ in their slices, or in a score that is not outdated.
    """
    if [_slice(row) for row in old] != [_slice(row) for row in new]:
        raise BenchError("its scores are of other slices", remedy="run the cell again with --force")
    replaced = outdated(record)
    for name in METRICS:
        if name not in replaced:
            _require_equal(name, old, new)
    names = (*METRICS, *(name for name in record.metrics if name not in METRICS))
    rows = [
        {column: before[column] for column in TEXT_COLUMNS}
        | {name: row[name] for name in names if name in (row := now if name in replaced else before)}
        for before, now in zip(old, new, strict=True)
    ]
    changes = {
        "metrics": {
            name: metrics.definition(name, None if name in METRICS else record.metrics[name])
            for name in names
        },
        "scoring_version": SCORING_VERSION,
    }
    now = datetime.now(UTC).isoformat(timespec="seconds")
    note = Rescoring(at=now, metrics=replaced, scoring_version=SCORING_VERSION, environment=environment)
    return rows, record.model_copy(update=changes), note


def _slice(row: Mapping[str, str | float]) -> tuple[str | float, ...]:
    return tuple(row[column] for column in TEXT_COLUMNS)


def _require_equal(name: str, old: Rows, new: Rows) -> None:
    """Raise a ``BenchError`` where a mean score is another by half of the last digit that is printed, or more."""
    before, now = (np.array([float(row.get(name, np.nan)) for row in rows]) for rows in (old, new))
    finite = np.isfinite(before)
    step = 0.5 * 10.0 ** -METRICS[name].decimals
    if (
        not np.array_equal(finite, np.isfinite(now))
        or abs(np.sum(now[finite] - before[finite])) > step * finite.sum()
    ):
        means = [f"{np.mean(values[np.isfinite(values)]):.6g}" for values in (now, before)]
        message = f"{METRICS[name].label} comes out as {means[0]}, not as {means[1]} that is recorded"
        raise BenchError(message, remedy="other libraries or another device; run the cell again with --force")
