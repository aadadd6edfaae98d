"""Single numbers for a running text, as the tables print them, each under a key that says what it is.

A key is ``PROFILE/CONDITION/MODEL/METRIC`` for the mean that stands in the table, with ``/gain`` over the input,
``/sd``, ``/low`` and ``/high`` over patients, ``/published``; ``PROFILE/CONDITION/MODEL/parameters`` and ``/updates``;
and ``PROFILE/slices`` and ``/patients`` of the test. Names are those of the YAML files, so a key stays when a label is
reworded. What has no value has no key.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.report import statistics
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.rows import Row
from bench.report.sections.published import value_of
from bench.report.winners import gain


def numbers(board: Scoreboard) -> Iterator[tuple[str, str]]:
    """Yield key and printed text of each number."""
    profile, folds = board.plan.profile, board.plan.folds
    yield f"{profile}/slices", f"{sum(data.slices.get('test', 0) for data in folds):,}"
    if board.patients_known:
        yield f"{profile}/patients", f"{sum(data.patients.get('test', 0) for data in folds):,}"
    for row in board.rows:
        for model, group in row.groups.items():
            above = f"{profile}/{row.condition}/{model}"
            for metric in board.metrics:
                for what, number in _of_metric(board, row, group, metric):
                    if number is not None:
                        text = board.text(number, metric, signed=what == "/gain")
                        yield f"{above}/{metric}{what}", text
            yield from ((f"{above}/{what}", f"{number:,}") for what, number in _costs(group))


def _of_metric(board: Scoreboard, row: Row, group: Group, metric: str) -> Iterator[tuple[str, float | None]]:
    mean = group.mean(metric)
    yield "", mean
    yield "/gain", gain(row, group, metric)
    yield "/published", value_of(board.plan, row.condition, group.model, metric)
    patients = group.patients(metric) if board.patients_known else {}
    if len(patients) > 1:
        values = list(patients.values())
        yield "/sd", statistics.deviation(values)
        interval = statistics.t_interval(np.array(values))
        yield "/low", interval.low
        yield "/high", interval.high


def _costs(group: Group) -> Iterator[tuple[str, int]]:
    """Yield parameters and updates of a network, where they are those of all its seeds and folds."""
    records = [result.record for run in group.finished for result in run.results if result.record]
    parameters = {record.parameters.get("total") for record in records}
    updates = {record.attempts[-1].updates for record in records if record.attempts and record.parameters}
    for what, values in (("parameters", parameters), ("updates", updates)):
        known = [value for value in values if value is not None]
        if len(values) == 1 and known:
            yield what, known[0]
