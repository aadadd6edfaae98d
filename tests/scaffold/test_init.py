"""``bench init`` as a command: an own network and an own condition that plan at once, and nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import cli
from bench.errors import BenchError
from bench.execution import resolve
from tests import tiny
from tests.scaffold.test_slices import scans


def init(folder: Path, *arguments: str) -> str:
    """Run ``bench init`` into ``folder`` and return what it prints."""
    command = ["init", *arguments, "--into", str(folder)]
    return CliRunner().invoke(cli.cli, command, catch_exceptions=False).output


def planned(folder: Path, profile: str) -> resolve.ResolvedRun:
    """Return what the files in ``folder`` plan, each from where it lies or from the packaged ones."""
    files = {
        name: path if (path := folder / f"{name}.yaml").exists() else None
        for name in ("datasets", "experiments")
    }
    return resolve.resolve(tiny.request(folder, profile, **files))


def test_a_network_is_planned_beside_unet_at_once(tmp_path: Path) -> None:
    said = init(tmp_path / "new", "network", "my-net")
    assert said.splitlines()[-4:] == [
        "next:",
        f"  cd {tmp_path / 'new'}",
        "  bench check-model my-net --profile my-net",
        "  bench run --all --profile my-net",
    ]
    assert sorted(path.name for path in (tmp_path / "new").rglob("*.*")) == ["experiments.yaml", "my_net.py"]
    plan = planned(tmp_path / "new", "my-net").plan
    assert [cell.spec.model for cell in plan.cells if cell.spec.training] == [
        "unet",
        "unet",
        "my-net",
        "my-net",
    ]
    seen = {cell.spec.training.slices_seen(64) for cell in plan.cells if cell.spec.training}
    assert len(seen) == 1  # both see as many slices


def test_a_condition_is_planned_on_the_phantom_at_once(tmp_path: Path) -> None:
    said = init(tmp_path / "new", "condition", "sparse-low")
    assert "condition sparse-low: 120 views and 50000 photons" in said
    (cell,) = (cell for cell in planned(tmp_path / "new", "sparse-low").plan.cells if cell.spec.training)
    assert (cell.spec.dataset.dose.views, cell.spec.dataset.dose.photons) == (120, 5e4)
    init(tmp_path / "views", "condition", "tenth", "--views", "72")
    (cell,) = (cell for cell in planned(tmp_path / "views", "tenth").plan.cells if cell.spec.training)
    assert (cell.spec.dataset.dose.views, cell.spec.dataset.dose.photons) == (72, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("network", "unet"),
            "the packaged files have a model 'unet' or a profile of that name; choose another",
        ),
        (("network", "input"), "have a model 'input'"),
        (("network", "My Net"), "'My Net' cannot be the name of a model; names have small letters"),
        (("condition", "ldct_1e5"), "have a condition 'ldct_1e5'"),
        (
            ("condition", "mine", "--views", "100"),
            "--views: 100 views do not divide the 720 of the scan; take 90",
        ),
    ],
)
def test_names_that_cannot_be_are_one_line_and_nothing_is_written(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(BenchError) as error:
        init(tmp_path, *arguments)
    assert words in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ("datasets.yaml", "experiments.yaml", "models/mine.py"))
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("kept")
    with pytest.raises(BenchError, match=r"is already there; nothing is overwritten: give --into NEW_FOLDER"):
        init(tmp_path, "network", "mine")
    assert [path.read_text() for path in tmp_path.rglob("*.*")] == ["kept"]
    assert "build: models.mine:build" in init(tmp_path, "network", "mine", "--show")
    assert [path.read_text() for path in tmp_path.rglob("*.*")] == ["kept"]


def test_an_option_of_another_kind_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.cli, ["init", "network", "mine", "--views", "30", "--into", str(tmp_path)])
    assert done.exit_code == 2 and "--views is for bench init condition" in done.output


def test_slices_end_with_the_next_two_commands(tmp_path: Path) -> None:
    said = init(tmp_path / "new", "slices", str(scans(tmp_path, "npz")), "--name", "scans").splitlines()
    assert said[-2:] == ["  bench data check --profile scans", "  bench run --all --profile scans"]
    assert f"wrote {tmp_path / 'new' / 'datasets.yaml'}" in said
