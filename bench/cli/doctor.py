"""``bench doctor``: what this machine offers a run, and one line of advice for each fault."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bench.cli.console import DONE, SOME_FAILED, leave, say
from bench.cli.options import cache_option, json_option, runs_option
from bench.cli.text import folded


@click.command()
@runs_option
@cache_option
@json_option
def doctor(runs: Path, cache: Path, as_json: bool) -> None:
    """Look at backend, GPUs, memory, disk, extras and variables.

    One line of advice for each fault; exit 1 where not even a smoke run is
    possible. The backend is started in a process of its own, for two minutes at
    most.
    """
    from bench.cli import documents
    from bench.execution import diagnosis

    findings = []
    for finding in (diagnosis.files(), *diagnosis.diagnose(cache, runs)):
        findings.append(finding)
        if not as_json:
            say(folded(f"{finding.topic}: {finding.words}"))
            if finding.advice:
                say(folded(f"{'fault' if finding.fatal else 'advice'}: {finding.advice}", "    ", first="  "))
    possible = not any(finding.fatal for finding in findings)
    if as_json:
        entries = [asdict(finding) for finding in findings]
        say(
            documents.text(
                {"schema": documents.SCHEMA, "kind": "doctor", "possible": possible, "findings": entries}
            )
        )
    else:
        say(
            "a smoke run is possible: bench run --all --profile smoke"
            if possible
            else "no run is possible yet"
        )
    leave(DONE if possible else SOME_FAILED)
