"""``bench export`` and ``bench publish``: a trained network as a file, and as a folder with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.console import say
from bench.cli.options import File, profile_option, runs_option

if TYPE_CHECKING:
    from bench.trained import Trained

code_option = click.option(
    "--code", type=File, help="Folder of an own network's experiments file, if it has moved."
)


@click.command()
@click.argument("cell")
@click.argument("file", type=File)
@profile_option
@runs_option
@code_option
def export(cell: str, file: Path, profile: str, runs: Path, code: Path | None) -> None:
    """Write a trained network as FILE.keras or FILE.onnx.

    CELL is a part of its id that no other has, MODEL:CONDITION, or the folder of a cell. The file is loaded in a fresh
    process and must give the images of the network on its test slices; else it is refused.
    """
    from bench.trained.export import export as write

    say(f"wrote {write(_trained(cell, profile, runs, code), file).words}")


@click.command()
@click.argument("cell")
@click.argument("folder", type=File)
@profile_option
@runs_option
@code_option
@click.option("--restricted", is_flag=True, help="The licence of restricted data lets weights be passed on.")
def publish(cell: str, folder: Path, profile: str, runs: Path, code: Path | None, restricted: bool) -> None:
    """Write weights and a model card into a new FOLDER.

    CELL is a part of its id that no other has, MODEL:CONDITION, or the folder of a cell. The card is made from the
    record: data with licence and citation, split, budget, scores with intervals, hashes.
    """
    from bench.trained.publish import CARD
    from bench.trained.publish import publish as write

    written = write(_trained(cell, profile, runs, code), folder, restricted=restricted)
    say(f"wrote {written.words}")
    say(f"wrote {folder / CARD}: read it before you pass it on")


def _trained(cell: str, profile: str, runs: Path, code: Path | None) -> Trained:
    """Return the network of the cell that is named so."""
    from bench.records.store import RunStore
    from bench.trained import load

    store = RunStore(runs / profile)
    folder = Path(cell) if (Path(cell) / "record.json").is_file() else store.cell(store.find(cell)).folder
    return load(folder, code=code)
