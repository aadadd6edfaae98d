"""``bench translate``: a published PSNR or SSIM by another convention."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.console import say
from bench.cli.options import profile_option, runs_option
from bench.cli.text import folded
from bench.errors import BenchError
from bench.names import suggestion

if TYPE_CHECKING:
    from bench.metrics import Convention

NO_PROOF = (
    "A near value says that a convention could explain the number, not that it does: slices, training and network "
    "move it too."
)


@click.command()
@click.option("--psnr", type=float, metavar="DB", help="The value to translate.")
@click.option("--ssim", type=float, metavar="VALUE", help="Instead of a PSNR.")
@click.option("--from", "source", metavar="ID", help="The convention that it is stated in.")
@click.option("--to", "target", metavar="ID", help="The convention to state it in.")
@click.option("--explain", metavar="CELL", help="Beside the means of a cell in every convention.")
@click.option("--cell", default="", metavar="CELL", help="This cell of the run only, instead of all.")
@profile_option
@runs_option
def translate(
    psnr: float | None,
    ssim: float | None,
    source: str | None,
    target: str | None,
    explain: str | None,
    cell: str,
    profile: str,
    runs: Path,
) -> None:
    """State a published PSNR or SSIM by another convention.

    Exact between fixed peaks; else a range, from the slices of a run. With --explain the value stands beside the means
    of one cell by all conventions, nearest first. Without a value: the conventions with their sources.
    """
    if psnr is None and ssim is None:
        if source or target or explain or cell:
            raise click.UsageError("give --psnr or --ssim")
        say(_conventions())
        return
    if psnr is not None and ssim is not None:
        raise click.UsageError("give --psnr or --ssim, not both")
    score, number = ("psnr", psnr) if psnr is not None else ("ssim", ssim)
    assert number is not None
    if not math.isfinite(number) or (score == "ssim" and abs(number) > 1):
        raise BenchError(f"{number:g} is no {score.upper()}", key=f"--{score}")
    if cell and explain is not None:
        raise click.UsageError("--explain names the cell; leave --cell out")
    if explain is not None and source is None and target is None:
        say(_explained(number, score, explain, runs / profile))
    elif explain is None and source is not None and target is not None:
        say(_translated(number, _convention(source, score), _convention(target, score), cell, runs / profile))
    else:
        raise click.UsageError("give --from and --to, or --explain CELL")


def _convention(name: str, score: str) -> Convention:
    """Return the convention of an id, whose ``psnr.`` may be left out."""
    from bench.metrics import CONVENTIONS

    known = [one for one, convention in CONVENTIONS.items() if convention.score == score]
    full = name if "." in name else f"{score}.{name}"
    if full not in known:
        what = f"convention of {score.upper()}"
        raise BenchError(f"{name!r} is no {what}", remedy=suggestion(full, known))
    return CONVENTIONS[full]


def _translated(number: float, source: Convention, target: Convention, cell: str, root: Path) -> str:
    """Return the value by ``target``, or its range over a run."""
    from bench.metrics.conventions import closed_form

    here, there = (f"{one.id} ({one.label})" for one in (source, target))
    exact = closed_form(source, target)
    if exact is not None:
        text = f"{_text(number, source)} by {here} is {_text(number + exact, source)} by {there}, exactly."
        return folded(text, "")
    from bench import words
    from bench.records.store import RunStore
    from bench.report import translation

    if not (root / "plan.json").is_file():
        raise BenchError(
            f"from {source.id} to {target.id} the shift depends on the images, and there is no run to take it from",
            file=root,
            remedy="name one with --runs and --profile",
        )
    found = translation.shifts(RunStore(root), source, target, cell)
    means, single = (
        " to ".join(dict.fromkeys(_text(number + shift, source) for shift in ends))
        for ends in ((found.mean_low, found.mean_high), (found.low, found.high))
    )
    cells = words.count(found.cells, "cell")
    return _lines(
        f"{_text(number, source)} by {here} is {means} by {there}, by the mean of {cells}, and {single} by single "
        f"{found.unit}s: the shift depends on the images.",
        f"Taken from {found.count} scores of {found.unit}s in {root}; other images and networks may lie outside.",
    )


def _explained(number: float, score: str, cell: str, root: Path) -> str:
    """Return the means of a cell in every convention beside the value, nearest first."""
    from tabulate import tabulate

    from bench.metrics import CONVENTIONS
    from bench.records.store import RunStore
    from bench.report import translation

    means = translation.means(RunStore(root), cell, score)
    ordered = sorted(means, key=lambda name: (abs(means[name] - number), name))
    decimals = 2 if score == "psnr" else 4
    rows = [
        (
            name,
            CONVENTIONS[name].label,
            f"{means[name]:.{decimals}f}",
            f"{means[name] - number:+.{decimals}f}",
        )
        for name in ordered
    ]
    heads = ("convention", "", "this cell", f"minus {number:.{decimals}f}")
    table = tabulate(
        rows, heads, "simple", colalign=("left", "left", "right", "right"), disable_numparse=True
    )
    lacking = [one.id for one in CONVENTIONS.values() if one.score == score and one.id not in means]
    more = [f"Not scored: {', '.join(lacking)}; bench score --all adds them."] if lacking else []
    return "\n".join([table, "", _lines(NO_PROOF, *more)])


def _conventions() -> str:
    """Return every convention with its definition and its source."""
    from bench.metrics import CONVENTIONS

    return "\n\n".join(
        f"{one.id}: {one.label}\n{_lines(one.words, one.source, indent='  ')}" for one in CONVENTIONS.values()
    )


def _lines(*texts: str, indent: str = "") -> str:
    return "\n".join(folded(text, indent, first=indent) for text in texts)


def _text(number: float, convention: Convention) -> str:
    """Return a value as it is printed; no SSIM is above 1, whatever was added to it."""
    return f"{number:.2f} dB" if convention.score == "psnr" else f"{min(number, 1.0):.4f}"
