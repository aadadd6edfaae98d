"""``bench compare``: what a change did to a table, as a check of a pull request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import words
from bench.cli.console import DONE, SOME_FAILED, leave, say
from bench.cli.options import File, json_option
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.records.store import RunStore
    from bench.report.two_runs import CellPair, Change, Definition, TwoRuns

SHOWN = ("psnr.slice_max", "ssim.slice_max")
HEADS = ("cell", "A", "B", "B - A", "95 % interval", "patients", "B is")


@click.command()
@click.argument("first", type=File, metavar="RUN_A")
@click.argument("second", type=File, metavar="RUN_B")
@click.option(
    "--metric",
    "shown",
    multiple=True,
    default=SHOWN,
    show_default=True,
    metavar="ID",
    help="Shown; may be repeated. --json has all.",
)
@click.option(
    "--fail-below",
    type=float,
    metavar="DB",
    help="Exit 1 where the PSNR of a network, B - A, is below this: -0.1.",
)
@json_option
@click.option("--summary", type=File, help="Add the tables to this Markdown file: $GITHUB_STEP_SUMMARY.")
def compare(
    first: Path, second: Path, shown: tuple[str, ...], fail_below: float | None, as_json: bool, summary: Path | None
) -> None:  # fmt: skip
    """Compare two runs, before (A) and after (B) a change.

    RUN_A and RUN_B are folders as runs/smoke. Cells are matched by model, condition, seed and fold. Each difference is
    taken patient by patient, with Student's 95 % interval over the patients. With --fail-below a cell that only A has
    and one that cannot be compared fail too.
    """
    from bench.report.two_runs import two_runs

    if fail_below is not None and not math.isfinite(fail_below):
        raise BenchError(
            f"{fail_below} is no difference in dB", key="--fail-below", remedy="give a number: -0.1"
        )
    compared = two_runs(_store(first), _store(second))
    for metric in shown:
        if metric not in compared.definitions:
            raise BenchError(
                f"no metric {metric!r}", key="--metric", remedy=f"one of: {', '.join(compared.definitions)}"
            )
    losses = [] if fail_below is None else compared.losses(fail_below)
    if summary:
        from bench.cli.verify import append

        append(summary, f"### bench compare\n\n{_text(compared, shown, losses, fail_below, 'github')}\n")
    if as_json:
        from bench.cli import documents

        say(documents.text(_document(first, second, compared, losses)))
    else:
        say(_text(compared, shown, losses, fail_below, "simple"))
    leave(SOME_FAILED if losses else DONE)


def _store(folder: Path) -> RunStore:
    """Return the run in a folder; where it holds runs of several profiles, one has to be named."""
    from bench.records.store import RunStore

    inner = sorted(path.parent for path in folder.glob("*/plan.json"))
    if not (folder / "plan.json").exists() and inner:
        raise BenchError(
            "not the folder of a run: it has no plan.json", file=folder, remedy=f"give {inner[0]}"
        )
    return RunStore(folder)


def _text(
    compared: TwoRuns, shown: Sequence[str], losses: Sequence[str], least: float | None, form: str
) -> str:
    """Return what changed: which cells are equal, a table for each metric of those that are not, and the outcome."""
    from tabulate import tabulate

    pairs = compared.pairs
    parts = [_equal(pairs)]
    for cells, where, other in ((compared.only_first, "A", "B"), (compared.only_second, "B", "A")):
        if cells:
            lines = (f"- {cell} (in {other}: {state})" for cell, state in cells.items())
            parts.append("\n".join((f"Finished in {where} only:\n", *lines)))
    hindered = [f"- {pair.cell}: {pair.hindrance}" for pair in pairs if pair.hindrance]
    if hindered:
        parts.append("\n".join(("Not comparable:\n", *hindered)))
    if redefined := sorted({metric for pair in pairs for metric in pair.redefined}):
        parts.append(f"Defined otherwise in B, so not compared: {', '.join(redefined)}")
    for metric in shown:
        definition = compared.definitions[metric]
        rows = [
            _row(pair.cell, change, definition)
            for pair in pairs
            if (change := pair.change(metric)) is not None and change.word != "equal"
        ]
        if rows:
            unit = f" ({definition['unit']})" if definition["unit"] else ""
            align = ("left", *("right",) * 5, "left")
            table = tabulate(rows, HEADS, form, disable_numparse=True, colalign=align)
            parts.append(f"{definition['label']}, {metric}{unit}\n\n{table}")
    if any(not pair.equal and not pair.hindrance for pair in pairs):
        parts.append(
            "Better, worse: a paired t test over at least 4 patients, Holm over the cells of a metric;\n"
            "intervals are of one cell each."
        )
    if least is not None:
        parts.append("\n".join((f"{words.count(len(losses), 'cell')} below {least:+g} dB or not shown to be above:\n",
                                *(f"- {reason}" for reason in losses)))
                     if losses else f"No network lost more than {-least:g} dB of PSNR.")  # fmt: skip
    return "\n\n".join(parts)


def _equal(pairs: Sequence[CellPair]) -> str:
    equal = [pair for pair in pairs if pair.equal]
    weights = [pair for pair in equal if pair.weights is False]
    text = f"{words.count(len(pairs), 'cell')} finished in both runs; {len(equal)} with scores equal to the last bit"
    return text + (f", {len(weights)} of them with other weights." if weights else ".")


def _row(cell: str, change: Change, definition: Definition) -> tuple[str, ...]:
    from bench.report import format

    decimals = int(definition["decimals"])
    a, b = (format.fixed(value, decimals) for value in (change.first, change.second))
    ends = change.interval
    span = "" if ends is None else " to ".join(
        format.fixed(end, decimals + 1, signed=True) for end in (ends.low, ends.high)
    )  # fmt: skip
    word = f"{change.word}; lost {change.lost}" if change.lost else change.word
    patients = "unknown" if change.patients is None else str(change.patients)
    return cell, a, b, format.fixed(change.difference, decimals + 1, signed=True), span, patients, word


def _document(first: Path, second: Path, compared: TwoRuns, losses: Sequence[str]) -> dict[str, Any]:
    from bench.cli.documents import SCHEMA

    cells = [
        {
            "cell": pair.cell, "equal": pair.equal, "weights_equal": pair.weights, "hindrance": pair.hindrance,
            "redefined": list(pair.redefined), "metrics": [_metric(one, compared.definitions) for one in pair.changes],
        }
        for pair in compared.pairs
    ]  # fmt: skip
    return {
        "schema": SCHEMA,
        "kind": "compare",
        "a": str(first),
        "b": str(second),
        "cells": cells,
        "only_a": dict(compared.only_first),
        "only_b": dict(compared.only_second),
        "losses": list(losses),
    }


def _metric(change: Change, definitions: Mapping[str, Definition]) -> dict[str, Any]:
    def finite(number: float) -> float | str:
        return number if math.isfinite(number) else str(number)

    return {
        "metric": change.metric,
        "unit": definitions[change.metric]["unit"],
        "a": finite(change.first),
        "b": finite(change.second),
        "difference": finite(change.difference),
        "low": None if change.interval is None else change.interval.low,
        "high": None if change.interval is None else change.interval.high,
        "patients": change.patients,
        "slices": change.slices,
        "lost": change.lost,
        "p": change.p,
        "word": change.word,
    }
