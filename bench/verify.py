"""Whether a run reproduces the metrics of a golden one: records against ``tests/golden/smoke.json``.

Split, slice names, reference ranges and metric definitions must be equal. Mean scores must lie within a band
around the golden value, which was made as a multiple of the spread over 1, 2 and 4 threads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.spec import digest
from bench.store import Result

GOLDEN_SCHEMA = 1
MULTIPLE = 5  # the band is this many times the spread (largest minus smallest) over the golden runs
FLOOR = {
    "dB": 0.005,
    "HU": 0.005,
    "": 5e-5,
}  # and never narrower than this, by unit: another processor rounds otherwise


@dataclass(frozen=True)
class Difference:
    """One value that is not reproduced."""

    cell: str
    metric: str
    golden: str
    found: str

    def __str__(self) -> str:
        return f"{self.cell}: {self.metric}: golden {self.golden}, found {self.found}"


def make(runs: Sequence[Sequence[Result]], profile: str, note: Mapping[str, Any]) -> dict[str, Any]:
    """Return the golden value of several runs of the same plan, such as on 1, 2 and 4 threads."""
    cells = {}
    for results in zip(*runs, strict=True):
        values = [_facts(result) for result in results]
        first = values[0]
        if any(value["exact"] != first["exact"] for value in values):
            raise BenchError(f"the runs differ in more than scores in {_name(results[0])}")
        scores = {}
        for metric, definition in first["metrics"].items():
            means = [value["means"][metric] for value in values]
            if not np.isfinite(means).all():
                raise BenchError(f"{metric} of cell {_name(results[0])} is not finite")
            low, high = min(means), max(means)
            floor = FLOOR[definition["unit"]]
            scores[metric] = {"value": (low + high) / 2, "spread": high - low, "floor": floor}
        cells[_name(results[0])] = {"exact": first["exact"], "scores": scores}
    set_bands(cells)
    rule = {"multiple": MULTIPLE, "floor": FLOOR}
    return {"schema": GOLDEN_SCHEMA, "profile": profile, "band": rule, "made": dict(note), "cells": cells}


def set_bands(cells: Mapping[str, Any]) -> None:
    """Give each score its band: a multiple of its own spread or, where that is smaller, of the network's median one.

    Three runs agree by luck now and then; the spreads of the network's other cells say how much luck it was.
    """
    for name, cell in cells.items():
        alike = [other["scores"] for key, other in cells.items() if key.split(":")[0] == name.split(":")[0]]
        for metric, score in cell["scores"].items():
            spread = max(score["spread"], float(np.median([scores[metric]["spread"] for scores in alike])))
            score["band"] = max(MULTIPLE * spread, score["floor"])


def read(path: Path) -> dict[str, Any]:
    """Return the golden value in ``path``, or raise a ``BenchError`` in one line."""
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != GOLDEN_SCHEMA:
            raise BenchError(
                f"golden schema {value['schema']} is not {GOLDEN_SCHEMA}", file=path, key="schema"
            )
        _check(value)
    except FileNotFoundError:
        raise BenchError("no such file", file=path, remedy="name one with --golden") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"not a golden file ({error})", file=path) from None
    return value


def _check(value: Mapping[str, Any]) -> None:
    """Raise a ``KeyError``, ``TypeError`` or ``ValueError`` where a golden value is not of this shape."""
    str(value["profile"])
    if not value["cells"]:
        raise ValueError("no cells")
    for name, cell in dict(value["cells"]).items():
        dict(cell["exact"])
        for metric, score in dict(cell["scores"]).items():
            if not (math.isfinite(score["value"]) and 0 <= score["band"] < math.inf):
                raise ValueError(f"{name}: {metric}: no finite value and band")


def compare(golden: Mapping[str, Any], results: Sequence[Result]) -> list[Difference]:
    """Return every value of ``results`` that differs from ``golden``; an empty list is a pass."""
    found = {_name(result): result for result in results}
    differences = []
    for name, wanted in golden["cells"].items():
        if name not in found:
            differences.append(Difference(name, "cell", "finished", "not planned"))
        else:
            differences += _compare_cell(name, wanted, found[name])
    differences += [
        Difference(name, "cell", "none", "planned") for name in found if name not in golden["cells"]
    ]
    return differences


def _compare_cell(name: str, wanted: Mapping[str, Any], result: Result) -> list[Difference]:
    if result.record is None or result.record.status != "finished":
        status = "missing" if result.record is None else result.record.status
        return [Difference(name, "status", "finished", status)]
    facts = _facts(result)
    differences = [
        Difference(name, key, _short(value), _short(facts["exact"].get(key)))
        for key, value in wanted["exact"].items()
        if facts["exact"].get(key) != value
    ]
    for metric, score in wanted["scores"].items():
        mean = facts["means"].get(metric)
        if mean is None:
            differences.append(Difference(name, metric, f"{score['value']:.6g}", "none"))
        elif not abs(mean - score["value"]) <= score["band"]:  # a NaN is red too
            differences.append(
                Difference(name, metric, f"{score['value']:.6g} +- {score['band']:.2g}", f"{mean:.6g}")
            )
    return differences


def _name(result: Result) -> str:
    spec = result.planned.spec
    fold = "" if spec.dataset.data.fold is None else f":f{spec.dataset.data.fold}"
    return f"{spec.model}:{spec.dataset.condition}:s{spec.seed}{fold}"


def _facts(result: Result) -> dict[str, Any]:
    """Return what must be equal, the metric definitions and the mean scores of one finished cell."""
    record = result.record
    if record is None or record.status != "finished":
        raise BenchError(
            f"cell {_name(result)} has not finished", remedy="run: bench run --all --profile smoke"
        )
    names = [[str(row["patient"]), str(row["slice"])] for row in result.scores]
    data = record.spec.dataset.data
    exact = {
        "split": data.split_sha256,
        "slices": data.selection,
        "slices per part": data.slices,
        "pair names": {
            "count": len(names),
            "first": names[0],
            "last": names[-1],
            "digest": digest(names, 16),
        },
        "reference ranges": record.ranges,
        "metric definitions": {
            key: {k: v for k, v in value.items() if k != "label"} for key, value in record.metrics.items()
        },
    }
    means = {key: float(np.mean([float(row[key]) for row in result.scores])) for key in record.metrics}
    return {"exact": exact, "metrics": record.metrics, "means": means}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 160 else text[:157] + "..."
