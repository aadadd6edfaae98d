"""A run against a golden value: every difference with the kind of fault that it points at."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    """One value that is not reproduced; ``metric`` is a score or an exact fact, ``cell`` one cell or several."""

    kind: Kind
    cell: str
    metric: str
    golden: str
    found: str

    def __str__(self) -> str:
        return f"{self.cell}: {self.metric}: golden {self.golden}, found {self.found}"


def compare(golden: Mapping[str, Any], results: Sequence[Result]) -> list[Difference]:
    """Return every value of ``results`` that differs from ``golden``, causes first; an empty list is a pass.

    A score is blamed on the first of: an exact fact of its cell, its input (simulation), its training.
    """
    planned = {facts.name_of(result.planned.spec): result for result in results}
    differences = [
        Difference("run", name, "cell", "finished", "not planned")
        for name in golden["cells"]
        if name not in planned
    ]
    finished: dict[str, Facts] = {}
    for name, result in planned.items():
        status = "missing" if result.record is None else result.record.status
        if name not in golden["cells"]:
            differences.append(Difference("run", name, "cell", "none", "planned"))
        elif status != "finished":
            differences.append(Difference("run", name, "status", "finished", status))
        else:
            finished[name] = facts.of(result)
    exact, blamed = _exact(golden["exact"], finished)
    differences += exact + _scores(golden["cells"], finished, blamed)
    return sorted(differences, key=lambda difference: facts.KINDS.index(difference.kind))


def _exact(
    golden: Mapping[str, Mapping[Kind, Mapping[str, Any]]], finished: Mapping[str, Facts]
) -> tuple[list[Difference], dict[str, Kind]]:
    """Return the exact facts that differ, one line for all cells that agree, and what each cell is blamed on."""
    cells: dict[tuple[str, Kind, str, str, str], list[str]] = defaultdict(list)
    blamed: dict[str, Kind] = {}
    for name, one in finished.items():
        fold = facts.fold_of(name)
        for kind, values in golden.get(fold, {}).items():
            mine = one.exact.get(kind, {})
            if kind == "training" and name == facts.input_of(name):
                continue
            for key, expected in values.items():
                if facts.differ(key, expected, mine.get(key)):
                    cells[fold, kind, key, _short(expected), _short(mine.get(key))].append(name)
                    earlier = blamed.get(name, kind)
                    blamed[name] = min(kind, earlier, key=facts.KINDS.index)
    differences = [
        Difference(kind, _who(names, _holders(fold, kind, finished), fold), key, expected, mine)
        for (fold, kind, key, expected, mine), names in cells.items()
    ]
    return differences, blamed


def _holders(fold: str, kind: Kind, finished: Iterable[str]) -> list[str]:
    """Return the cells of a fold that state facts of this kind: an untreated input has no training."""
    mine = [name for name in finished if facts.fold_of(name) == fold]
    return [name for name in mine if kind != "training" or name != facts.input_of(name)]


def _who(names: Sequence[str], holders: Sequence[str], fold: str) -> str:
    """Return the cells in words: all of them, or their names."""
    if len(names) == 1 or len(names) < len(holders):
        return ", ".join(names)
    return "all cells" if fold == facts.ALL else f"all cells of fold {fold[1:]}"


def _scores(
    golden: Mapping[str, Any], finished: Mapping[str, Facts], blamed: Mapping[str, Kind]
) -> list[Difference]:
    red: dict[str, list[tuple[str, str, str]]] = {}
    for name, one in finished.items():
        red[name] = []
        for metric, score in golden[name]["scores"].items():
            mean = one.means.get(metric)
            expected = f"{score['value']:.6g} +- {score['band']:.2g}"
            if mean is None or not abs(mean - score["value"]) <= score["band"]:  # a NaN is red too
                red[name].append((metric, expected, "none" if mean is None else f"{mean:.6g}"))

    def kind(name: str) -> Kind:
        untreated = facts.input_of(name)
        if name in blamed:
            return blamed[name]
        if name == untreated or red.get(untreated, True):  # an input without a score proves nothing
            return "simulation"
        return "training"

    return [Difference(kind(name), name, *line) for name, lines in red.items() for line in lines]


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
