"""The commands: the only place that prints, colours, asks the clock for display, or exits."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from bench.cli.claim import claim
from bench.cli.console import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    SOME_FAILED,
    leave,
    mute,
    result,
    say,
    show,
)
from bench.cli.data import data
from bench.cli.explain import explain
from bench.cli.options import (
    File,
    budget,
    executor,
    inputs,
    json_option,
    machine,
    mask_option,
    places,
    profile_option,
    reports_option,
    runs_option,
)
from bench.cli.replay import replay
from bench.cli.speed import speed
from bench.cli.submit import submit
from bench.cli.translate import translate
from bench.errors import BenchError
from bench.execution.stopping import TO_BE_CONTINUED, Wish

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPING = "stopping: the cells at work save their state; press Ctrl-C again to stop at once\n"

if TYPE_CHECKING:
    from bench.execution.resolve import Request


WATCH_S = 10.0


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
@mask_option
@machine
@executor
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
@click.argument("more", nargs=-1, metavar="[MODEL:CONDITION ...]")
@click.pass_obj
def run(
    wish: Wish,
    request: Request,
    everything: bool,
    only: tuple[str, ...],
    more: tuple[str, ...],
    reports: Path,
    mask_patients: bool,
    force: bool,
    save_every: float,
    retry_failed: bool,
    tensorboard: Path | None,
) -> None:
    """Train and score what has not ended yet, then write the tables.

    On a CPU several cells run side by side. Stop it with Ctrl-C at any time: the cells at work save their state and the
    same command continues from there; a second Ctrl-C ends it at once.
    """
    cells = _cells(everything, only, more)
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
    bad = show(curves.written(events, tensorboard) if tensorboard else events)
    if wish.asked:
        raise Interrupted(wish.signal)
    leave(SOME_FAILED if bad else DONE)


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Every cell of the profile.")
@click.option("--only", multiple=True, metavar="MODEL:CONDITION", help="These cells only; may be repeated.")
@inputs
@reports_option
@mask_option
@machine
@executor
@click.argument("more", nargs=-1, metavar="[MODEL:CONDITION ...]")
def score(
    request: Request,
    everything: bool,
    only: tuple[str, ...],
    more: tuple[str, ...],
    reports: Path,
    mask_patients: bool,
) -> None:
    """Score finished cells by new metrics, without training.

    The saved weights and the pairs are used; scores that are up to date stay. Exit 1 where a cell cannot be scored
    again, with the reason. Then the tables are written.
    """
    cells = _cells(everything, only, more)
    from bench.execution import rescore

    request = replace(request, only=cells, reports=reports, mask_patients=mask_patients)
    leave(SOME_FAILED if result(rescore.run(request)) else DONE)


def _cells(everything: bool, only: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cells that are named, none for all of them; one of the two must be said."""
    if everything == bool(only or more) or (more and not only):
        raise click.UsageError("give --all, or --only MODEL:CONDITION (several may follow)")
    return (*only, *more)


@cli.command()
@inputs
@places
@budget
@json_option
def plan(request: Request, as_json: bool) -> None:
    """Show the cells of a profile and what each of them will do, with disk, memory and time. Nothing is trained."""
    from bench.cli import documents, overview
    from bench.execution.resolve import resolve

    resolved = resolve(request)
    say(documents.text(documents.of_plan(resolved)) if as_json else overview.of_plan(resolved))


@cli.command()
@profile_option
@runs_option
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    is_flag=False,
    flag_value=WATCH_S,
    metavar="[SECONDS]",
    help=f"Again every {WATCH_S:g} seconds, until all cells have ended or Ctrl-C (exit 0).",
)
@json_option
def status(profile: str, runs: Path, watch: float | None, as_json: bool) -> None:
    """Show how far the last run of a profile is, and how its forecast holds."""
    from bench.cli import documents, overview
    from bench.records.store import RunStore

    store = RunStore(runs / profile)
    try:
        while True:
            text = documents.text(documents.of_run(store)) if as_json else overview.of_run(store)
            if watch is not None:
                click.clear()  # in a terminal only
            say(text)
            if watch is None or as_json or overview.has_ended(store):
                return
            time.sleep(watch)
    except Interrupted:
        if watch is None:
            raise


@cli.command()
@click.argument("cell")
@profile_option
@runs_option
def log(cell: str, profile: str, runs: Path) -> None:
    """Print the log of a cell: its epochs, what the libraries said, why it failed.

    CELL is a part of its id that no other has, or MODEL:CONDITION.
    """
    from bench.records.store import RunStore

    store = RunStore(runs / profile)
    path = store.cell(store.find(cell)).log
    try:
        say(path.read_text(encoding="utf-8", errors="replace").removesuffix("\n"))
    except FileNotFoundError:
        raise BenchError("not begun: there is no log yet", file=path) from None


@cli.command()
@profile_option
@runs_option
@reports_option
@mask_option
@json_option
def report(profile: str, runs: Path, reports: Path, mask_patients: bool, as_json: bool) -> None:
    """Write the tables again, from the records alone."""
    from bench.cli import documents
    from bench.records.store import RunStore
    from bench.report import publish

    store = RunStore(runs / profile)
    made = publish(store, reports / profile, mask_patients)
    if as_json:
        say(documents.text(documents.of_report(store, made)))
        return
    for path in made.paths:
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
    from bench.records import submissions
    from bench.records.store import RunStore

    expected = golden_runs.read(golden or packaged("smoke.json"))
    store = RunStore(runs / profile)
    differences = golden_runs.compare(expected, store.read_all(submissions.without(store.read_plan())))
    for line in golden_runs.told(differences):
        say(line)
    cells = len(expected["cells"])
    count = f"{len(differences)} value{'s are' if len(differences) > 1 else ' is'} not reproduced"
    say(f"{count}; likely {differences[0].kind}" if differences else f"green: {cells} cells reproduced")
    leave(SOME_FAILED if differences else DONE)


for command in (claim, data, explain, replay, speed, submit, translate):
    cli.add_command(command)


class Interrupted(BaseException):
    """Ctrl-C, or a signal that asks this process to end; ``code`` is the exit code for it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = INTERRUPTED if number == signal.SIGINT else TO_BE_CONTINUED


def _listen(wish: Wish) -> None:
    """Let a first signal ask the cells at work to save and end; without any, and at a second one, end at once."""
    terminals = [stream.fileno() for stream in (sys.__stdout__, sys.__stderr__) if stream and stream.isatty()]

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            for terminal in terminals:  # it is gone
                os.dup2(os.open(os.devnull, os.O_WRONLY), terminal)
        if not wish.ask(number):
            raise Interrupted(number)
        with suppress(OSError):
            os.write(2, STOPPING.encode())  # the stream may be in the middle of a line

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # ignored for nohup, or in the background
            signal.signal(number, interrupt)


def main() -> None:
    """Run ``bench``; every fault a user can cause ends in one line and exit code 2."""
    try:
        wish = Wish()
        _listen(wish)
        with cli.make_context("bench", sys.argv[1:], obj=wish) as context:
            cli.invoke(context)
        code = DONE
    except click.exceptions.Exit as end:
        code = end.exit_code
    except Interrupted as end:
        for number in SIGNALS:  # another one would end this process by the signal, while Python clears up
            signal.signal(number, signal.SIG_IGN)
        code = _fail("interrupted; the same command continues from what is finished", end.code)
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
