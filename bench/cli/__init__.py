"""The commands: the only place that prints, colours, asks the clock for display, or exits."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from bench.cli.check_model import check_model
from bench.cli.claim import claim
from bench.cli.compare import compare
from bench.cli.console import (
    BAD_INPUT,
    DONE,
    Interrupted,
    mute,
    say,
)
from bench.cli.data import data
from bench.cli.denoise import denoise
from bench.cli.doctor import doctor
from bench.cli.explain import explain
from bench.cli.export import export, publish
from bench.cli.init import init
from bench.cli.listing import list_entries
from bench.cli.naming import profile_word
from bench.cli.options import (
    File,
    budget,
    inputs,
    json_option,
    mask_option,
    open_option,
    places,
    profile_option,
    reports_option,
    runs_option,
)
from bench.cli.replay import replay
from bench.cli.run import run, score
from bench.cli.speed import speed
from bench.cli.submit import submit
from bench.cli.translate import translate
from bench.cli.verify import verify
from bench.errors import BenchError
from bench.execution.stopping import Wish

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPING = "stopping: the cells at work save their state; press Ctrl-C again to stop at once\n"

if TYPE_CHECKING:
    from bench.execution.resolve import Request

WATCH_S = 10.0
COMPLETION = "_BENCH_COMPLETE"  # in the environment: a shell asks what may follow
WIDTH = 80


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(package_name="ldct-denoising-benchmark", prog_name="bench")
def cli() -> None:
    """Train low-dose CT denoising networks on one table of conditions, and score them alike.

    Start with: bench run --all --profile smoke
    """


@cli.command()
@profile_word
@inputs
@places
@budget
@json_option
def plan(request: Request, as_json: bool) -> None:
    """Show what each cell of a profile will do.

    With disk, memory, time and the end; nothing is trained.
    """
    from bench.cli import documents, overview
    from bench.execution.resolve import resolve

    resolved = resolve(request)
    say(documents.text(documents.of_plan(resolved)) if as_json else overview.of_plan(resolved))


@cli.command()
@profile_word
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
    """Show how far the last run of a profile is.

    And how its forecast holds.
    """
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
    """Print the log of a cell.

    Its epochs, what the libraries said, why it failed.

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
@profile_word
@profile_option
@runs_option
@reports_option
@mask_option
@open_option
@json_option
def report(
    profile: str, runs: Path, reports: Path, mask_patients: bool, open_page: bool, as_json: bool
) -> None:
    """Write the tables again, from the records alone."""
    from bench.cli import closing
    from bench.records.store import RunStore
    from bench.report import publish

    store = RunStore(runs / profile)
    made = publish(store, reports / profile, mask_patients)
    if as_json:
        from bench.cli import documents  # late: what it tells of other commands is much to import

        say(documents.text(documents.of_report(store, made)))
        return
    for path in made.paths:
        say(f"wrote {path}")
    closing.show(made.scores, made.page, open_page)


@cli.command()
@click.argument("folders", nargs=-1, required=True, type=File, metavar="RUNS_A RUNS_B [...]")
@click.option("--into", type=File, metavar="RUNS", help="Instead of the first.")
@profile_option
def merge(folders: tuple[Path, ...], into: Path | None, profile: str) -> None:
    """Copy ended cells of several folders into the first.

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


for command in (
    check_model,
    claim,
    compare,
    data,
    denoise,
    doctor,
    explain,
    export,
    init,
    list_entries,
    publish,
    replay,
    run,
    score,
    speed,
    submit,
    translate,
    verify,
):
    cli.add_command(command)


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
    if COMPLETION in os.environ:
        cli(prog_name="bench", complete_var=COMPLETION)
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
        whole = f"bench: {line}"
        if sys.stderr.isatty():  # where a person reads; a program gets each fault as one line
            whole = textwrap.fill(whole, WIDTH, break_long_words=False, break_on_hyphens=False)
        click.secho(whole, err=True, fg="red" if code == BAD_INPUT else None)
    return code
