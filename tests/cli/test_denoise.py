"""``bench denoise`` from the command line, with a small network that has run in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner, Result

from bench.cli import cli
from bench.errors import BenchError
from bench.records.store import RunStore
from tests import tiny
from tests.dicoms import write_ct


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the cells of one condition, the input and a small network, have run."""
    return tiny.trained(tmp_path_factory.mktemp("trained"), ("unet:noisy", "input:noisy"))


def denoise(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli,
        ["denoise", "--profile", "tiny", "--runs", str(folder / "runs"), *arguments],
        catch_exceptions=True,
    )


@pytest.mark.integration
def test_a_series_from_end_to_end(trained: Path, tmp_path: Path) -> None:
    """Two slices of an odd size; far from what the phantom was like, so that it is warned of, in both places."""
    rng = np.random.default_rng(0)
    for number in (1, 2):
        stored = rng.integers(900, 1200, (50, 47)).astype(np.int16)
        write_ct(
            tmp_path / "in" / f"{number}.dcm", stored, number=number, z=number, SeriesDescription="Chest"
        )
    ended = denoise(trained, "--cell", "unet:noisy", str(tmp_path / "in"), str(tmp_path / "out"))
    assert ended.exit_code == 0, ended.output
    assert "2 slices denoised by unet-noisy" in ended.stdout and "research only" in ended.stdout
    warning = "warning: unlike the training slices: "
    assert warning not in ended.stdout and ended.stderr.count(warning) == 1
    now = pydicom.dcmread(tmp_path / "out" / "1.dcm")
    assert now.pixel_array.shape == (50, 47) and now.SeriesDescription == "Chest, denoised, research only"
    again = denoise(trained, "--cell", "unet:noisy", str(tmp_path / "in"), str(tmp_path / "out"))
    assert isinstance(again.exception, BenchError) and "never overwritten" in str(again.exception)


def test_a_record_says_what_its_training_slices_were_like(trained: Path) -> None:
    run = RunStore(trained / "runs" / "tiny")
    records = {name: run.cell(run.find(f"{name}:noisy")).read_record() for name in ("unet", "input")}
    assert records["unet"] is not None and records["input"] is not None
    low, usual, high = records["unet"].inputs["pixel_mm"]
    assert 0 < low <= usual <= high
    assert records["input"].inputs == {}


@pytest.mark.parametrize(
    ("cell", "words"), [("nothing", "no cell 'nothing'"), ("input:noisy", "the untreated input has no network"),
                        ("unet:sparse", "has not been run; bench status --profile tiny shows")],
)  # fmt: skip
def test_cells_that_cannot_denoise(trained: Path, tmp_path: Path, cell: str, words: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 4), np.int16))
    ended = denoise(trained, "--cell", cell, str(tmp_path / "a.npy"), str(tmp_path / "b.npy"))
    assert isinstance(ended.exception, BenchError) and words in str(ended.exception)
    assert not (tmp_path / "b.npy").exists()
