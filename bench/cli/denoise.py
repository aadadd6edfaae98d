"""``bench denoise``: a trained network on a person's own series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import words
from bench.cli.console import result, say
from bench.cli.options import File, profile_option, runs_option
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.records.store import CellStore


@click.command()
@click.option(
    "--cell", required=True, metavar="CELL", help="Whose network: a part of its id, or MODEL:CONDITION."
)
@profile_option
@runs_option
@click.argument("source", metavar="IN", type=File)
@click.argument("target", metavar="OUT", type=File)
def denoise(cell: str, profile: str, runs: Path, source: Path, target: Path) -> None:
    """Denoise a CT series by a trained network. Research only, not for diagnosis.

    IN is a folder or a file of one DICOM series, or a NIfTI (.nii, .nii.gz), .npy or .npz file in HU. OUT becomes the
    same kind and is never overwritten. A warning says where the series is unlike the slices that the network was
    trained on.
    """
    from bench import environment
    from bench.denoising import run as denoising
    from bench.denoising.images import Mark

    store = _cell(cell, runs / profile)
    denoising.opened(source, target)  # before the seconds that a network takes
    from bench import trained

    network = trained.load(store.folder)
    record = network.record
    mark = Mark(record.spec.model, record.id, environment.program())
    expected = record.inputs or denoising.kept(store)
    summary = result(denoising.run(source, target, network.denoise, mark, expected))
    say(f"{words.count(summary.slices, 'slice')} denoised by {record.id}: {target}")
    if summary.left_out:
        say(f"left out: {summary.left_out}")
    if not expected:
        say("not compared with the training slices: the cell keeps nothing of them")
    if summary.unlike:
        click.echo(f"bench: warning: unlike the training slices: {'; '.join(summary.unlike)}", err=True)
    say("research only, not for diagnosis")


def _cell(text: str, root: Path) -> CellStore:
    """Return the folder of the finished cell with a network that ``text`` names."""
    from bench.records.store import RunStore

    run = RunStore(root)
    store = run.cell(run.find(text))
    record = store.read_record()
    if record is None or record.status != "finished":
        why = "has not been run" if record is None else f"has not finished ({record.status})"
        remedy = f"bench status --profile {root.name} shows which have"
        raise BenchError(f"cell {store.folder.name} {why}", remedy=remedy)
    return store
