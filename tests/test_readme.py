"""The README's recipe for a new network, word by word, as a person without this checkout would follow it."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from tests import tiny

README = (tiny.ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## A new network") : README.index("## The published table")]
SMALL = """
profiles:
  smoke: {size: 32, slices: {test: 2}, training: {all: {budget: {slices_seen: 8, checks: 1}}}}
"""
FEW_SLICES = """
schema: 1
extends: packaged
geometry: {views: 90}
conditions: {ldct_2e5: {photons: 2e5}, sparseview_60: {views: 30}, sparseview_180: {views: 45}}
sources: {phantom: {kind: phantom, patients: 3, slices: 4}}
splits: {phantom: {rule: patients, test: [P001], validation: [P002]}}
"""


def blocks() -> dict[str, str]:
    """Return the files that the section writes, by name."""
    found = re.findall(r"```(?:python|yaml)\n(# (\S+)\n.*?)```", SECTION, re.DOTALL)
    return {name: text for text, name in found}


@pytest.mark.integration
def test_the_recipe_ends_with_a_row_in_the_table(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for name, text in blocks().items():
        file = mine / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (mine / "experiments.yaml").write_text(blocks()["experiments.yaml"] + SMALL)  # only to be quick
    (mine / "datasets.yaml").write_text(FEW_SLICES, encoding="utf-8")
    (other / "models").mkdir(parents=True)
    (other / "models" / "__init__.py").write_text("raise SystemExit('another package')\n")
    env = tiny.environment()
    env["PYTHONPATH"] = os.pathsep.join((str(other), env["PYTHONPATH"]))
    commands = re.findall(r"^bench (.*)$", SECTION, re.MULTILINE)
    assert commands == ["plan --profile smoke", "run --all --profile smoke"]
    plan = tiny.bench(mine, *commands[0].split(), env=env)
    assert plan.returncode == 0, plan.stderr
    assert "mynet, which the profile's training does not name, takes budget" in plan.stdout.replace("\n ", "")
    only = ("run", "--only", "mynet:ldct_2e5", "input:ldct_2e5", "--profile", "smoke")
    run = tiny.bench(mine, *only, env=env)
    assert run.returncode == 0, run.stdout + run.stderr
    with open(mine / "reports" / "smoke" / "results.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "mynet" and row["mean"]]
    assert {(row["condition"], row["status"]) for row in rows} == {("ldct_2e5", "finished")}
    table = (mine / "reports" / "smoke" / "results.md").read_text(encoding="utf-8")
    assert "MyNet" in table
    assert "experiments.yaml: experiments.yaml (SHA-256 " in table


def test_the_recipe_is_two_files_of_under_ten_lines_of_settings() -> None:
    written = blocks()
    assert list(written) == ["models/mynet.py", "experiments.yaml"]
    assert len(written["experiments.yaml"].splitlines()) < 10
