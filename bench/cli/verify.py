"""``bench verify``: a run against a golden file, and a golden file of a lab's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import words
from bench.cli.console import DONE, SOME_FAILED, leave, say
from bench.cli.options import (
    File,
    cache_option,
    datasets_option,
    experiments_option,
    json_option,
    runs_option,
)
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.records.golden import Checked, Difference

PROFILE = "smoke"
MOST_REPEATS = 5  # as bench.execution.repeats has, which a help does not load
FOR_READING = ("golden", "strict", "as_json", "junit", "summary")
FOR_WRITING = ("repeats", "also")


@click.command()
@click.option("--profile", help="Profile in experiments.yaml.  [default: that of --golden, else smoke]")
@runs_option
@click.option("--golden", type=File, help="Instead of the golden file of this program.")
@click.option("--only", multiple=True, metavar="MODEL:CONDITION", help="These cells only; may be repeated.")
@click.option("--strict", is_flag=True, help="A cell that the golden file does not hold is red.")
@json_option
@click.option("--junit", type=File, help="Write JUnit XML: a test case for each cell.")
@click.option("--summary", type=File, help="Add a table to this Markdown file: $GITHUB_STEP_SUMMARY.")
@click.option("--write", type=File, metavar="FILE", help="Make a golden file of this run and of repeats.")
@click.option(
    "--repeats",
    type=click.IntRange(1, MOST_REPEATS),
    default=3,
    show_default=True,
    help="For --write: runs in all, this one among them; the others train now.",
)
@click.option("--also", type=File, multiple=True, metavar="RUNS", help="For --write: runs made elsewhere.")
@cache_option
@experiments_option
@datasets_option
@click.argument("more", nargs=-1, metavar="[MODEL:CONDITION ...]")
@click.pass_context
def verify(
    context: click.Context, profile: str | None, runs: Path, golden: Path | None, only: tuple[str, ...],
    more: tuple[str, ...], strict: bool, as_json: bool, junit: Path | None, summary: Path | None,
    write: Path | None, repeats: int, also: tuple[Path, ...], cache: Path, experiments: Path | None,
    datasets: Path | None,
) -> None:  # fmt: skip
    """Compare a run with a golden one; exit 1 on a difference.

    What differs is told by its likely cause: the run, the data, the scoring, the simulation or the training. Scores
    have a band, and differences are told in units of it. With --write a lab makes a golden file of its own.
    """
    others = FOR_READING if write else FOR_WRITING
    given = [
        name
        for name in others
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        option = "--" + given[0].replace("as_", "")
        raise click.UsageError(f"{option} is for a comparison" if write else f"{option} is for --write")
    from bench import atomic
    from bench.records.store import RunStore

    cells = (*only, *more)
    if write is not None:
        from bench.execution.repeats import golden_of

        files = {"--experiments": experiments, "--datasets": datasets}
        options = [str(part) for key, value in files.items() if value is not None for part in (key, value)]
        store = RunStore(runs / (profile or PROFILE))
        made = golden_of(store, cells, repeats, also, cache, options, say)
        atomic.write_json(write, made)
        count = len(made["made"]["runs"])
        say(f"wrote {write}: {len(made['cells'])} cells of {words.count(count, 'run')}; {_widest(made)}")
        return
    from bench.records import golden as golden_runs
    from bench.records import submissions

    expected = golden_runs.read(golden or _packaged(profile or PROFILE))
    store = RunStore(runs / (profile or expected["profile"]))
    checked = golden_runs.check(
        expected, store.read_all(submissions.without(store.read_plan())), cells, strict=strict
    )
    if not any(cell.held for cell in checked):
        raise BenchError("none of these cells is in the golden file", key="--only", remedy="name one that is")
    differences = golden_runs.folded(checked)
    name, outcome = store.root.name, _outcome(checked, differences)
    if junit:
        atomic.write_text(junit, golden_runs.junit(name, checked))
    if summary:
        append(summary, golden_runs.summary(name, checked, outcome))
    if as_json:
        from bench.cli import documents

        say(documents.text(_document(name, golden, checked, differences, outcome)))
    else:
        for line in (*golden_runs.told(differences), *_remarks(checked), outcome):
            say(line)
    leave(SOME_FAILED if differences else DONE)


def _packaged(profile: str) -> Path:
    """Return the golden file of a profile that comes with this program."""
    from bench.config.packaged import packaged

    path = packaged(f"{profile}.json")
    if not path.is_file():
        raise BenchError(
            f"this program has no golden file of the profile {profile}",
            key="--golden",
            remedy=f"name one; bench verify --profile {profile} --write FILE makes it",
        )
    return path


def append(path: Path, text: str) -> None:
    """Add a part to the end of a Markdown file, as several steps of a job do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def _outcome(checked: Sequence[Checked], differences: Sequence[Difference]) -> str:
    """Return the last line: green or how much is red, and the score that lies farthest from its golden value."""
    if differences:
        count = f"{len(differences)} value{'s are' if len(differences) > 1 else ' is'} not reproduced"
        return f"{count}; likely {differences[0].kind}"
    cells = [cell for cell in checked if cell.held]
    green = f"green: {words.count(len(cells), 'cell')} reproduced"
    far = max(
        ((abs(cell.farthest[1]), cell) for cell in cells if cell.farthest),
        key=lambda one: one[0],
        default=None,
    )
    if far is None or far[1].farthest is None:
        return green
    metric, bands = far[1].farthest
    return f"{green}; farthest: {far[1].cell} {metric} at {bands:+.2g} bands"


def _remarks(checked: Sequence[Checked]) -> list[str]:
    names = [cell.cell for cell in checked if not cell.held and not cell.differences]
    if not names:
        return []
    return [f"remark: not in the golden file, so not compared (--strict makes it red): {', '.join(names)}"]


def _document(
    profile: str,
    golden: Path | None,
    checked: Sequence[Checked],
    differences: Sequence[Difference],
    outcome: str,
) -> dict[str, Any]:
    from bench.cli.documents import SCHEMA

    def finite(bands: float | None) -> float | str | None:
        return bands if bands is None or math.isfinite(bands) else str(bands)

    cells = []
    for cell in checked:
        metric, bands = cell.farthest or (None, None)
        cells.append({
            "cell": cell.cell, "held": cell.held, "differences": len(cell.differences),
            "farthest": metric, "bands": finite(bands),
        })  # fmt: skip
    return {
        "schema": SCHEMA,
        "kind": "verify",
        "profile": profile,
        "golden": str(golden) if golden else "packaged",
        "green": not differences,
        "likely": differences[0].kind if differences else None,
        "outcome": outcome,
        "differences": [{**asdict(one), "bands": finite(one.bands)} for one in differences],
        "remarks": _remarks(checked),
        "cells": cells,
    }


def _widest(golden: Mapping[str, Any]) -> str:
    """Return how far the runs lie apart, in words."""
    scores = [
        (score["spread"], score["band"], f"{cell} {metric}")
        for cell, value in golden["cells"].items()
        for metric, score in value["scores"].items()
        if metric == "psnr.slice_max"
    ]
    spread, band, where = max(scores)
    if not spread:
        return "they agree to the last bit, so bands are the narrowest ones: they may be too narrow elsewhere"
    return f"widest spread of PSNR {spread:.2g} dB ({where}), band {band:.2g} dB"
