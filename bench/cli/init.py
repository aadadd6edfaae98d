"""``bench init``: the two short files of a new benchmark, for own slices, an own network or an own condition."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import click

from bench.cli.console import say
from bench.cli.options import File, cache_option

OF_SLICES = ("name", "kind", "unit", "pixel_mm", "patient_from")
OF_CONDITION = ("views", "photons")


@click.command()
@click.argument("what", type=click.Choice(["slices", "network", "condition"]))
@click.argument("value", metavar="FOLDER|NAME")
@click.option("--into", type=File, default=Path(), metavar="DIR", help="Instead of the current folder.")
@click.option("--show", is_flag=True, help="Print the files instead of writing them.")
@click.option("--name", help="slices: of source and profile, instead of the folder's.")
@click.option("--kind", help="slices: npz, npy, flt, dicom or nifti; else what most files are.")
@click.option("--unit", type=click.Choice(["HU", "1/cm", "1/mm"]), help="slices: else by their values.")
@click.option(
    "--pixel-mm", type=click.FloatRange(0, min_open=True), help="slices: side of a pixel (npy, flt)."
)
@click.option("--patient-from", metavar="REGEX", help="slices: one group, the patient in a path.")
@click.option("--views", type=click.IntRange(min=1), help="condition: how many views are kept.")
@click.option("--photons", type=click.FloatRange(0, min_open=True), help="condition: photons per ray.")
@cache_option
def init(what: str, value: str, into: Path, show: bool, cache: Path, **given: object) -> None:
    """Write short files for your own slices, network or condition.

    bench init slices FOLDER: what lies there, split by patient. bench init
    network NAME: models/NAME.py beside UNet. bench init condition NAME: fewer
    views, fewer photons.

    They extend the packaged files and hold only what is new. Nothing is ever
    overwritten. Then the next two commands are printed.
    """
    _check_options(what, given)
    from bench.scaffold import condition, files, folder, network, slices

    if not show:
        files.require_new(into)  # before a large folder is read
    if what == "slices":
        place = Path(value)
        said = folder.Given(*(given[key] for key in OF_SLICES[1:]))  # type: ignore[arg-type]
        found = folder.look(place, said, index_cache=into / cache / "index.json")
        made = slices.of(place, found, into, given["name"])  # type: ignore[arg-type]
    elif what == "network":
        made = network.of(value)
    else:
        made = condition.of(value, given["views"], given["photons"])  # type: ignore[arg-type]
    if show:
        for name, text in made.files.items():
            say(f"# {name}\n{text}")
        return
    for path in made.write(into):
        made = replace(made, lines=(*made.lines, f"wrote {path}"))
    for line in made.lines:
        say(line)
    first = [] if into.resolve() == Path.cwd() else [f"cd {shlex.quote(str(into))}"]
    say("next:")
    for command in (*first, *made.commands):
        say(f"  {command}")


def _check_options(what: str, given: dict[str, object]) -> None:
    """Refuse an option that is for another kind of files."""
    known = {"slices": OF_SLICES, "condition": OF_CONDITION}.get(what, ())
    for key, value in given.items():
        if value is not None and key not in known:
            owner = "slices" if key in OF_SLICES else "condition"
            raise click.UsageError(f"--{key.replace('_', '-')} is for bench init {owner}")
