"""Files that extend the packaged ones, and which file stands beside which: a small packaged pair, written here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config import load as config
from bench.errors import BenchErrors
from tests import tiny

EXTENDS = "schema: 1\nextends: packaged\n"
RECIPES = "recipes: {study: {learning_rate: 1e-3, epochs: 2, batch: 4}}"
PUBLISHED = """
published:
  {source: P, collection: c, recipe: study, test_slices: 1, metrics: [psnr.slice_max],
   values: {sparse: {unet: [30.0]}}}
"""
Load = Callable[..., config.Config]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A function that loads files that extend the pair of ``tiny`` with a published table."""
    below = tiny.write(tmp_path / "packaged", experiments=tiny.EXPERIMENTS + PUBLISHED)
    monkeypatch.setattr(config, "packaged", lambda name: below / name)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "net.py").write_text("def build(width=1): ...\nMULTIPLE = 64\n")

    def read(datasets: str = "", experiments: str = "") -> config.Config:
        (mine / "datasets.yaml").write_text(EXTENDS + datasets)
        (mine / "experiments.yaml").write_text(EXTENDS + experiments)
        return config.load(mine / "datasets.yaml", mine / "experiments.yaml")

    return read


def faults(load: Load, tmp_path: Path, *texts: str) -> list[str]:
    with pytest.raises(BenchErrors) as caught:
        load(*texts)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_a_file_of_two_lines_is_the_packaged_one(load: Load, tmp_path: Path) -> None:
    found = load()
    below = config.load(tmp_path / "packaged" / "datasets.yaml", tmp_path / "packaged" / "experiments.yaml")
    assert found.datasets.model_copy(update={"extends": None}) == below.datasets
    assert found.experiments.model_copy(update={"extends": None}) == below.experiments


def test_new_entries_are_added_and_equal_ones_replaced_whole(load: Load) -> None:
    found = load(
        "sources: {phantom: {kind: phantom, patients: 3}, more: {kind: npz, path: x}}\n"
        "geometry: {views: 60}\nconditions: {noisy: {views: 20}}\n",
        f"models: {{unet: {{build: net:build, {RECIPES}}}}}\n",
    )
    assert list(found.datasets.sources) == ["phantom", "away", "more"]
    phantom = found.datasets.sources["phantom"]
    assert (phantom.patients, phantom.slices, phantom.title) == (3, 24, "")  # type: ignore[union-attr]
    assert (found.datasets.conditions["noisy"].photons, found.datasets.conditions["noisy"].views) == (
        None,
        20,
    )
    assert found.datasets.geometry.views == 60
    assert found.experiments.models["unet"].params == {}
    assert found.experiments.published is not None
    assert found.experiments.published.values == {"sparse": {}}  # they were those of the packaged network


def test_experiments_and_profiles_are_changed_key_by_key(load: Load) -> None:
    found = load(
        "",
        f"models: {{mine: {{build: net:build, {RECIPES}}}}}\n"
        "experiments: {default: {models: [unet, mine]}}\n"
        "profiles:\n"
        "  tiny: {size: 64, training: {unet: {learning_rate: {start: 1e-3, halve_every: 2}}}}\n"
        "  own: {source: phantom, split: phantom, size: 64}\n",
    ).experiments
    assert found.experiments["default"].models == ["unet", "mine"]
    assert found.experiments["default"].conditions == ["sparse", "noisy"]
    tiny_, own = found.profiles["tiny"], found.profiles["own"]
    assert (tiny_.size, tiny_.source) == (64, "phantom")
    assert tiny_.budget is not None
    assert tiny_.budget.slices_seen == 96
    assert (own.size, own.budget) == (64, None)
    assert found.published is not None
    assert found.published.values == {"sparse": {"unet": [30.0]}}


def test_a_learning_rate_is_one_value(load: Load) -> None:
    training = "profiles: {tiny: {training: {unet: {learning_rate: %s}}}}\n"
    rate = (
        load("", training % "{from: 1e-3, to: 1e-4}")
        .experiments.profiles["tiny"]
        .training["unet"]
        .learning_rate
    )
    assert rate is not None
    load("", training % "{start: 1e-3, halve_every: 2}")


def test_a_packaged_profile_that_no_longer_fits_is_refused_when_it_is_asked_for(
    load: Load, tmp_path: Path
) -> None:
    found = load(
        "",
        f"models: {{mine: {{build: net:build, {RECIPES}}}}}\n"
        "experiments: {default: {models: [unet, mine]}}\n"
        "profiles: {own: {source: phantom, split: phantom, size: 64}}\n",
    )
    assert config.profile(found, "own").size == 64
    with pytest.raises(BenchErrors) as caught:
        config.profile(found, "tiny")
    line = 1 + tiny.EXPERIMENTS[: tiny.EXPERIMENTS.index("  tiny:")].count("\n")
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        f"packaged/experiments.yaml:{line}: profiles.tiny.size: 32 is no multiple of 64, which mine needs"
    )


def test_an_error_names_the_file_that_its_line_is_in(load: Load, tmp_path: Path) -> None:
    assert faults(
        load, tmp_path, "splits:\n  cut: {rule: shares, validation: 0.2}\n", "profiles:\n  tiny: {size: 30}\n"
    ) == [
        "mine/datasets.yaml:4: splits.cut.test: is missing, and rule shares needs it; "
        "must be a number above 0 and below 1",
        "mine/experiments.yaml:4: profiles.tiny.size: 30 is no multiple of 16, which unet needs",
    ]
    gone = "conditions: {noisy: {photons: 7e4}}\ngeometry: {views: 100}\n"
    (line,) = faults(load, tmp_path, gone)
    assert line.startswith(
        "packaged/datasets.yaml:8: conditions.sparse.views: 30 views do not divide the 100"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "schema: 1\nextends: pakaged\n",
            ":2: extends: must be packaged, not 'pakaged'; did you mean packaged?",
        ),
        ("extends: packaged\n", ":1: schema: is missing; must be 1"),
        (EXTENDS + "models: 5\n", ":3: models: must be keys and values, not 5"),
        (EXTENDS + "mdels: {}\n", ":3: mdels: unknown key; did you mean models?"),
    ],
)
def test_a_file_that_cannot_extend_is_refused(load: Load, tmp_path: Path, text: str, line: str) -> None:
    load()
    file = tmp_path / "mine" / "experiments.yaml"
    file.write_text(text)
    with pytest.raises(BenchErrors) as caught:
        config.load(experiments=file)
    assert f"{file}{line}" in str(caught.value).splitlines()


def test_the_packaged_file_cannot_extend_itself(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "packaged" / "experiments.yaml"
    file.write_text(EXTENDS + tiny.EXPERIMENTS.replace("schema: 1", ""))
    with pytest.raises(
        BenchErrors, match=r"packaged/experiments\.yaml:2: extends: is the packaged file itself"
    ):
        config.load(experiments=file)


# --- which file stands beside which ---


def test_the_file_beside_the_given_one_is_taken_else_the_packaged_and_never_another(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    here = tiny.write(tmp_path / "here")
    monkeypatch.chdir(here)
    mine, below = tmp_path / "mine", tmp_path / "packaged"
    for given in ("experiments", "datasets"):
        other = {"experiments": "datasets", "datasets": "experiments"}[given]
        found = config.load(**{given: mine / f"{given}.yaml"})
        assert getattr(found, f"{other}_file") == mine / f"{other}.yaml"
        lonely = tmp_path / given
        lonely.mkdir()
        (lonely / "other-name.yaml").write_text((here / f"{given}.yaml").read_text())
        found = config.load(**{given: lonely / "other-name.yaml"})
        assert getattr(found, f"{other}_file") == below / f"{other}.yaml"
        assert found.files[f"{other}.yaml"].path == "packaged"
    assert [file.path for file in config.load().files.values()] == ["datasets.yaml", "experiments.yaml"]


def test_both_files_are_named_with_their_content(load: Load, tmp_path: Path) -> None:
    import hashlib

    def sha(path: str) -> str:
        return hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()

    found = load().files["experiments.yaml"]
    assert found.path == f"{tmp_path}/mine/experiments.yaml"
    assert (found.sha256, found.extends) == (sha("mine/experiments.yaml"), sha("packaged/experiments.yaml"))
    assert found.words.endswith(f"(SHA-256 {found.sha256[:16]}, extends packaged {found.extends[:16]})")
