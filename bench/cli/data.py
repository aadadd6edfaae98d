"""``bench data``: the slices that the cells train on."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.console import DONE, SOME_FAILED, leave, quietly, result, say, show
from bench.cli.options import (
    File,
    cache_option,
    datasets_option,
    inputs,
    json_option,
    reports_option,
    threads_option,
)

if TYPE_CHECKING:
    from bench.data.pairs.degraded import Kind
    from bench.execution.resolve import Request


@click.group()
def data() -> None:
    """Fetch, build, check or audit the slices."""


@data.command("fetch")
@click.argument("source")
@click.option("--into", type=File, metavar="DIR", help="Instead of the path that datasets.yaml names.")
@datasets_option
@cache_option
def data_fetch(source: str, into: Path | None, datasets: Path | None, cache: Path) -> None:
    """Download the pinned series of a public collection.

    An interrupted fetch continues.
    """
    from bench.cli import data_overview
    from bench.config import load
    from bench.data import fetch

    order = fetch.order(load.load(datasets), source, into)
    show(fetch.fetch(order))
    say(data_overview.of_source(order.catalogue(cache / "index.json"), order.source))


def _on_threads(request: Request, threads: int) -> Request:
    """Return a request for pairs or a leak audit on so many threads; 0: all cores."""
    from bench.execution.machine import Machine

    return replace(request, threads=threads, machine=Machine(workers=1))


@data.command("build")
@inputs
@threads_option
def data_build(request: Request, threads: int) -> None:
    """Build the pairs of a profile into the cache.

    An interrupted build continues.
    """
    from bench.execution import runner
    from bench.execution.resolve import resolve

    show(runner.build(resolve(_on_threads(request, threads), timed=False)))
    say(f"all pairs of profile {request.profile} are in {request.cache}")


@data.command("export")
@inputs
@threads_option
@click.option("--into", type=File, required=True, metavar="DIR", help="A folder that is not there yet.")
@click.option("--layout", type=click.Choice(["study"]), default="study", show_default=True)
@click.option(
    "--degraded-only", is_flag=True, help="Test slices without references, for a program to be submitted."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["npy", "mat"]),
    default="npy",
    show_default=True,
    help="Of the files of --degraded-only.",
)
@click.option("--fold", type=int, help="Which fold of a split with several, from 1.")
def data_export(
    request: Request, into: Path, layout: str, degraded_only: bool, kind: Kind, fold: int | None, threads: int
) -> None:
    """Write the pairs of a profile in the layout of the study.

    With --degraded-only the degraded test slices, in HU, for another program whose outputs bench submit scores.
    """
    from bench.data.pairs import degraded, export
    from bench.execution import runner
    from bench.execution.resolve import resolve

    resolved = resolve(_on_threads(request, threads), timed=False)
    if degraded_only:
        if fold is not None:
            raise click.UsageError(
                "--fold is not for --degraded-only: the test slices of all folds are written"
            )
        plan, files = resolved.plan, resolved.files
        slices = degraded.DegradedExport(
            request.profile, plan.source, resolved.folds, files, resolved.profile.size, kind
        )
        degraded.refuse_used(into)
        show(runner.build(resolved))
        show(degraded.write(slices, into))
        return
    exported = export.Export(
        profile=request.profile,
        source=resolved.reader,
        selection=export.one_fold(resolved.folds, fold),
        files=resolved.files,
        acquisition=resolved.acquisition,
    )
    export.check(exported, into)
    show(runner.build(resolved))
    show(export.study(exported, into))


@data.command("check")
@inputs
@threads_option
@click.option(
    "--no-leaks", is_flag=True, help="Do not look for copies and neighbours of slices across parts."
)
@json_option
def data_check(request: Request, no_leaks: bool, threads: int, as_json: bool) -> None:
    """Show the slices and patients of a profile, and leaks.

    What was refused is listed, too.

    Exit 1 where slices of one patient, or copies, are in two parts of a split that is not declared as leaky.
    """
    from bench.cli import data_overview, documents
    from bench.execution.resolve import resolve

    resolved, verdict = resolve(_on_threads(request, threads), timed=False), None
    if not as_json:
        say(data_overview.of_data(resolved))
    if not no_leaks:
        from bench.execution import leak_gate

        began = time.monotonic()
        audit = leak_gate.audit(resolved)
        verdict = quietly(audit) if as_json else result(audit)
        if not as_json:
            say("\n" + data_overview.of_leaks(verdict, resolved, time.monotonic() - began))
    if as_json:
        say(documents.text(documents.of_data(resolved, verdict)))
    leave(SOME_FAILED if verdict is not None and verdict.count and not resolved.folds.leaky else DONE)


@data.command("audit")
@inputs
@reports_option
def data_audit(request: Request, reports: Path) -> None:
    """Hold the simulator of a profile against closed forms.

    Exit 1 where one is missed.

    No slice is read, so the source need not be there. Writes audit.html with the verdicts and four pictures.
    """
    from bench import compiled
    from bench.audit import lines, page, suite
    from bench.audit.simulator import Setup
    from bench.config import load
    from bench.plan.acquisition import Acquisition

    config = load.load(request.datasets, request.experiments)
    profile = load.profile(config, request.profile)
    if not config.datasets.sources[profile.source].simulated:
        say(f"source {profile.source} holds stored pairs: nothing is simulated, so there is nothing to audit")
        leave(DONE)
    setup = Setup.of(Acquisition.of_profile(config, profile))
    say(lines.head(request.profile, setup))
    checks = []
    for check in suite.run(setup):
        checks.append(check)
        say(lines.row(check))
    say(f"\nwrote {page.write(reports / request.profile, request.profile, profile.size, setup, checks)}")
    say(lines.foot(checks))
    if slow := compiled.remark():
        say(slow)
    leave(DONE if all(check.passed for check in checks) else SOME_FAILED)


@data.command("split")
@inputs
@click.option("--into", type=File, help="Write it to this file instead of showing it.")
def data_split(request: Request, into: Path | None) -> None:
    """Show the split of a profile as CSV.

    The file can be given back to a split with rule: list.
    """
    from bench import atomic
    from bench.execution.resolve import resolve

    folds = resolve(request, timed=False).folds
    if into is None:
        say(folds.text.removesuffix("\n"))
    else:
        atomic.write_text(into, folds.text)
        say(f"wrote {into}, SHA-256 {folds.sha256}")
