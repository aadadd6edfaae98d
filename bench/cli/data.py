"""``bench data``: the slices that the cells train on."""

from __future__ import annotations

from typing import Any

import click

from bench.cli.options import inputs, threads_option
from bench.cli.speaking import request, say, show


@click.group()
def data() -> None:
    """Build or check the slices that the cells train on."""


@data.command("build")
@inputs
@threads_option
def data_build(**options: Any) -> None:
    """Build the pairs of a profile into the cache; an interrupted build continues."""
    from bench import runner

    prepared = runner.prepare(request(**options))
    show(runner.build(prepared))
    say(f"all pairs of profile {prepared.request.profile} are in {options['cache']}")


@data.command("check")
@inputs
def data_check(**options: Any) -> None:
    """Show which slices and patients a profile uses, part by part, and what was refused."""
    from bench import overview, runner

    say(overview.of_data(runner.prepare(request(**options))))
