"""``bench list``: the entries of the files in use, as tables within the page and as a document."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from bench import cli
from tests import tiny

COLLECTION = "conditions:\n  half: {measured: true, label: half the dose}\n"


def listed(folder: Path, *arguments: str) -> str:
    command = ["list", *arguments, "--experiments", str(folder / "experiments.yaml")]
    return CliRunner().invoke(cli.cli, command, catch_exceptions=False).output


def test_the_tables_name_every_entry_and_fit_the_page(tmp_path: Path) -> None:
    folder = tiny.write(tmp_path, tiny.DATASETS.replace("conditions:\n", COLLECTION))
    text = listed(folder)
    assert tiny.widest(text) <= 80
    lines = [line.split(None, 1) for line in text.splitlines() if line]
    assert ["sparse", "30 views"] in lines
    assert ["noisy", "70,000 photons per ray"] in lines
    assert ["half", "half the dose: measured"] in lines
    assert ["unet", "unet: models.unet:build"] in lines
    assert ["tiny", "default (source phantom, 32 x 32)"] in lines
    assert listed(folder, "models").splitlines()[2:] == ["unet      unet: models.unet:build"]


def test_the_document_has_the_same_entries(tmp_path: Path) -> None:
    document = json.loads(listed(tiny.write(tmp_path), "--json"))
    assert (document["schema"], document["kind"]) == (1, "list")
    assert [entry["name"] for entry in document["profiles"]] == ["tiny", "long", "away", "folds", "cut"]
    assert list(json.loads(listed(tmp_path, "conditions", "--json"))) == ["schema", "kind", "conditions"]
