"""``bench explain``: what sets two cells apart."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.console import say
from bench.cli.options import File, json_option, profile_option, runs_option
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.records.explain import Difference, Outcome
    from bench.records.record import Record
    from bench.records.store import CellStore

MOVES = {
    "yes": "moves the numbers",
    "rounding": "moves the last bits, which a training makes larger",
    "perhaps": "perhaps: a commit does not say what it changed; what must move numbers has a version above",
    "no": "moves nothing",
}
UNRECORDED = (
    "the numbers differ all the same: by what no record holds (a GPU sums in any order; before this version, "
    "TF_ENABLE_ONEDNN_OPTS), or by a changed file: bench replay finds one"
)


@click.command()
@click.argument("cell")
@click.argument("other")
@profile_option
@runs_option
@click.option("--other-profile", metavar="PROFILE", help="Of OTHER, instead of the same.")
@click.option("--other-runs", type=File, help="Of OTHER, instead of the same.")
@json_option
def explain(
    cell: str, other: str, profile: str, runs: Path, other_profile: str | None, other_runs: Path | None, as_json: bool
) -> None:  # fmt: skip
    """Say in what two cells differ, and what may move numbers.

    CELL and OTHER are a part of an id that no other has, MODEL:CONDITION, or the folder of a cell.
    """
    from bench.cli import documents
    from bench.records import explain as explained

    sides = [_cell(cell, runs, profile), _cell(other, other_runs or runs, other_profile or profile)]
    records = [_record(side) for side in sides]
    differences, outcomes = explained.explain(*records), explained.outcomes(*sides)
    if as_json:
        say(documents.text(_document(records, differences, outcomes)))
        return
    for line in _lines(sides, differences, outcomes):
        say(line)


def _cell(text: str, runs: Path, profile: str) -> CellStore:
    """Return the folder of the cell that ``text`` names."""
    from bench.records.store import CellStore, RunStore

    if (Path(text) / "record.json").is_file():
        return CellStore(Path(text))
    if Path(text).is_dir():
        raise BenchError("not the folder of a cell: it has no record.json", file=Path(text))
    store = RunStore(runs / profile)
    return store.cell(store.find(text))


def _record(store: CellStore) -> Record:
    record = store.read_record()
    if record is None:
        raise BenchError("not run: there is no record", file=store.folder)
    return record


def _lines(
    sides: Sequence[CellStore], differences: Sequence[Difference], outcomes: Sequence[Outcome]
) -> list[str]:
    lines = [str(side.folder) for side in sides]
    for (moves, group), each in groupby(differences, key=lambda one: (one.moves, one.group)):
        lines.append(f"{group}: {MOVES[moves]}")
        lines += [f"  {one.key}: {_value(one.first)} | {_value(one.other)}" for one in each]
    if not differences:
        lines.append("nothing differs in code, data, split, setting, seed, library, device or convention")
    elif not any(one.moves in ("yes", "rounding") for one in differences):
        lines.append("nothing of this moves a number, unless the commit does")
    if any(one.differing for one in outcomes) and not any(one.moves != "no" for one in differences):
        lines.append(UNRECORDED)
    lines.append("came out:" if outcomes else "came out: no slice and metric that both have")
    lines += [
        f"  {one.metric}: {one.first:.6g} | {one.other:.6g}, "
        + (f"other on {one.differing} of {one.slices} slices" if one.differing else "equal to the last bit")
        for one in outcomes
    ]
    return lines


def _value(value: Any) -> str:
    """Return a value as text, of a hash the first 16 digits."""
    text = "none" if value is None else str(value)
    return text[:16] if re.fullmatch(r"[0-9a-f]{40,}", text) else text


def _document(
    records: Sequence[Record], differences: Sequence[Difference], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    from dataclasses import asdict

    from bench.cli.documents import SCHEMA

    def finite(row: dict[str, Any]) -> dict[str, Any]:
        return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}

    return {
        "schema": SCHEMA,
        "kind": "explain",
        "cells": [record.id for record in records],
        "differences": [asdict(one) for one in differences],
        "outcomes": [finite(asdict(one)) for one in outcomes],
    }
