"""``bench data audit``: a table within 80 columns, a page that asks no server, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.audit import lines as listing
from bench.audit import page, pictures, suite
from bench.audit.check import Check, at_most, between, within
from bench.audit.simulator import Setup
from bench.cli import cli
from bench.ct.conditions import Condition
from bench.ct.geometry import ParallelBeam
from bench.ct.noise import Quanta
from tests import tiny


def audit(folder: Path, profile: str) -> Result:
    """Run ``bench data audit`` in ``folder``, in this process: ``tests/test_imports.py`` starts one of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(cli, ["data", "audit", "--profile", profile])


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder in which a profile whose slices are not there was audited, and what was printed."""
    folder = tiny.write(tmp_path_factory.mktemp("audit"))
    return folder, audit(folder, "away")


@pytest.fixture
def without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without the two pictures that draw noise for seconds; ``audited`` has them."""
    for name in ("noise_against_dose", "noise_spectrum"):
        monkeypatch.setattr(pictures, name, lambda *_: "")


def test_audit_needs_no_source_and_passes(audited: tuple[Path, Result]) -> None:
    folder, done = audited
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    count = sum(line.endswith("  passed") for line in lines)
    assert lines[-1] == f"all {count} checks passed" and count >= 25
    assert "wrote reports/away/audit.html" in lines
    assert lines[1:3] == [
        "scan: parallel beam, 90 views (45 directions) over 360 degrees",
        "  sparse: 30 views (15 directions)",
    ]
    assert {"noise.level[noisy]", "spokes[sparse]"} <= {line.split()[0] for line in lines if line}
    assert not (folder / ".bench-cache").exists() and not (folder / "runs").exists()


def test_page_holds_verdicts_and_four_pictures_and_asks_no_server(audited: tuple[Path, Result]) -> None:
    folder, done = audited
    page = (folder / "reports" / "away" / "audit.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 4 and page.count("<svg") == 3 and page.count("data:image/png") == 1
    assert done.stdout.splitlines()[-1] in page
    assert "parallel beam, 90 views (45 directions) over 360 degrees, " in page
    assert "sparse: 30 views (15 directions)" in page and "<dt>remark</dt>" not in page
    assert page.count('<th scope="row">') == done.stdout.count("  passed")
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page


def test_stored_pairs_have_nothing_to_audit(tmp_path: Path) -> None:
    source = "  away: {kind: pairs, layout: study, path: nowhere}"
    text = re.sub(r"  away: .*", source, tiny.DATASETS) + "  folders: {rule: folders, validation: 0.1}\n"
    experiments = tiny.EXPERIMENTS.replace("source: away, split: phantom", "source: away, split: folders")
    folder = tiny.write(tmp_path, text, experiments)
    done = audit(folder, "away")
    assert (done.exit_code, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert "nothing to audit" in done.stdout


@pytest.mark.usefixtures("without_noise")
def test_failed_checks_are_explained_and_exit_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    red = within("water.mean", 10.0, 3.0, "HU", "mean of a water disc against 0 HU")
    monkeypatch.setattr(suite, "run", lambda setup: iter([red, at_most("a.b", 0.0, 1.0, "1", "x")]))
    done = audit(tiny.write(tmp_path), "tiny")
    assert done.exit_code == 1
    assert done.output.splitlines()[-2:] == [
        "water.mean: mean of a water disc against 0 HU",
        "1 of 2 checks failed",
    ]
    assert "1 of 2 checks failed" in (tmp_path / "reports" / "tiny" / "audit.html").read_text()


@pytest.mark.parametrize(
    ("check", "bound", "passed"),
    [
        (within("a", -3.0, 3.0, "HU", ""), "+-3", True),
        (within("a", 3.01, 3.0, "HU", ""), "+-3", False),
        (at_most("a", 0.0021, 2e-3, "1", ""), "at most 0.002", False),
        (between("a", 1.0, (0.85, 1.15), "of law", ""), "0.85 to 1.15", True),
        (between("a", 29, (30, 30), "spokes", ""), "30", False),
        (between("a", 30, (30, 30), "spokes", ""), "30", True),
        (at_most("a", float("nan"), 1.0, "1", ""), "at most 1", False),
        (at_most("a", float("inf"), 1.0, "1", ""), "at most 1", False),
    ],
)
def test_verdicts_and_bounds_by_hand(check: Check, bound: str, passed: bool) -> None:
    assert (check.bound, check.passed) == (bound, passed)


def test_long_names_keep_the_page() -> None:
    check = at_most(f"noise.level[{'x' * 90}]", 1.0, 1.0, "of law", "")
    lines = listing.row(check).split("\n")
    assert len(lines) == 2 and max(map(len, lines)) <= 80 and lines[1].endswith("passed")


@pytest.mark.usefixtures("without_noise")
def test_an_odd_number_of_views_is_remarked_on(tmp_path: Path) -> None:
    setup = Setup(
        ParallelBeam(64, 90), (Condition("fifteen", views=15), Condition("noisy", noise=Quanta(photons=1e5)))
    )
    text = listing.head("tiny", setup)
    assert "  fifteen: 15 views (15 directions)\nremark: fifteen: 15 views (15 directions) leave" in text
    assert max(map(len, text.splitlines())) <= 80
    text = page.write(tmp_path, "tiny", 64, setup, []).read_text(encoding="utf-8")
    assert "<dt>remark</dt><dd>fifteen: 15 views (15 directions) leave" in text
