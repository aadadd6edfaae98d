"""Two runs of one table side by side, as before and after a change: cell by cell, patient by patient.

Cells are matched by model, condition, seed and fold: their ids may differ, since the code does. Differences are the
second run's score minus the first one's on the same slices, a mean for each patient, then over patients.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from bench import metrics
from bench.config.schema import INPUT
from bench.errors import BenchError
from bench.metrics import PSNR
from bench.records.golden.facts import name_of
from bench.records.store import Result, Row, RunStore
from bench.report import statistics
from bench.report.cells import describe
from bench.report.winners import sign

Word = Literal["equal", "better", "worse", "differs", "open"]
_MEANING = ("unit", "range", "direction", "version")  # of a metric's definition
Definition = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One metric of a cell in both runs, in its unit; ``first`` and ``second`` are means over patients.

    ``interval`` is Student's 95 % interval of ``difference`` over ``patients``, None of fewer than two or of unknown
    ones: then means are over slices. ``p`` after Holm over the cells of the table, None below four patients. ``lost``
    are slices on which only the first run has a finite score. ``word``: ``equal`` to the last bit, ``better`` or
    ``worse`` than the first run beyond chance (``differs`` where neither is), else ``open``.
    """

    metric: str
    first: float
    second: float
    difference: float
    interval: statistics.Interval | None
    patients: int | None
    slices: int
    lost: int = 0
    p: float | None = None
    word: Word = "open"


@dataclass(frozen=True)
class CellPair:
    """One cell that has finished in both runs; ``hindrance`` says why its scores cannot be compared.

    ``weights``: whether the trained weights are equal; None where a record does not say, or nothing is trained.
    ``redefined`` are metrics that the two runs define otherwise.
    """

    cell: str
    changes: tuple[Change, ...] = ()
    hindrance: str = ""
    weights: bool | None = None
    redefined: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether all scores of all slices are equal to the last bit."""
        return bool(self.changes) and not self.hindrance and all(one.word == "equal" for one in self.changes)

    @property
    def untreated(self) -> bool:
        """Whether this is the untreated input."""
        return self.cell.split(":")[0] == INPUT

    def change(self, metric: str) -> Change | None:
        """The change of one metric; None where the runs do not share it."""
        return next((one for one in self.changes if one.metric == metric), None)


@dataclass(frozen=True)
class TwoRuns:
    """Cells that have finished in both runs, and those of one alone with the state that the other has of them."""

    pairs: tuple[CellPair, ...]
    only_first: Mapping[str, str]
    only_second: Mapping[str, str]
    definitions: Mapping[str, Definition]

    def losses(self, least: float) -> list[str]:
        """Return why the second run is worse: a network's PSNR below the first by more than ``-least``, or unproved."""
        reasons = [
            f"{cell}: finished in the first run; in the second: {state}"
            for cell, state in self.only_first.items()
        ]
        for pair in self.pairs:
            change = pair.change(PSNR)
            if pair.hindrance or change is None:
                reasons.append(f"{pair.cell}: {pair.hindrance or 'no PSNR that both runs have'}")
            elif change.lost:
                reasons.append(
                    f"{pair.cell}: PSNR is no finite number on {change.lost} slices of the second run"
                )
            elif not pair.untreated and change.difference < least:
                reasons.append(f"{pair.cell}: PSNR {change.difference:+.4g} dB, below {least:+g} dB")
        return reasons


def two_runs(first: RunStore, second: RunStore) -> TwoRuns:
    """Return what changed from the first run to the second.

    Raises:
        BenchError: no cell has finished in both.
    """
    sides = [
        {name_of(one.planned.spec): one for one in run.read_all(run.read_plan())} for run in (first, second)
    ]
    both = [
        name
        for name, one in sides[0].items()
        if name in sides[1] and _finished(one) and _finished(sides[1][name])
    ]
    if not both:
        raise BenchError(
            f"no cell has finished here and in {first.root}",
            file=second.root,
            remedy="name two runs of one profile",
        )
    pairs = [_pair(name, sides[0][name], sides[1][name]) for name in both]
    definitions = {
        metric: metrics.definition(metric, definition)
        for name in both
        for metric, definition in _record(sides[0][name]).metrics.items()
    }
    return TwoRuns(tuple(_tested(pairs, definitions)), _alone(*sides), _alone(*sides[::-1]), definitions)


def _alone(here: Mapping[str, Result], there: Mapping[str, Result]) -> dict[str, str]:
    """Return the cells that have finished here only, with their state there."""
    states = {name: describe(there[name]) if name in there else "not planned" for name in here}
    return {name: state for name, state in states.items() if _finished(here[name]) and state != "finished"}


def _finished(result: Result) -> bool:
    return result.record is not None and result.record.status == "finished"


def _record(result: Result) -> Any:
    assert result.record is not None  # it has finished
    return result.record


def _pair(name: str, first: Result, second: Result) -> CellPair:
    """Return one cell of both runs, not tested yet."""
    records = [_record(one) for one in (first, second)]
    sides = [{(str(row["patient"]), str(row["slice"])): row for row in one.scores} for one in (first, second)]
    references = [record.data.get("reference") for record in records]
    if set(sides[0]) != set(sides[1]):
        return CellPair(name, hindrance="the test slices differ")
    if None not in references and references[0] != references[1]:
        return CellPair(name, hindrance="the reference slices have other values")
    hashes = [record.weights_sha256 for record in records]
    defined = [{m: [d.get(key) for key in _MEANING] for m, d in record.metrics.items()} for record in records]
    common = [metric for metric in defined[0] if metric in defined[1]]
    redefined = tuple(metric for metric in common if defined[0][metric] != defined[1][metric])
    known = all(record.spec.dataset.data.patients_known for record in records)
    changes = (_change(metric, sides[0], sides[1], known) for metric in common if metric not in redefined)
    return CellPair(
        name,
        tuple(change for change in changes if change is not None),
        weights=hashes[0] == hashes[1] if all(hashes) else None,
        redefined=redefined,
    )


def _change(
    metric: str, first: Mapping[tuple[str, str], Row], second: Mapping[tuple[str, str], Row], known: bool
) -> Change | None:
    """Return the change of one metric over the slices on which both are finite; None where there is none."""
    scores = [(name, float(row.get(metric, math.nan)), float(second[name].get(metric, math.nan)))
              for name, row in first.items()]  # fmt: skip
    usable = [(name, a, b) for name, a, b in scores if math.isfinite(a) and math.isfinite(b)]
    lost = sum(math.isfinite(a) and not math.isfinite(b) for _, a, b in scores)
    if not usable:
        return (
            Change(metric, math.nan, math.nan, math.nan, None, 0 if known else None, 0, lost)
            if lost
            else None
        )
    groups: dict[Any, list[tuple[float, float]]] = defaultdict(list)
    for name, a, b in usable:
        groups[name[0] if known else name].append((a, b))
    means = np.array(
        [[statistics.mean(side) for side in zip(*group, strict=True)] for group in groups.values()]
    )
    differences = np.array([statistics.mean(b - a for a, b in group) for group in groups.values()])
    tested = known and len(differences) >= statistics.FEWEST_PATIENTS
    p = float(statistics.t_test(differences)) if tested else math.nan
    equal = all(repr(a) == repr(b) for _, a, b in scores)
    return Change(
        metric,
        statistics.mean(means[:, 0]),
        statistics.mean(means[:, 1]),
        statistics.mean(differences),
        statistics.t_interval(differences) if known and len(differences) > 1 else None,
        len(differences) if known else None,
        len(usable),
        lost,
        None if math.isnan(p) else p,
        "equal" if equal else "open",
    )


def _tested(pairs: Sequence[CellPair], definitions: Mapping[str, Definition]) -> Iterator[CellPair]:
    """Yield the cells with p after Holm over all cells of a metric, and what may be said."""
    corrected: dict[tuple[str, str], float] = {}
    for metric in definitions:
        raw = {pair.cell: change.p for pair in pairs if (change := pair.change(metric)) is not None}
        values = statistics.holm(np.array([math.nan if p is None else p for p in raw.values()]))
        corrected |= {(cell, metric): float(p) for cell, p in zip(raw, values, strict=True)}
    for pair in pairs:
        changes = [
            change
            if change.p is None
            else replace(change, p=p, word=_word(change, p, definitions[change.metric]))
            for change in pair.changes
            for p in [corrected[pair.cell, change.metric]]
        ]
        yield replace(pair, changes=tuple(changes))


def _word(change: Change, p: float, definition: Definition) -> Word:
    if change.word == "equal" or p > statistics.SIGNIFICANT:
        return change.word
    if definition["direction"] == "none":
        return "differs"
    return "better" if sign(definition) * change.difference > 0 else "worse"
