"""``bench data``: the slices that the cells train on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from bench.cli.console import DONE, SOME_FAILED, leave, request, result, say, show
from bench.cli.options import File, cache_option, datasets_option, inputs, reports_option, threads_option


@click.group()
def data() -> None:
    """Fetch, build, check or audit the slices that the cells train on."""


@data.command("fetch")
@click.argument("source")
@click.option("--into", type=File, metavar="DIR", help="Instead of the path that datasets.yaml names.")
@datasets_option
@cache_option
def data_fetch(source: str, into: Path | None, datasets: Path | None, cache: Path) -> None:
    """Download the pinned series of a public collection; an interrupted fetch continues."""
    from bench.cli import overview
    from bench.config import load as config
    from bench.data import fetch

    asked = fetch.order(config.load(datasets), source, into)
    show(fetch.fetch(asked))
    say(overview.of_source(asked.catalogue(cache / "index.json"), asked.source))


@data.command("build")
@inputs
@threads_option
def data_build(**options: Any) -> None:
    """Build the pairs of a profile into the cache; an interrupted build continues."""
    from bench.execution import resolve as preparing
    from bench.execution import runner

    prepared = preparing.prepare(request(**options))
    show(runner.build(prepared))
    say(f"all pairs of profile {prepared.request.profile} are in {options['cache']}")


@data.command("export")
@inputs
@threads_option
@click.option("--into", type=File, required=True, metavar="DIR", help="A folder that is not there yet.")
@click.option("--layout", type=click.Choice(["study"]), default="study", show_default=True)
@click.option("--fold", type=int, help="Which fold of a split with several, from 1.")
def data_export(into: Path, layout: str, fold: int | None, **options: Any) -> None:
    """Write the pairs of a profile as files in the published study's layout."""
    from bench.data.pairs import export
    from bench.execution import resolve as preparing
    from bench.execution import runner

    prepared = preparing.prepare(request(**options))
    asked = export.Export(
        profile=prepared.request.profile,
        source=prepared.source,
        selection=export.one_fold(prepared.folds, fold),
        files=prepared.files,
        acquisition=prepared.acquisition,
    )
    export.check(asked, into)
    show(runner.build(prepared))
    show(export.study(asked, into))


@data.command("check")
@inputs
@threads_option
@click.option(
    "--no-leaks", is_flag=True, help="Do not look for copies and neighbours of slices across parts."
)
def data_check(no_leaks: bool, **options: Any) -> None:
    """Show which slices and patients a profile uses, what was refused, and what leaks.

    Exit 1 where slices of one patient, or copies, are in two parts of a split that is not declared as leaky.
    """
    from bench.cli import overview
    from bench.execution import resolve as preparing

    prepared = preparing.prepare(request(**options))
    say(overview.of_data(prepared))
    if no_leaks:
        return
    from bench.execution import leak_gate

    began = time.monotonic()
    verdict = result(leak_gate.audit(prepared))
    say("\n" + overview.of_leaks(verdict, prepared, time.monotonic() - began))
    leave(SOME_FAILED if verdict.count and not prepared.folds.leaky else DONE)


@data.command("audit")
@inputs
@reports_option
def data_audit(**options: Any) -> None:
    """Hold the simulator of a profile against closed forms; exit 1 where one is missed.

    No slice is read, so the source need not be there. Writes audit.html with the verdicts and four pictures.
    """
    from bench import compiled
    from bench.audit import lines, page, suite
    from bench.audit.simulator import Setup
    from bench.config import load as config
    from bench.config.schema import PairsSource
    from bench.plan.acquisition import Acquisition

    wanted = request(**options)
    settings = config.load(wanted.datasets, wanted.experiments)
    profile = config.profile(settings, wanted.profile)
    if isinstance(settings.datasets.sources[profile.source], PairsSource):
        say(f"source {profile.source} holds stored pairs: nothing is simulated, so there is nothing to audit")
        leave(DONE)
    setup = Setup.of(Acquisition.of_profile(settings, profile))
    say(lines.head(wanted.profile, setup))
    checks = []
    for check in suite.run(setup):
        checks.append(check)
        say(lines.row(check))
    say(f"\nwrote {page.write(wanted.reports / wanted.profile, wanted.profile, profile.size, setup, checks)}")
    say(lines.foot(checks))
    if slow := compiled.remark():
        say(slow)
    leave(DONE if all(check.passed for check in checks) else SOME_FAILED)


@data.command("split")
@inputs
@click.option("--into", type=File, help="Write it to this file instead of showing it.")
def data_split(into: Path | None, **options: Any) -> None:
    """Show the split of a profile as CSV: part, fold, patient and slice.

    The file can be given back to a split with rule: list.
    """
    from bench import atomic
    from bench.execution import resolve as preparing

    folds = preparing.prepare(request(**options)).folds
    if into is None:
        say(folds.text.removesuffix("\n"))
    else:
        atomic.write_text(into, folds.text)
        say(f"wrote {into}, SHA-256 {folds.sha256}")
