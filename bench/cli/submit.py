"""``bench submit``: a method of another program in the table, scored and not trained here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import closing
from bench.cli.console import show
from bench.cli.options import File, inputs, mask_option, reports_option

if TYPE_CHECKING:
    from bench.execution.resolve import Request


@click.command()
@click.argument("name")
@click.option(
    "--callable", "function", metavar="PACKAGE.MODULE:FUNCTION", help="Called with one slice at a time."
)
@click.option("--outputs", type=File, metavar="FOLDER", help="A file for each slice; see bench data export.")
@click.option(
    "--trained-by", default="", metavar="TEXT", help="Who says how it was trained, and on which data."
)
@click.option(
    "--only", multiple=True, metavar="CONDITION", help="On these conditions only; several may follow."
)
@click.option("--force", is_flag=True, help="Replace an earlier submission of this name.")
@inputs
@reports_option
@mask_option
@click.argument("more", nargs=-1, metavar="[CONDITION ...]")
def submit(
    request: Request, name: str, function: str | None, outputs: Path | None, trained_by: str, only: tuple[str, ...],
    more: tuple[str, ...], force: bool, reports: Path, mask_patients: bool,
) -> None:  # fmt: skip
    """Score a method trained elsewhere as a row of the table.

    The function gets a degraded test slice, float32 (rows, columns) in HU, and returns it denoised in the same shape
    and unit; patient, slice and condition come with it where it has parameters of these names. Instead, --outputs takes
    .npy or .mat files with the names of bench data export --degraded-only. No reference leaves the program. See
    docs/submit.md.
    """
    if (function is None) == (outputs is None):
        raise click.UsageError("give --callable or --outputs")
    if more and not only:
        raise click.UsageError("give conditions after --only")
    if not trained_by.strip():
        raise click.UsageError(
            f"say how {name} was trained, and who says so: --trained-by 'N. Name, on 40 patients of data set X'"
        )
    from bench.execution import submit as submissions

    program = submissions.Files(outputs) if outputs is not None else submissions.Called(function or "")
    request = replace(request, reports=reports, mask_patients=mask_patients)
    text = " ".join(trained_by.split())
    told = show(submissions.run(request, submissions.Order(name, program, text, (*only, *more), force)))
    if told.report is not None:
        closing.show(told.report.scores, told.report.page)
