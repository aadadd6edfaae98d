"""One of each kind, as a contributor would add it: one file of ``tests/extensions`` and one entry of a table.

All are added to a copy of the program, which then runs from the files to the page in a process of its own.
"""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from bench.ct.units import hu_to_mu
from tests import tiny

pytestmark = pytest.mark.integration

FILES = tiny.ROOT / "tests" / "extensions"


@dataclass(frozen=True)
class Extension:
    """The files by the folder that each goes to, and the entry of a table that names them.

    ``entry`` stands behind ``before`` in ``table``; the module of the table gets the line ``imported`` too, unless it
    is a table of texts.
    """

    files: dict[str, str]
    table: str = ""
    before: str = ""
    entry: str = ""
    imported: str = ""


SCHEMA, SECTIONS, FIGURES = "bench/config/schema", "bench/report/sections", "bench/report/figures"
EXTENSIONS = {
    "network": Extension({"own.py": "mine"}),  # named in experiments.yaml, as the condition is in datasets.yaml
    "metric": Extension(
        {"mae.py": "bench"}, "bench/metrics/__init__.py", "        *STUDY,",
        '\n        Metric("mae.hu", "MAE", "HU", "lower", "none", 1, 2, mae_hu),', "from bench.mae import mae_hu",
    ),
    "noise model": Extension(
        {"gaussian.py": "bench/ct"}, f"{SCHEMA}/datasets.py", "[Noiseless | Quanta", " | Gaussian",
        "from bench.ct.gaussian import Gaussian",
    ),
    "file format": Extension(
        {"text.py": "bench/data/files"}, f"{SCHEMA}/formats.py", "FORMATS = {\n", '    "text": "text:text_format",\n',
    ),
    "kind of source": Extension(
        {"discs_keys.py": f"{SCHEMA}/discs.py", "discs.py": "bench/data/sources"}, f"{SCHEMA}/datasets.py",
        "[PhantomSource", " | Discs", "from bench.config.schema.discs import Discs",
    ),
    "executor": Extension(
        {"in_turn.py": "bench/execution"}, "bench/execution/executor.py", '    "local": Local,\n',
        '    "in-turn": InTurn,\n', "from bench.execution.in_turn import InTurn",
    ),
    "section": Extension(
        {"worst.py": SECTIONS}, f"{SECTIONS}/__init__.py", "    cost.grid,\n", "    worst.grid,\n",
        "from bench.report.sections import worst",
    ),
    "figure": Extension(
        {"square.py": FIGURES}, f"{FIGURES}/__init__.py", "    viewer.figure,\n", "    square.figure,\n",
        "from bench.report.figures import square",
    ),
}  # fmt: skip

DATASETS = """
schema: 1
sources:
  discs: {kind: discs, patients: 4, slices: 4, title: Discs, licence: none, citation: none}
  scans: {kind: text, path: scans, matrix: 32, pixel_mm: 0.7, title: Text, licence: none, citation: none}
geometry: {preset: parallel360, views: 90}
conditions:
  sparse: {views: 30}
  grainy: {noise: {kind: gaussian, deviation: 0.02}}
splits:
  own: {rule: patients, test: [P1], validation: [P2]}
"""
EXPERIMENTS = """
schema: 1
models:
  own:
    build: own:build
    params: {width: 6}
    recipes: {study: {learning_rate: 1e-2, epochs: 1, batch: 4, passes: 2, loss: mse}}
experiments:
  default: {models: [own], conditions: [sparse, grainy]}
published: {source: A, collection: c, recipe: study, test_slices: 4, metrics: [mae.hu], values: {grainy: {own: [9.5]}}}
profiles:
  drawn: {source: discs, split: own, size: 32, budget: {slices_seen: 16, checks: 1}}
  read: {source: scans, split: own, size: 32, budget: {slices_seen: 16, checks: 1}}
"""


def add(root: Path, extension: Extension) -> None:
    """Write the files of an extension and its entry into the copy of the program below ``root``."""
    for name, place in extension.files.items():
        target = root / place if place.endswith(".py") else root / place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES / name, target)
    if not extension.table:
        return
    table = root / extension.table
    text = table.read_text(encoding="utf-8")
    assert text.count(extension.before) == 1
    text = text.replace(extension.before, extension.before + extension.entry)
    if extension.imported:
        place = text.index("\nfrom bench" if "\nfrom bench" in text else "\nimport numpy")
        text = f"{text[:place]}\n{extension.imported}{text[place:]}"
    table.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with all extensions; ``mine`` in it holds the two files and the network."""
    root = tmp_path_factory.mktemp("copy")
    for package in ("bench", "models"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(tiny.ROOT / package, root / package, ignore=ignored)
    for extension in EXTENSIONS.values():
        add(root, extension)
    tiny.write(root / "mine", DATASETS, EXPERIMENTS)
    return root


def bench(copy: Path, *arguments: str) -> CompletedProcess[str]:
    return tiny.bench(
        copy / "mine", *arguments, env=tiny.environment(PYTHONPATH=str(copy), BENCH_TRACEBACK="1")
    )


@pytest.fixture(scope="module")
def reports(copy: Path) -> Path:
    """The reports of a run of all cells."""
    run = ("run", "--all", "--profile", "drawn", "--executor", "in-turn", "--threads", "1")
    done = bench(copy, *run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 cells finished" in done.stdout
    order = [line.split()[-1].rpartition("-")[0] for line in done.stdout.splitlines() if "/4]" in line]
    assert order == ["own-grainy-s1", "own-sparse-s1", "input-grainy-s0", "input-sparse-s0"]  # the executor's
    return copy / "mine" / "reports" / "drawn"


def test_network_condition_metric_and_source_are_in_the_table(reports: Path) -> None:
    with open(reports / "results.csv", encoding="utf-8", newline="") as file:
        rows = {
            (row["model"], row["condition"]): row for row in csv.DictReader(file) if row["metric"] == "mae.hu"
        }
    assert set(rows) == {(model, dose) for model in ("input", "own") for dose in ("sparse", "grainy")}
    assert {row["unit"] for row in rows.values()} == {"HU"}
    assert all(float(row["mean"]) > 0.0 for row in rows.values())
    assert "Discs" in (reports / "results.md").read_text(encoding="utf-8")


def test_the_mean_absolute_error_is_that_of_the_images_on_disk(copy: Path, reports: Path) -> None:
    (cell,) = (copy / "mine" / "runs" / "drawn").glob("input-grainy-*")
    with np.load(cell / "samples.npz") as samples:
        error = 0.1 * np.abs(samples["input"][0].astype(float) - samples["reference"][0]).mean()  # in 0.1 HU
        patient, name = str(samples["names"][0]).split("/")
    with open(cell / "scores.csv", encoding="utf-8", newline="") as file:
        scores = {(row["patient"], row["slice"]): float(row["mae.hu"]) for row in csv.DictReader(file)}
    assert scores[patient, name] == pytest.approx(error, rel=1e-3)


def test_the_noise_model_is_told_and_drawn(copy: Path, reports: Path) -> None:
    page = (reports / "results.md").read_text(encoding="utf-8")
    assert "normal noise of 0.02 in every line integral" in page
    (manifest,) = (copy / "mine" / ".bench-cache").glob("*/manifest.json")
    arrays = json.loads(manifest.read_text(encoding="utf-8"))["arrays"].items()
    drawn = [entry["content"].get("noise") for name, entry in arrays if name.startswith("grainy")]
    assert drawn == ["normal noise of 0.02 in every line integral, deviation x 16"]


def test_a_section_and_a_figure_are_on_the_page(reports: Path) -> None:
    page = (reports / "results.html").read_text(encoding="utf-8")
    assert page.index('<section id="cost">') < page.index('<section id="worst">')
    assert page.index('<section id="images">') < page.index('<section id="squares">')
    for ending in ("md", "tex"):
        assert "Worst error" in (reports / f"results.{ending}").read_text(encoding="utf-8")


def test_slices_of_a_new_format_reach_the_pairs(copy: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] / 16 - 1.0
    slices = {}
    for patient in ("P1", "P2", "P3"):
        hu = np.where(x**2 + y**2 < 0.8, rng.normal(40.0, 9.0, x.shape), -1000.0)
        file = copy / "mine" / "scans" / patient / "a.txt"
        file.parent.mkdir(parents=True)
        np.savetxt(file, hu)
        slices[patient] = hu
    done = bench(copy, "data", "build", "--profile", "read", "--cache", "text", "--threads", "1")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    (reference,) = (copy / "mine" / "text").glob("*/reference.npy")
    expected = np.stack([np.maximum(hu_to_mu(hu), 0.0) for hu in slices.values()])
    np.testing.assert_allclose(np.load(reference), expected, atol=1e-6)
