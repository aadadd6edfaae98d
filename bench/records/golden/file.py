"""The golden file: made from several runs of one plan, read back, and refused where it would not see training."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import metrics
from bench.errors import BenchError
from bench.records.golden import facts
from bench.records.store import Result

GOLDEN_SCHEMA = 2
MULTIPLE = 5  # the band is this many times the spread (largest minus smallest) over the golden runs
FLOOR = {
    "dB": 0.005,
    "HU": 0.02,  # twice what a degraded pixel may differ by from processor to processor
    "": 5e-5,
}  # and never narrower than this, by unit: another processor rounds otherwise
MOVED = metrics.PSNR  # the score in which every network must have left the input


def make(runs: Sequence[Sequence[Result]], profile: str, note: Mapping[str, Any]) -> dict[str, Any]:
    """Return the golden value of several runs of the same plan, such as on 1 and 2 threads and other processors.

    A score in which a network is not told from the untreated input is left out and named under ``untested``.

    Raises:
        BenchError: the runs differ in more than scores, a score is not finite, or a network's PSNR lies so near to
            that of the input that a network which returns its input would pass.
    """
    whole: list[dict[str, facts.Facts]] = [
        {facts.name_of(result.planned.spec): facts.of(result) for result in results} for results in runs
    ]
    if any(list(run) != list(whole[0]) for run in whole):
        raise BenchError("the runs hold different cells")
    cells = {name: {"scores": _scores(name, [run[name] for run in whole])} for name in whole[0]}
    set_bands(cells)
    for name, cell in cells.items():
        if name != facts.input_of(name):
            _leave_out(name, cell, cells)
    rule = {"multiple": MULTIPLE, "floor": FLOOR}
    return {
        "schema": GOLDEN_SCHEMA,
        "profile": profile,
        "band": rule,
        "made": dict(note),
        "exact": _exact(whole),
        "cells": cells,
    }


def _exact(runs: Iterable[Mapping[str, facts.Facts]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the exact facts of each fold by kind; a ``BenchError`` where two cells or runs differ in one."""
    folds: dict[str, dict[str, dict[str, Any]]] = {}
    for run in runs:
        for name, cell in run.items():
            fold = folds.setdefault(facts.fold_of(name), {})
            for kind, values in cell.exact.items():
                known = fold.setdefault(kind, {})
                for key, value in values.items():
                    if known.setdefault(key, value) != value:
                        raise BenchError(f"the runs differ in more than scores in {name}: {key}")
    return folds


def _scores(name: str, repeats: Sequence[facts.Facts]) -> dict[str, dict[str, float]]:
    scores = {}
    for metric, recorded in repeats[0].metrics.items():
        if metric not in repeats[0].means:  # no slice has it
            continue
        means = [one.means[metric] for one in repeats]
        if not np.isfinite(means).all():
            raise BenchError(f"{metric} of cell {name} is not finite")
        low, high = min(means), max(means)
        floor = _floor(metrics.definition(metric, recorded))
        scores[metric] = {"value": (low + high) / 2, "spread": high - low, "floor": floor}
    return scores


def _floor(definition: Mapping[str, Any]) -> float:
    """Return the narrowest band of a metric: by its unit, or half of the last digit that is printed of it."""
    return float(FLOOR.get(definition["unit"], 0.5 * 10.0 ** -definition["decimals"]))


def set_bands(cells: Mapping[str, Any]) -> None:
    """Give each score its band: a multiple of the widest spread of the network's cells.

    A few runs agree by luck now and then, and rounding moves one cell ten times as far as another: the cell that moves
    most says what the next processor may do to any of them.
    """
    for name, cell in cells.items():
        alike = [other["scores"] for key, other in cells.items() if key.split(":")[0] == name.split(":")[0]]
        for metric, score in cell["scores"].items():
            spread = max(scores[metric]["spread"] for scores in alike)
            score["band"] = max(MULTIPLE * spread, score["floor"])


def _leave_out(name: str, cell: dict[str, Any], cells: Mapping[str, Any]) -> None:
    """Take the scores that the untreated input has too, within the bands, out of a network's cell."""
    if facts.input_of(name) not in cells:
        raise BenchError(f"no untreated input to hold {name} against", remedy="run all cells of the profile")
    untreated = cells[facts.input_of(name)]["scores"]
    alike = [metric for metric, score in cell["scores"].items() if _holds_input(score, untreated[metric])]
    if MOVED in alike:
        mine, its = cell["scores"][MOVED], untreated[MOVED]
        raise BenchError(
            f"{MOVED} of {name} is {mine['value']:.4g} +- {mine['band']:.2g}, the untreated input's "
            f"{its['value']:.4g} +- {its['band']:.2g}: a network that returns its input would pass",
            remedy="give it a larger budget in the profile",
        )
    cell["untested"] = alike
    for metric in alike:
        del cell["scores"][metric]


def _holds_input(score: Mapping[str, float], untreated: Mapping[str, float]) -> bool:
    return abs(score["value"] - untreated["value"]) <= score["band"] + untreated["band"]


def read(path: Path) -> dict[str, Any]:
    """Return the golden value in ``path``, or raise a ``BenchError`` in one line."""
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != GOLDEN_SCHEMA:
            message = f"golden schema {value['schema']} is not {GOLDEN_SCHEMA}"
            raise BenchError(
                message, file=path, key="schema", remedy="make it anew or take that of this program"
            )
        _check(value)
    except FileNotFoundError:
        raise BenchError("no such file", file=path, remedy="name one with --golden") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"not a golden file ({error})", file=path) from None
    return value


def _check(value: Mapping[str, Any]) -> None:
    """Raise a ``KeyError``, ``TypeError`` or ``ValueError`` where a golden value is not of this shape."""
    str(value["profile"])
    if not value["cells"]:
        raise ValueError("no cells")
    for kinds in dict(value["exact"]).values():
        if unknown := set(dict(kinds)) - set(facts.KINDS):
            raise ValueError(f"unknown kind of fact: {min(unknown)}")
        for known in kinds.values():
            dict(known)
    for name, cell in dict(value["cells"]).items():
        untreated = value["cells"][facts.input_of(name)]["scores"]
        for metric, score in dict(cell["scores"]).items():
            if not (math.isfinite(score["value"]) and 0 <= score["band"] < math.inf):
                raise ValueError(f"{name}: {metric}: no finite value and band")
            if name != facts.input_of(name) and _holds_input(score, untreated[metric]):
                raise ValueError(f"{name}: {metric}: the band holds the untreated input's value")
