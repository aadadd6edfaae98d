"""A run against a golden value: every difference with the kind of fault that it points at."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.records.golden import facts
from bench.records.golden.facts import Facts, Kind
from bench.records.store import Result

CAUSES: Mapping[Kind, str] = {
    "run": "cells are missing or did not finish",
    "data": "other slices, another split or other reference values; scores of these cells follow from it",
    "scoring": "a metric is defined otherwise; scores of these cells follow from it",
    "simulation": "the untreated input scores otherwise on equal references: the simulation of the low dose, or the "
    "code of the scores; networks on that input follow from it",
    "training": "a network scores otherwise on equal data and an equal input: the training, the network or its start",
}


@dataclass(frozen=True)
class Difference:
    """One value that is not reproduced; ``metric`` is a score or an exact fact, ``cell`` one cell or several.

    ``bands``: how far a score lies above the golden one in units of its band, red beyond 1; NaN: no score; None: an
    exact fact.
    """

    kind: Kind
    cell: str
    metric: str
    golden: str
    found: str
    bands: float | None = None

    def __str__(self) -> str:
        away = "" if self.bands is None or not math.isfinite(self.bands) else f" ({self.bands:+.3g} bands)"
        return f"{self.cell}: {self.metric}: golden {self.golden}, found {self.found}{away}"


@dataclass(frozen=True)
class Checked:
    """One cell held against the golden file: its own ``differences``, causes first.

    ``bands``: by metric, how far the score lies above the golden one, as in a ``Difference``. ``held``: the golden
    file holds this cell. ``seconds``: what the cell took to train and to score.
    """

    cell: str
    differences: tuple[Difference, ...] = ()
    bands: Mapping[str, float] = field(default_factory=dict)
    held: bool = True
    seconds: float = 0.0

    @property
    def farthest(self) -> tuple[str, float] | None:
        """The score that lies farthest from its golden value, and by how many bands; None without scores."""
        return max(self.bands.items(), key=lambda one: _distance(one[1]), default=None)


def _distance(bands: float) -> float:
    return math.inf if math.isnan(bands) else abs(bands)


def compare(golden: Mapping[str, Any], results: Sequence[Result]) -> list[Difference]:
    """Return every value of ``results`` that differs from ``golden``, causes first; an empty list is a pass."""
    return folded(check(golden, results))


def check(
    golden: Mapping[str, Any], results: Sequence[Result], only: Collection[str] = (), *, strict: bool = False
) -> list[Checked]:
    """Return each cell of the golden file and of the run with its differences.

    A score is blamed on the first of: an exact fact of its cell, its input (simulation), its training. ``only``: these
    cells, as ``MODEL:CONDITION``; empty for all. ``strict``: a cell that the golden file does not hold is a difference.

    Raises:
        BenchError: ``only`` names a cell that neither of the two has.
    """
    planned = {facts.name_of(result.planned.spec): result for result in results}
    names = list(dict.fromkeys((*golden["cells"], *planned)))
    facts.require(only, names)
    held = {
        name: _Held(golden, name, facts.of(result))
        for name, result in planned.items()
        if name in golden["cells"] and result.record is not None and result.record.status == "finished"
    }
    checked = []
    for name in names:
        if only and facts.pair_of(name) not in only:
            continue
        result, seconds = planned.get(name), 0.0
        if result is not None and result.record is not None:
            seconds = sum(result.record.timings.get(key, 0.0) for key in ("train_s", "score_s"))
        if name in held:
            one = held[name]
            blame = one.blame(held.get(facts.input_of(name)))
            scores = [Difference(blame, name, *line) for line in one.red]
            ordered = sorted([*one.exact, *scores], key=_cause)
            checked.append(Checked(name, tuple(ordered), one.bands, seconds=seconds))
        else:
            is_golden = name in golden["cells"]
            differences = tuple(_unfinished(name, result, is_golden)) if is_golden or strict else ()
            checked.append(Checked(name, differences, held=is_golden, seconds=seconds))
    return checked


def _unfinished(name: str, result: Result | None, is_golden: bool) -> Iterator[Difference]:
    """Yield why a cell cannot be held against the golden file."""
    if not is_golden:
        yield Difference("run", name, "cell", "none", "planned")
    elif result is None:
        yield Difference("run", name, "cell", "finished", "not planned")
    else:
        status = "missing" if result.record is None else result.record.status
        yield Difference("run", name, "status", "finished", status)


class _Held:
    """A finished cell beside its golden value: exact facts that differ, and the scores in bands."""

    def __init__(self, golden: Mapping[str, Any], name: str, mine: Facts) -> None:
        self.name = name
        self.exact = list(_exact(golden["exact"].get(facts.fold_of(name), {}), name, mine))
        self.bands: dict[str, float] = {}
        self.red: list[tuple[str, str, str, float]] = []  # metric, golden, found, bands
        for metric, score in golden["cells"][name]["scores"].items():
            mean = mine.means.get(metric)
            bands = self.bands[metric] = _bands(mean, score)
            if mean is None or not abs(mean - score["value"]) <= score["band"]:  # a NaN is red too
                expected = f"{score['value']:.6g} +- {score['band']:.2g}"
                self.red.append((metric, expected, "none" if mean is None else f"{mean:.6g}", bands))

    def blame(self, untreated: _Held | None) -> Kind:
        """Return the kind of fault that moves the scores of this cell; ``untreated`` is its input."""
        if self.exact:
            return min((one.kind for one in self.exact), key=facts.KINDS.index)
        if self is untreated or untreated is None or untreated.red:  # an input without a score proves nothing
            return "simulation"
        return "training"


def _bands(mean: float | None, score: Mapping[str, float]) -> float:
    if mean is None:
        return math.nan
    away, band = mean - score["value"], score["band"]
    return away / band if band else 0.0 if away == 0 else math.copysign(math.inf, away)


def _exact(golden: Mapping[Kind, Mapping[str, Any]], name: str, mine: Facts) -> Iterator[Difference]:
    """Yield the exact facts of one cell that differ."""
    for kind, values in golden.items():
        if kind == "training" and name == facts.input_of(name):
            continue
        stated = mine.exact.get(kind, {})
        for key, expected in values.items():
            if facts.differ(key, expected, stated.get(key)):
                yield Difference(kind, name, key, _short(expected), _short(stated.get(key)))


def _cause(difference: Difference) -> int:
    return facts.KINDS.index(difference.kind)


def folded(cells: Sequence[Checked]) -> list[Difference]:
    """Return the differences of all cells, causes first; an exact fact in which cells agree is one line."""
    alike: dict[Difference, list[str]] = defaultdict(list)
    lines, scores = [], []
    for cell in cells:
        for one in cell.differences:
            if one.kind == "run":
                lines.append(one)
            elif one.bands is not None:
                scores.append(one)
            else:
                place = Difference(one.kind, facts.fold_of(cell.cell), one.metric, one.golden, one.found)
                alike[place].append(cell.cell)
    for place, names in alike.items():
        who = _who(names, _holders(place.cell, place.kind, cells), place.cell)
        lines.append(Difference(place.kind, who, place.metric, place.golden, place.found))
    return sorted([*lines, *scores], key=_cause)


def _holders(fold: str, kind: Kind, cells: Iterable[Checked]) -> list[str]:
    """Return the finished cells of a fold that state facts of this kind: an untreated input has no training."""
    mine = [cell.cell for cell in cells if cell.bands and facts.fold_of(cell.cell) == fold]
    return [name for name in mine if kind != "training" or name != facts.input_of(name)]


def _who(names: Sequence[str], holders: Sequence[str], fold: str) -> str:
    """Return the cells in words: all of them, or their names."""
    if len(names) == 1 or len(names) < len(holders):
        return ", ".join(names)
    return "all cells" if fold == facts.ALL else f"all cells of fold {fold[1:]}"


def told(differences: Sequence[Difference]) -> list[str]:
    """Return the lines that a person reads: by kind, each with its likely cause."""
    lines = []
    for kind in facts.KINDS:
        alike = [difference for difference in differences if difference.kind == kind]
        if alike:
            lines.append(f"{kind}: {CAUSES[kind]}")
            lines += [f"  red: {difference}" for difference in alike]
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 160 else text[:157] + "..."
