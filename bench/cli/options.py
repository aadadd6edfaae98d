"""The options that several commands share; those that say what is planned reach a command as one ``Request``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate

import click

if TYPE_CHECKING:
    from click.decorators import FC

    from bench.execution.resolve import Request

CACHE = ".bench-cache"
File = click.Path(path_type=Path)


profile_option = click.option(
    "--profile", default="paper", show_default=True, help="Profile in experiments.yaml."
)
_experiments = click.option(
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


def _share(option: str, help: str) -> Callable[[FC], FC]:
    variable = f"BENCH_{option.upper()}"
    return click.option(f"--{option}", type=click.IntRange(min=0), default=0, envvar=variable, help=help)


threads_option = _share("threads", "0: all cores.")
cell_threads_option = _share(
    "threads", "Per cell; 0: by the size of its slices, 1 below 256 pixels, 2 below 512, else 4."
)
workers_option = _share("workers", "Cells at once; 0: one on a GPU, else as many as cores and memory carry.")


def machine(command: Callable[Concatenate[Request, ...], None]) -> Callable[Concatenate[Request, ...], None]:
    """Give a command the options that say where cells run and how many at once, as part of its request."""

    @cell_threads_option
    @workers_option
    @click.option("--executor", default="local", show_default=True, help="What runs the cells.")
    @functools.wraps(command)
    def on_machine(request: Request, threads: int, workers: int, executor: str, **options: Any) -> None:
        command(replace(request, threads=threads, workers=workers, executor=executor), **options)

    return on_machine


def inputs(command: Callable[Concatenate[Request, ...], None]) -> Callable[..., None]:
    """Give a command the options that say what is planned, and call it with them as one ``Request``."""

    @profile_option
    @_experiments
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
