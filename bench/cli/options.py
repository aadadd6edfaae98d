"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

CACHE = ".bench-cache"
File = click.Path(path_type=Path)


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


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
threads_option = click.option(
    "--threads", type=click.IntRange(min=0), default=0, envvar="BENCH_THREADS", help="Per cell; 0: all cores."
)
inputs = _options(profile_option, _experiments, datasets_option, runs_option, cache_option)
