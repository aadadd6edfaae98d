"""The commands: the only place that prints, colours, asks the clock for display, or exits."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from bench.cli.console import BAD_INPUT, DONE, INTERRUPTED, SOME_FAILED, leave, mute, result, say, show
from bench.cli.data import data
from bench.cli.options import File, executor, inputs, machine, profile_option, reports_option, runs_option
from bench.cli.speed import speed
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.execution.resolve import Request


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(package_name="ldct-denoising-benchmark", prog_name="bench")
def cli() -> None:
    """Train low-dose CT denoising networks on one table of conditions, and score them alike.

    Start with: bench run --all --profile smoke
    """


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Every cell of the profile.")
@click.option("--only", multiple=True, metavar="MODEL:CONDITION", help="These cells only; may be repeated.")
@inputs
@reports_option
@machine
@executor
@click.option("--force", is_flag=True, help="Run the cells anew, also those that have ended.")
@click.option("--retry-failed", is_flag=True, help="Try failed and diverged cells once more.")
@click.argument("more", nargs=-1, metavar="[MODEL:CONDITION ...]")
def run(
    request: Request,
    everything: bool,
    only: tuple[str, ...],
    more: tuple[str, ...],
    reports: Path,
    force: bool,
    retry_failed: bool,
) -> None:
    """Train and score what has not ended yet, then write the tables.

    On a CPU several cells run side by side. Stop it with Ctrl-C at any time: the same command continues from the last
    finished epoch of each.
    """
    cells = _cells(everything, only, more)
    from bench.execution import runner

    request = replace(request, only=cells, reports=reports, force=force, retry_failed=retry_failed)
    leave(SOME_FAILED if show(runner.run(request)) else DONE)


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Every cell of the profile.")
@click.option("--only", multiple=True, metavar="MODEL:CONDITION", help="These cells only; may be repeated.")
@inputs
@reports_option
@machine
@executor
@click.argument("more", nargs=-1, metavar="[MODEL:CONDITION ...]")
def score(
    request: Request,
    everything: bool,
    only: tuple[str, ...],
    more: tuple[str, ...],
    reports: Path,
) -> None:
    """Score finished cells by new metrics, without training.

    The saved weights and the pairs are used; scores that are up to date stay. Exit 1 where a cell cannot be scored
    again, with the reason. Then the tables are written.
    """
    cells = _cells(everything, only, more)
    from bench.execution import rescore

    request = replace(request, only=cells, reports=reports)
    leave(SOME_FAILED if result(rescore.run(request)) else DONE)


def _cells(everything: bool, only: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cells that are named, none for all of them; one of the two must be said."""
    if everything == bool(only or more) or (more and not only):
        raise click.UsageError("give --all, or --only MODEL:CONDITION (several may follow)")
    return (*only, *more)


@cli.command()
@inputs
def plan(request: Request) -> None:
    """Show the cells of a profile, their budget, and which have ended. Nothing is trained."""
    from bench.cli import overview
    from bench.execution.resolve import resolve

    say(overview.of_plan(resolve(request)))


@cli.command()
@profile_option
@runs_option
def status(profile: str, runs: Path) -> None:
    """Show how far the last run of a profile is."""
    from bench.cli import overview
    from bench.records.store import RunStore

    say(overview.of_run(RunStore(runs / profile)))


@cli.command()
@profile_option
@runs_option
@reports_option
def report(profile: str, runs: Path, reports: Path) -> None:
    """Write the tables again, from the records alone."""
    from bench.records.store import RunStore
    from bench.report import write

    for path in write(RunStore(runs / profile), reports / profile):
        say(f"wrote {path}")


@cli.command()
@click.argument("folders", nargs=-1, required=True, type=File, metavar="RUNS_A RUNS_B [...]")
@click.option("--into", type=File, metavar="RUNS", help="Instead of the first.")
@profile_option
def merge(folders: tuple[Path, ...], into: Path | None, profile: str) -> None:
    """Copy the ended cells of several results folders into the first.

    Nothing is copied where two hold different results of one cell, or plans that do not belong together. Then write the
    tables with bench report.
    """
    from bench.records.merging import merge
    from bench.records.store import RunStore

    if into is None and len(folders) < 2:
        raise click.UsageError("give two folders, or one and --into")
    for line in merge(
        [RunStore(runs / profile) for runs in folders], RunStore((into or folders[0]) / profile)
    ):
        say(line)


@cli.command()
@click.option("--profile", default="smoke", show_default=True, help="Profile in experiments.yaml.")
@runs_option
@click.option("--golden", type=File, help="Instead of the golden file of this program.")
def verify(profile: str, runs: Path, golden: Path | None) -> None:
    """Compare the smoke run with the golden one; exit 1 on a difference.

    What differs is told by its likely cause: the run, the data, the scoring, the simulation or the training.
    """
    from bench.config.packaged import packaged
    from bench.records import golden as golden_runs
    from bench.records.store import RunStore

    expected = golden_runs.read(golden or packaged("smoke.json"))
    store = RunStore(runs / profile)
    differences = golden_runs.compare(expected, store.read_all(store.read_plan()))
    for line in golden_runs.told(differences):
        say(line)
    cells = len(expected["cells"])
    count = f"{len(differences)} value{'s are' if len(differences) > 1 else ' is'} not reproduced"
    say(f"{count}; likely {differences[0].kind}" if differences else f"green: {cells} cells reproduced")
    leave(SOME_FAILED if differences else DONE)


cli.add_command(data)
cli.add_command(speed)


class Interrupted(BaseException):
    """Ctrl-C, or a signal that asks this process to end."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def main() -> None:
    """Run ``bench``; every fault a user can cause ends in one line and exit code 2."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # ignored for nohup, or in the background
                signal.signal(number, _interrupt)
        with cli.make_context("bench", sys.argv[1:]) as context:
            cli.invoke(context)
        code = DONE
    except click.exceptions.Exit as end:
        code = end.exit_code
    except Interrupted:
        code = _fail("interrupted; the same command continues from what is finished", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BenchError as error:
        code = _fail(str(error), BAD_INPUT)
    except BrokenPipeError:  # while click printed a help
        mute()
        code = DONE
    except OSError as error:
        code = _fail(f"{error.filename or 'a file'}: {error.strerror or error}", BAD_INPUT)
    except Exception as error:
        if os.environ.get("BENCH_TRACEBACK"):
            raise
        text = " ".join(str(error).split())
        code = _fail(
            f"internal error: {type(error).__name__}: {text}; BENCH_TRACEBACK=1 shows where", BAD_INPUT
        )
    sys.exit(code)


def _fail(text: str, code: int) -> int:
    for line in text.splitlines():
        click.echo(f"bench: {line}", err=True)
    return code
