"""Oracle for the files that come with this program: published facts, kept here as a table of their own."""

from __future__ import annotations

from pathlib import Path

from bench.config import load as config
from bench.config.paths import located_split
from bench.plan import expand as plan

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "bench/defaults/splits/clean-354.csv"


def load() -> config.Config:
    return config.load(ROOT / "datasets.yaml", ROOT / "experiments.yaml")


def test_the_packaged_profiles_networks_and_conditions() -> None:
    found = load()
    assert set(found.experiments.profiles) == {
        "smoke",
        "zoo-smoke",
        "noise2noise-smoke",
        "overnight",
        "paper",
        "paper-files",
        "by-order",
        "kfold",
        "tiny",
    }
    experiment = found.experiments.experiments["default"]
    assert (experiment.models, len(experiment.conditions)) == (["unet", "dncnn", "ddnet"], 6)
    labels = [found.experiments.models[name].label for name in experiment.models]
    assert labels == ["UNet", "DnCNN", "DD-Net"]
    zoo = found.experiments.experiments["zoo"]
    assert (zoo.models, zoo.classical) == (["redcnn", "fbpconvnet", "nafnet"], ["nlm", "tv"])
    for name, model in found.experiments.models.items():
        published = set(model.recipes) == {"study", "original"}
        assert published if name in experiment.models else len(model.recipes) == 1
        for recipe in model.recipes.values():
            assert recipe.source
    paper = found.experiments.profiles["paper"]
    assert (paper.source, paper.split, paper.recipe, paper.size) == ("qin-lung-ct", "clean-354", "study", 512)
    assert (paper.budget, paper.training) == (None, {})
    source = found.datasets.sources["qin-lung-ct"]
    assert "bench data fetch qin-lung-ct" in source.obtain
    assert "\n" not in source.obtain.strip()


def test_a_network_of_other_parameters_goes_into_every_profile(tmp_path: Path) -> None:
    """``all.params`` reach the networks that have the parameter: a new one needs a file and its entry, no more."""
    (tmp_path / "mynet.py").write_text("def build(*, kernels: int = 96): ...\n")
    (tmp_path / "experiments.yaml").write_text("""\
schema: 1
extends: packaged
models:
  mynet:
    build: mynet:build
    recipes:
      study: {learning_rate: 1e-4, epochs: 40, batch: 4}
      original: {learning_rate: 1e-4, epochs: 40, batch: 4}
experiments:
  default: {models: [unet, dncnn, ddnet, mynet]}
""")
    found = config.load(experiments=tmp_path / "experiments.yaml")
    for name in found.experiments.profiles:
        profile = config.profile(found, name)
        assert plan.resolved(found, profile, "mynet").params == {}
    smoke = config.profile(found, "smoke")
    assert plan.resolved(found, smoke, "mynet").undeclared == ("momentum", "initial")
    assert plan.resolved(found, smoke, "unet").params["momentum"].origin == "all"


def test_the_splits_of_the_published_collection() -> None:
    found = load()
    splits = {
        name: found.datasets.splits[found.experiments.profiles[name].split] for name in ("by-order", "kfold")
    }
    assert (splits["by-order"].rule, splits["by-order"].test) == ("order", 354)
    assert splits["by-order"].leaky
    assert (splits["kfold"].rule, splits["kfold"].folds, splits["kfold"].leaky) == ("kfold", 5, "")
    assert located_split(found, "clean-354").file == str(LIST)


def test_the_example_of_an_own_folder_trains_the_packaged_networks_on_its_own_slices() -> None:
    """By hand, from the file: what the packaged recipes state, and what is changed for a short training."""
    folder = ROOT / "examples" / "own-folder"
    found = config.load(folder / "datasets.yaml", folder / "experiments.yaml")
    profile = config.profile(found, "own-slices")
    experiment = found.experiments.experiments[profile.experiment]
    assert (len(experiment.models), len(experiment.conditions)) == (3, 6)
    assert (profile.source, profile.split, profile.size) == ("own-slices", "by-patient", 128)
    asked = {"unet": (4, "float32", 6000), "dncnn": (4, "float32", 500), "ddnet": (2, "float32", 2000)}
    for name, (batch, precision, slices) in asked.items():
        settings = plan.resolved(found, profile, name)
        recipe = {key: setting.value for key, setting in settings.recipe.items()}
        assert (recipe["batch"], recipe["precision"], recipe["loss"]) == (batch, precision, "half_sse")
        assert (recipe["guard"].above, recipe["guard"].margin_db) == (3, 0.5)
        assert (settings.params["momentum"].value, settings.params["initial"].value) == (0.9, "normal_0.01")
        assert settings.budget is not None
        checks = 5 if name == "dncnn" else 8
        assert (settings.budget.value.slices_seen, settings.budget.value.checks) == (slices, checks)


def test_noise2noise_differs_from_its_unet_in_the_target_only() -> None:
    found = load()
    profile = config.profile(found, "noise2noise-smoke")
    clean, noisy = (plan.resolved(found, profile, name) for name in ("unet", "unet-n2n"))
    assert {key for key in clean.recipe if clean.recipe[key].value != noisy.recipe[key].value} == {"target"}
    assert (noisy.recipe["target"].value, clean.recipe["target"].value) == ("second_draw", "reference")
    same = [{key: setting.value for key, setting in one.params.items()} for one in (clean, noisy)]
    assert same[0] == same[1]
