"""The commands: the only place that prints, colours, asks the clock for display, or exits."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import click

from bench.errors import BenchError

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
CACHE = ".bench-cache"
File = click.Path(path_type=Path)


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_profile = click.option("--profile", default="paper", show_default=True, help="Profile in experiments.yaml.")
_experiments = click.option(
    "--experiments", type=File, help="Instead of experiments.yaml in the current folder."
)
_datasets = click.option("--datasets", type=File, help="Instead of datasets.yaml in the current folder.")
_runs = click.option("--runs", type=File, default=Path("runs"), show_default=True, help="Where records go.")
_cache = click.option(
    "--cache",
    type=File,
    default=Path(CACHE),
    show_default=True,
    envvar="BENCH_CACHE",
    help="Where built pairs go.",
)
_reports = click.option(
    "--reports", type=File, default=Path("reports"), show_default=True, help="Where tables go."
)
_threads = click.option(
    "--threads", type=click.IntRange(min=0), default=0, envvar="BENCH_THREADS", help="Per cell; 0: all cores."
)
_inputs = _options(_profile, _experiments, _datasets, _runs, _cache)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(package_name="ldct-denoising-benchmark", prog_name="bench")
def cli() -> None:
    """Train low-dose CT denoising networks on one table of conditions, and score them alike.

    Start with: bench run --all --profile smoke
    """


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Every cell of the profile.")
@click.option("--only", multiple=True, metavar="MODEL:CONDITION", help="These cells only; may be repeated.")
@_inputs
@_reports
@_threads
@click.option("--force", is_flag=True, help="Run the cells anew, also those that have ended.")
@click.option("--retry-failed", is_flag=True, help="Try failed and diverged cells once more.")
@click.argument("more", nargs=-1, metavar="[MODEL:CONDITION ...]")
def run(everything: bool, only: tuple[str, ...], more: tuple[str, ...], **options: Any) -> None:
    """Train and score what has not ended yet, then write the tables.

    Stop it with Ctrl-C at any time: the same command continues from the last finished epoch.
    """
    cells = (*only, *more)
    if everything == bool(cells) or (more and not only):
        raise click.UsageError("give --all, or --only MODEL:CONDITION (several may follow)")
    from bench import runner

    _exit(SOME_FAILED if _show(runner.run(_request(only=cells, **options))) else DONE)


@cli.command()
@_inputs
def plan(**options: Any) -> None:
    """Show the cells of a profile, their budget, and which have ended. Nothing is trained."""
    from bench import overview, runner

    _say(overview.of_plan(runner.prepare(_request(**options))))


@cli.command()
@_profile
@_runs
def status(profile: str, runs: Path) -> None:
    """Show how far the last run of a profile is."""
    from bench import overview
    from bench.store import RunStore

    _say(overview.of_run(RunStore(runs / profile)))


@cli.command()
@_profile
@_runs
@_reports
def report(profile: str, runs: Path, reports: Path) -> None:
    """Write the tables again from the records: results.md, .html, .csv and .tex."""
    from bench import report as tables
    from bench.store import RunStore

    for path in tables.write(RunStore(runs / profile), reports / profile):
        _say(f"wrote {path}")


@cli.group()
def data() -> None:
    """Build or check the slices that the cells train on."""


@data.command("build")
@_inputs
@_threads
def data_build(**options: Any) -> None:
    """Build the pairs of a profile into the cache; an interrupted build continues."""
    from bench import runner

    prepared = runner.prepare(_request(**options))
    _show(runner.build(prepared))
    _say(f"all pairs of profile {prepared.request.profile} are in {options['cache']}")


@data.command("check")
@_inputs
def data_check(**options: Any) -> None:
    """Show which slices and patients a profile uses, part by part, and what was refused."""
    from bench import overview, runner

    _say(overview.of_data(runner.prepare(_request(**options))))


@cli.command()
@click.option("--profile", default="smoke", show_default=True, help="Profile in experiments.yaml.")
@_runs
@click.option("--golden", type=File, help="Instead of the golden file of this program.")
def verify(profile: str, runs: Path, golden: Path | None) -> None:
    """Compare the records of the smoke run with the golden ones; exit 1 where they differ."""
    from bench import config
    from bench import verify as golden_runs
    from bench.store import RunStore

    wanted = golden_runs.read(golden or config.packaged("tests/golden/smoke.json"))
    store = RunStore(runs / profile)
    differences = golden_runs.compare(wanted, store.read_all(store.read_plan()))
    for difference in differences:
        _say(f"red: {difference}")
    cells = len(wanted["cells"])
    _say(
        f"{len(differences)} values are not reproduced" if differences else f"green: {cells} cells reproduced"
    )
    _exit(SOME_FAILED if differences else DONE)


def _request(**options: Any) -> Any:
    from bench.runner import Request

    return Request(**{"reports": Path("reports"), **options})


def _show(events: Generator[Any, None, None]) -> int:
    """Show every event and return how many cells did not finish; the events end with this call, however it ends."""
    from bench.display import Bars, Lines
    from bench.events import RunEnded

    bad = 0
    with Bars() if sys.stdout.isatty() else Lines(_say) as display, closing(events):
        for event in events:
            display.show(event)
            if isinstance(event, RunEnded):
                bad += event.bad
    return bad


def _say(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError:
        _mute()


def _mute() -> None:
    """Write to nobody from here on: who read our output has gone, and a training goes on without."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit(code: int) -> None:
    raise click.exceptions.Exit(code)


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
        code = _fail("interrupted; the same command continues from the last finished epoch", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BenchError as error:
        code = _fail(str(error), BAD_INPUT)
    except BrokenPipeError:  # while click printed a help
        _mute()
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
