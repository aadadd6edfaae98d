"""``bench data``: the slices that the cells train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.cli.options import File, cache_option, datasets_option, inputs, threads_option
from bench.cli.speaking import request, say, show


@click.group()
def data() -> None:
    """Fetch, build or check the slices that the cells train on."""


@data.command("fetch")
@click.argument("source")
@click.option("--into", type=File, metavar="DIR", help="Instead of the path that datasets.yaml names.")
@datasets_option
@cache_option
def data_fetch(source: str, into: Path | None, datasets: Path | None, cache: Path) -> None:
    """Download the pinned series of a public collection; an interrupted fetch continues."""
    from bench import config, overview
    from bench.data import fetch

    asked = fetch.order(config.load(datasets), source, into)
    show(fetch.fetch(asked))
    say(overview.of_source(asked.catalogue(cache / "index.json"), asked.source))


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
