"""Published tables as files beside ``experiments.yaml``: which one counts, and a line on each fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config import load as config
from bench.config.packaged import packaged
from bench.errors import BenchErrors
from tests import tiny

TABLE = """\
schema: 1
source: A. Author 2024
collection: c
recipe: study
test_slices: 4
metrics: [psnr.window_soft]
values:
  sparse: {unet: [30.1]}
"""
STANDARD = TABLE.replace("source: A. Author 2024", "source: the standard\nstandard: true")
Load = Callable[..., config.Config]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A function that loads the pair of ``tiny``, or a file that extends it, beside tables given by name."""
    below = tiny.write(tmp_path / "packaged")
    monkeypatch.setattr(config, "packaged", lambda name: below / name)

    def read(
        own: dict[str, str], with_program: dict[str, str] | None = None, experiments: str = ""
    ) -> config.Config:
        for folder, tables in (("mine", own), ("packaged", with_program or {})):
            (tmp_path / folder / "published").mkdir(parents=True, exist_ok=True)
            for name, text in tables.items():
                (tmp_path / folder / "published" / name).write_text(text)
        (tmp_path / "mine" / "net.py").write_text("def build(width=1): ...\n")
        (tmp_path / "mine" / "experiments.yaml").write_text(experiments or tiny.EXPERIMENTS)
        return config.load(experiments=tmp_path / "mine" / "experiments.yaml")

    return read


def test_a_table_is_added_by_adding_a_file(load: Load) -> None:
    found = load({"author-2024.yaml": TABLE, "study.yaml": STANDARD, "notes.txt": "no table"})
    assert found.experiments.published is not None
    assert found.experiments.published.source == "the standard"
    assert {name: table.source for name, table in found.further.items()} == {"author-2024": "A. Author 2024"}


def test_a_file_that_stands_alone_has_no_packaged_table(load: Load) -> None:
    found = load({}, {"study.yaml": STANDARD})
    assert (found.experiments.published, found.further) == (None, {})


EXTENDS = "schema: 1\nextends: packaged\n"
OWN = (
    "published: {source: own, collection: c, recipe: study, test_slices: 1, metrics: [rmse.hu], values: {}}\n"
)


@pytest.mark.parametrize(
    ("own", "experiments", "standard"),
    [
        ({}, "", "the standard"),
        ({"mine.yaml": STANDARD.replace("the standard", "mine")}, "", "mine"),
        ({"mine.yaml": STANDARD.replace("the standard", "mine")}, OWN, "own"),
        ({}, "published: null\n", None),
    ],
)
def test_the_standard_is_the_nearest_one(
    load: Load, own: dict[str, str], experiments: str, standard: str | None
) -> None:
    found = load(own, {"study.yaml": STANDARD}, EXTENDS + experiments).experiments.published
    assert (found.source if found is not None else None) == standard


def test_of_two_files_of_one_name_the_one_beside_the_file_counts(load: Load) -> None:
    found = load({"a.yaml": TABLE.replace("30.1", "31.5")}, {"a.yaml": TABLE, "b.yaml": TABLE}, EXTENDS)
    assert {name: table.values["sparse"]["unet"] for name, table in found.further.items()} == {
        "a": [31.5], "b": [30.1],
    }  # fmt: skip


def test_a_packaged_score_is_not_that_of_a_network_stated_anew(load: Load) -> None:
    recipes = "{study: {learning_rate: 1e-3, epochs: 2, batch: 4}}"
    text = f"{EXTENDS}models: {{unet: {{build: net:build, recipes: {recipes}}}}}\n"
    found = load({"mine.yaml": TABLE}, {"study.yaml": STANDARD}, text)
    assert found.experiments.published is not None
    assert found.experiments.published.values == {"sparse": {}}
    assert found.further["mine"].values == {"sparse": {"unet": [30.1]}}


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (
            "psnr.window_soft",
            "psnr.window_sof",
            ":6: metrics.0: unknown metric 'psnr.window_sof'; did you mean",
        ),
        ("sparse:", "spars:", ":8: values.spars: unknown condition 'spars'; did you mean sparse?"),
        ("unet:", "unett:", ":8: values.sparse.unett: unknown model 'unett'; did you mean unet?"),
        (
            "[30.1]",
            "[30.1, 0.9]",
            ":8: values.sparse.unet: has 2 values for 1 metrics; give psnr.window_soft",
        ),
        (
            "recipe: study",
            "recipe: studdy",
            ":4: recipe: model unet has no recipe 'studdy'; did you mean study?",
        ),
        ("collection: c\n", "", ":1: collection: is missing"),
        ("test_slices: 4", "test_slices: 4\ndecimals: [2, 4]", ":6: decimals: has 2 values for 1 metrics;"),
        ("schema: 1", "schema: 2", ":1: schema: must be 1"),
        (TABLE, "- 1\n", ":1: must hold keys and values"),
        ("values:\n  sparse: {unet: [30.1]}", "values: [1]", ":7: values: must be keys and values"),
    ],
)
def test_a_fault_names_file_line_and_key(
    load: Load, tmp_path: Path, before: str, after: str, line: str
) -> None:
    assert before in TABLE
    with pytest.raises(BenchErrors) as caught:
        load({"a.yaml": TABLE.replace(before, after)})
    assert str(caught.value).startswith(f"{tmp_path}/mine/published/a.yaml{line}")


def test_two_standards_are_refused(load: Load, tmp_path: Path) -> None:
    with pytest.raises(BenchErrors) as caught:
        load({"a.yaml": STANDARD, "b.yaml": STANDARD})
    expected = f"{tmp_path}/mine/published/b.yaml: standard: two tables are the standard, this one and a.yaml; keep one"
    assert str(caught.value) == expected


def test_the_shipped_table_is_the_published_one() -> None:
    """Two corners of it, kept here too."""
    found = config.load(packaged("datasets.yaml"), packaged("experiments.yaml")).experiments.published
    assert found is not None
    assert (found.metrics, found.decimals, found.test_slices) == (
        ["psnr.slice_max", "ssim.column"],
        [2, 4],
        354,
    )
    assert found.values["sparseview_60"]["unet"] == [33.28, 0.8858]
    assert found.values["ldct_2e5"]["ddnet"] == [42.77, 0.9471]
    assert {len(row) for row in found.values.values()} == {3}
