"""``bench list``: the profiles, models and conditions of the files in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.console import say
from bench.cli.options import datasets_option, experiments_option, json_option

if TYPE_CHECKING:
    from bench.config import load, schema

KINDS = ("profiles", "models", "conditions")
WIDTHS = (20, 58)  # of the columns of a table: within 80


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@experiments_option
@datasets_option
@json_option
def list_entries(kind: str | None, experiments: Path | None, datasets: Path | None, as_json: bool) -> None:
    """Show the profiles, models and conditions that there are.

    They are those of datasets.yaml and experiments.yaml in the current folder,
    else of the packaged files.
    """
    from tabulate import tabulate

    from bench.cli import documents
    from bench.config import load

    config = load.load(datasets, experiments)
    kinds: Sequence[str] = (kind,) if kind else KINDS
    entries = {one: _entries(config, one) for one in kinds}
    if as_json:
        named = {
            one: [{"name": name, "description": words} for name, words in rows]
            for one, rows in entries.items()
        }
        say(documents.text({"schema": documents.SCHEMA, "kind": "list", **named}))
        return
    tables = [
        tabulate(rows, (one, "description"), "simple", disable_numparse=True, maxcolwidths=list(WIDTHS))
        for one, rows in entries.items()
    ]
    say("\n\n".join(tables))


def _entries(config: load.Config, kind: str) -> list[tuple[str, str]]:
    """Return the names of a kind with a description each, in the order of the file."""
    known = config.experiments
    if kind == "profiles":
        return [
            (name, f"{one.description or one.experiment} (source {one.source}, {one.size} x {one.size})")
            for name, one in known.profiles.items()
        ]
    if kind == "models":
        return [(name, f"{one.label or name}: {one.build}") for name, one in known.models.items()]
    return [(name, _condition(one)) for name, one in config.datasets.conditions.items()]


def _condition(one: schema.Condition) -> str:
    """Return the label of a condition and what lowers the dose, where the label does not say it."""
    views = f"{one.views} views" if one.views else ""
    noise = one.noise_model.words("{:,g}".format) if one.noise or one.photons else ""
    facts = "measured" if one.measured else ", ".join(filter(None, (views, noise)))
    return f"{one.label}: {facts}" if one.label and facts and one.label != facts else one.label or facts
