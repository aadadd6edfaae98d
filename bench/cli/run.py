"""``bench run`` and ``bench score``: the commands that work through cells and end with the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli import closing
from bench.cli.console import DONE, SOME_FAILED, Interrupted, Shown, leave, show, told_and_result
from bench.cli.naming import cell_words
from bench.cli.options import (
    File,
    budget,
    executor,
    inputs,
    machine,
    mask_option,
    open_option,
    reports_option,
    verbosity,
)
from bench.execution.stopping import Wish

if TYPE_CHECKING:
    from bench.execution.resolve import Request


def of_cells(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the words and options of those that work through cells and end with the table."""
    for one in (executor, machine, verbosity, open_option, mask_option, reports_option, inputs, cell_words):
        command = one(command)
    return command


@click.command()
@of_cells
@budget
@click.option("--force", is_flag=True, help="Run the cells anew, also those that have ended.")
@click.option(
    "--save-every",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    envvar="BENCH_SAVE_EVERY",
    help="Seconds between two saved states of a training, at most; each epoch saves one too.",
)
@click.option("--retry-failed", is_flag=True, help="Try failed and diverged cells once more.")
@click.option("--tensorboard", type=File, help="Write training curves for TensorBoard to this folder.")
@click.pass_obj
def run(
    wish: Wish,
    request: Request,
    cells: tuple[str, ...],
    reports: Path,
    mask_patients: bool,
    open_page: bool,
    force: bool,
    save_every: float,
    retry_failed: bool,
    tensorboard: Path | None,
) -> None:
    """Train and score what has not ended, then write tables.

    On a CPU several cells run side by side. Stop it with Ctrl-C at any time: the cells at work save their state and the
    same command continues from there; a second Ctrl-C ends it at once.
    """
    from bench.cli import curves
    from bench.execution import runner

    request = replace(
        request,
        only=cells,
        reports=reports,
        mask_patients=mask_patients,
        force=force,
        retry_failed=retry_failed,
        save_every_s=save_every,
    )
    events = runner.run(request, wish)
    told = show(curves.written(events, tensorboard) if tensorboard else events)
    if wish.asked:
        raise Interrupted(wish.signal)
    _end(told, open_page, told.bad)


@click.command()
@of_cells
def score(
    request: Request,
    cells: tuple[str, ...],
    reports: Path,
    mask_patients: bool,
    open_page: bool,
) -> None:
    """Score finished cells by new metrics, without training.

    The saved weights and the pairs are used; scores that are up to date stay. Exit 1 where a cell cannot be scored
    again, with the reason. Then the tables are written.
    """
    from bench.execution import rescore

    request = replace(request, only=cells, reports=reports, mask_patients=mask_patients)
    told, bad = told_and_result(rescore.run(request))
    _end(told, open_page, bad)


def _end(told: Shown, open_page: bool, bad: int) -> None:
    """Print the table, and end with 1 where a cell did not finish."""
    if told.report is not None:
        closing.show(told.report.scores, told.report.page, open_page)
    leave(SOME_FAILED if bad else DONE)
