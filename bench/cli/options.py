"""The options that several commands share; those that say what is planned reach a command as one ``Request``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate

import click

from bench import words
from bench.cli.console import QUIET, VERBOSE
from bench.data.pairs import CACHE
from bench.execution.machine import AUTO, GPU_FREE, STALL_LIMIT, Machine

if TYPE_CHECKING:
    from click.decorators import FC

    from bench.execution.resolve import Request

File = click.Path(path_type=Path)
Command = Callable[Concatenate["Request", ...], None]


profile_option = click.option(
    "--profile", default="paper", show_default=True, help="Profile in experiments.yaml."
)
experiments_option = click.option(
    "--experiments",
    type=File,
    help="Instead of experiments.yaml in the current folder; datasets.yaml beside it.",
)
datasets_option = click.option(
    "--datasets",
    type=File,
    help="Instead of datasets.yaml in the current folder; experiments.yaml beside it.",
)
runs_option = click.option(
    "--runs", type=File, default=Path("runs"), show_default=True, help="Where records go."
)
cache_option = click.option(
    "--cache",
    type=File,
    default=Path(CACHE),
    show_default=True,
    envvar="BENCH_CACHE",
    help="Where built pairs go.",
)
reports_option = click.option(
    "--reports", type=File, default=Path("reports"), show_default=True, help="Where tables go."
)


def _threads(help: str) -> Callable[[FC], FC]:
    return click.option("--threads", type=click.IntRange(min=0), default=0, envvar="BENCH_THREADS", help=help)


threads_option = _threads("0: all cores.")
cell_threads_option = _threads(
    "Per cell; 0: by the size of its slices, 1 below 256 pixels, 2 below 512, else 4."
)


class _Slots(click.ParamType):  # type: ignore[type-arg]
    """A number of at least 1, or ``auto``."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, ``AUTO`` for ``auto``."""
        if value == "auto":
            return AUTO
        return click.IntRange(min=1).convert(value, param, ctx)


_PLACES = (
    click.option("--workers", type=click.IntRange(min=0), default=0, envvar="BENCH_WORKERS",
                 help="Cells at once in all; 0: one on a GPU, else as many as cores and memory carry."),
    click.option("--gpus", metavar="LIST", envvar="BENCH_GPUS",
                 help="Of the visible ones, by number or UUID: 0,2; none: the CPU."),
    click.option("--slots-per-gpu", type=_Slots(), default=1, show_default=True, envvar="BENCH_SLOTS_PER_GPU",
                 help="Cells at once on each; auto: as many as it gains from."),
    click.option("--gpu-free", type=click.FloatRange(0, 1), default=GPU_FREE, show_default=True, metavar="SHARE",
                 help="Wait for a GPU with so much of its memory free."),
    click.option("--no-wait", is_flag=True, help="Take the least used GPU instead of waiting."),
)  # fmt: skip
_LIMITS = (
    click.option("--stall-limit", type=click.FloatRange(min=0), default=STALL_LIMIT, show_default=True,
                 metavar="MINUTES", help="End a cell that makes no progress for so long; 0: never."),
    click.option("--cell-limit", type=click.FloatRange(min=0), default=0.0, metavar="HOURS",
                 help="End a cell after so long; 0: never."),
)  # fmt: skip


def machine(command: Command) -> Command:
    """Give a command the options that say where cells run, how many at once and how long, as part of its request."""
    return _on_machine(command, (*_PLACES, *_LIMITS))


def places(command: Command) -> Command:
    """Give a command the options that say where cells run and how many at once, as part of its request."""
    return _on_machine(command, _PLACES)


def _on_machine(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    @cell_threads_option
    @functools.wraps(command)
    def on_machine(request: Request, threads: int, no_wait: bool, **others: Any) -> None:
        own = {field.name: others.pop(field.name) for field in fields(Machine) if field.name in others}
        command(replace(request, threads=threads, machine=Machine(**own, wait=not no_wait)), **others)

    decorated: Command = on_machine
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def executor(command: Command) -> Command:
    """Give a command the options that name what runs its cells; ``machine``, above it, takes those for an engine."""

    @click.option(
        "--executor", default="local", show_default=True, help="What runs the cells: local, ray, slurm."
    )
    @click.option(
        "--address", default="", envvar="RAY_ADDRESS", help="Of a Ray cluster; else one is started here."
    )
    @click.option("--slurm", multiple=True, metavar="KEY=VALUE", help="For sbatch; may be repeated.")
    @functools.wraps(command)
    def by_executor(request: Request, executor: str, **options: Any) -> None:
        if request.machine.slurm and executor != "slurm":
            raise click.UsageError("--slurm is for --executor slurm")
        command(replace(request, executor=executor), **options)

    return by_executor


class _Time(click.ParamType):  # type: ignore[type-arg]
    """A length of time: 10h, 90m or 2d."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, once it is known to be a time."""
        try:
            words.span(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def budget(command: Command) -> Command:
    """Give a command the option of a time that all cells of a run may take, as part of its request."""

    @click.option(
        "--budget", type=_Time(), help="Time of the whole run (10h, 90m, 2d): slices seen follow from it."
    )
    @functools.wraps(command)
    def within(request: Request, budget: str | None, **options: Any) -> None:
        command(replace(request, budget=budget), **options)

    decorated: Command = within
    return decorated


mask_option = click.option(
    "--mask-patients",
    is_flag=True,
    envvar="BENCH_MASK_PATIENTS",
    help="Patients and slices by numbers in all files of the report.",
)
open_option = click.option(
    "--open", "open_page", is_flag=True, help="Open the page in the browser at the end."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document instead (docs/json.md)."
)


def inputs(command: Command) -> Callable[..., None]:
    """Give a command the options that say what is planned, and call it with them as one ``Request``."""

    @profile_option
    @experiments_option
    @datasets_option
    @runs_option
    @cache_option
    @functools.wraps(command)
    def with_request(
        profile: str, experiments: Path | None, datasets: Path | None, runs: Path, cache: Path, **options: Any
    ) -> None:
        from bench.execution.resolve import Request  # late: a help needs nothing of it

        request = Request(profile=profile, datasets=datasets, experiments=experiments, runs=runs, cache=cache)
        command(request, **options)

    return with_request


def verbosity(command: Callable[..., Any]) -> Callable[..., None]:
    """Give a command ``-q``: nothing but failures and the end of it; and ``-v``: the log of what failed, too."""

    @click.option("-q", "--quiet", is_flag=True, help="Only failures and the table at the end.")
    @click.option(
        "-v", "--verbose", is_flag=True, help="The last lines of the log of a cell that failed, too."
    )
    @functools.wraps(command)
    def said(*args: Any, quiet: bool, verbose: bool, **options: Any) -> None:
        click.get_current_context().meta.update({QUIET: quiet, VERBOSE: verbose})
        command(*args, **options)

    return said
