"""Oracle: a tiny configuration with its updates worked out by hand, and ids kept as a golden list."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.config import load as config
from bench.config import schema
from bench.ct.units import deviation_factor
from bench.errors import BenchErrors
from bench.plan import cells
from bench.plan import expand as plan
from bench.report.sections.cost import slices_seen

DATASETS: dict[str, Any] = {
    "schema": 1,
    "sources": {
        "fake": {"kind": "phantom", "title": "T", "licence": "L", "citation": "C"},
        "real": {"kind": "npz", "path": "x", "collection": "somewhere", "restricted": True},
    },
    "conditions": {"few": {"label": "Few", "views": 60}, "dim": {"photons": 70000.0}},
    "splits": {"cut": {"rule": "shares", "test": 0.25, "validation": 0.2}},
}
EXPERIMENTS: dict[str, Any] = {
    "schema": 1,
    "models": {
        "b-net": {
            "label": "B",
            "build": "net:build",
            "params": {"momentum": 0.99, "depth": 3},
            "recipes": {
                "study": {
                    "source": "S", "learning_rate": {"start": 0.001, "halve_every": 10}, "epochs": 50,
                    "batch": 30, "passes": 8, "chosen": ["batch"],
                },
                "original": {"learning_rate": 0.0001, "epochs": 5, "batch": 4, "passes": 1},
            },
        },
        "a-net": {
            "build": "net:build",
            "recipes": {
                "study": {
                    "learning_rate": {"rates": [0.001, 0.0001], "epochs": [30, 20]}, "epochs": 50,
                    "batch": 128, "passes": 8, "patch": 32, "patches_per_slice": 16,
                },
                "original": {"learning_rate": {"from": 0.0001, "to": 1e-05}, "epochs": 5, "batch": 4},
            },
        },
    },
    "experiments": {"default": {"models": ["b-net", "a-net"], "conditions": ["few", "dim"], "seeds": [1, 2]}},
    "profiles": {
        "full": {"source": "real", "split": "cut"},
        "small": {
            "description": "D", "source": "fake", "split": "cut", "size": 64,
            "budget": {"slices_seen": 600, "checks": 4},
            "training": {
                "all": {"batch": 8, "params": {"momentum": 0.9}},
                "b-net": {},  # named, so that ``all`` comes after its recipe
                "a-net": {"batch": 16, "learning_rate": 0.001, "precision": "bfloat16"},
            },
        },
        "other": {"source": "real", "split": "cut", "recipe": "original", "slices": {"train": 10}},
    },
    "published": {
        "source": "P", "collection": "somewhere", "recipe": "study", "test_slices": 354,
        "metrics": ["psnr.slice_max"], "values": {"few": {"b-net": [30.0]}},
    },
}  # fmt: skip
VERSIONS = {"physics": 3, "training": 5}
CODE = {"b-net": "b" * 64, "a-net": "a" * 64}


def identity(kind: str = "npz", test: int = 354) -> cells.DataIdentity:
    return cells.DataIdentity(
        source="real", kind=kind, fingerprint="f", selection="s", split="cut", split_sha256="h",
        patients_known=True,
        slices={"train": 3321, "validation": 279, "test": test},
        patients={"train": 39, "validation": 3, "test": 5},
    )  # fmt: skip


def read(folder: Path, datasets: Any = DATASETS, experiments: Any = EXPERIMENTS) -> config.Config:
    (folder / "net.py").write_text("def build(depth=1, momentum=0.5): ...\n")
    (folder / "d.yaml").write_text(yaml.safe_dump(datasets, sort_keys=False).replace("1.0e-05", "1e-5"))
    (folder / "e.yaml").write_text(yaml.safe_dump(experiments, sort_keys=False).replace("1.0e-05", "1e-5"))
    return config.load(folder / "d.yaml", folder / "e.yaml")


def expand(found: config.Config, profile: str = "full", **changes: Any) -> cells.Plan:
    arguments = {"folds": [identity()], "code": CODE, "versions": VERSIONS} | changes
    return plan.expand(found, profile, **arguments)


def changed(tree: Any, path: str, value: Any) -> Any:
    """Return a deep copy of ``tree`` with the value at the slash-separated ``path`` replaced."""
    head, _, rest = path.partition("/")
    new = value if not rest else changed(tree.get(head, {}), rest, value)
    return {**tree, head: new}


def trained(made: cells.Plan, model: str) -> cells.Training:
    (one,) = {cell.spec.training.model_dump_json() for cell in made.cells if cell.spec.model == model}
    return cells.Training.model_validate_json(one)


# --- which cells ---


def test_cells_come_input_first_then_by_model_condition_and_seed(tmp_path: Path) -> None:
    made = expand(read(tmp_path))
    order = [(cell.spec.model, cell.spec.dataset.condition, cell.spec.seed) for cell in made.cells]
    assert order == [
        ("input", "few", 0), ("input", "dim", 0),
        ("b-net", "few", 1), ("b-net", "few", 2), ("b-net", "dim", 1), ("b-net", "dim", 2),
        ("a-net", "few", 1), ("a-net", "few", 2), ("a-net", "dim", 1), ("a-net", "dim", 2),
    ]  # fmt: skip
    assert len({cell.id for cell in made.cells}) == 10
    for cell in made.cells[:2]:
        assert (cell.spec.build, cell.spec.training, cell.spec.params) == (None, None, {})


def test_the_plan_carries_labels_source_and_the_published_table(tmp_path: Path) -> None:
    made = expand(read(tmp_path))
    assert list(made.models.items()) == [("b-net", "B"), ("a-net", "a-net")]
    assert list(made.conditions.items()) == [("few", "Few"), ("dim", "dim")]
    assert made.seeds == [1, 2]
    assert made.source == {
        "title": "", "licence": "", "citation": "", "restricted": True, "kind": "npz",
        "collection": "somewhere",
    }  # fmt: skip
    assert made.published is not None
    assert made.published.values == {"few": {"b-net": [30.0]}}
    first = next(cell for cell in made.cells if cell.spec.model == "b-net")
    assert (first.chosen, first.recipe_source) == (("batch",), "S")
    assert cells.Plan.model_validate_json(made.model_dump_json(by_alias=True)) == made


def test_datasets_of_cells(tmp_path: Path) -> None:
    made = expand(read(tmp_path), "small", folds=[identity("phantom")])
    few, dim = (cell.spec.dataset for cell in made.cells[:2])
    assert (few.views, few.photons, dim.views, dim.photons) == (60, None, None, 70000.0)
    assert (few.size, few.noise_seed, few.geometry.views) == (64, 1, 720)


# --- training, worked out by hand ---


def test_without_a_budget_a_recipe_is_taken_as_it_is(tmp_path: Path) -> None:
    found = expand(read(tmp_path))
    whole, patches = trained(found, "b-net"), trained(found, "a-net")
    assert (whole.epochs, whole.schedule_epochs, whole.batch, whole.patch) == (50, 50, 30, None)
    assert whole.updates_per_epoch == 886  # 8 x 3321 / 30 = 885.6
    assert (patches.epochs, patches.updates_per_epoch) == (50, 3321)  # 8 x 3321 x 16 / 128 = 3321 exactly


def test_a_budget_counts_crops_by_area_and_keeps_the_schedule(tmp_path: Path) -> None:
    found = expand(read(tmp_path), "small", folds=[identity("phantom")])
    whole, patches = trained(found, "b-net"), trained(found, "a-net")
    assert (whole.epochs, whole.schedule_epochs, whole.batch) == (4, 50, 8)
    assert whole.updates_per_epoch == 19  # 600 / 4 / 8 = 18.75
    assert patches.updates_per_epoch == 38  # a batch is 16 x (32/64)^2 = 4 slices; 600 / 4 / 4 = 37.5
    assert slices_seen(4 * whole.updates_per_epoch, whole, 64) == 4 * 19 * 8
    assert slices_seen(4 * patches.updates_per_epoch, patches, 64) == 4 * 38 * 4
    assert whole.learning_rate == schema.Halving(start=1e-3, halve_every=10)


def test_a_tiny_budget_still_trains(tmp_path: Path) -> None:
    text = changed(EXPERIMENTS, "profiles/small/budget", {"slices_seen": 1, "checks": 4})
    made = expand(read(tmp_path, DATASETS, text), "small")
    assert trained(made, "b-net").updates_per_epoch == 1


def test_a_model_may_have_its_own_budget(tmp_path: Path) -> None:
    own = {"all": {"batch": 8}, "b-net": {}, "a-net": {"budget": {"slices_seen": 100, "checks": 5}}}
    made = expand(read(tmp_path, DATASETS, changed(EXPERIMENTS, "profiles/small/training", own)), "small")
    assert (trained(made, "b-net").epochs, trained(made, "b-net").updates_per_epoch) == (4, 19)
    assert (trained(made, "a-net").epochs, trained(made, "a-net").updates_per_epoch) == (5, 10)  # 100/5/(8/4)
    points = {cell.spec.model: cell.scaled for cell in made.cells}
    assert "budget of 600 slices seen instead of 50 epochs" in points["b-net"]
    assert "budget of 100 slices seen instead of 50 epochs" in points["a-net"]


def test_overrides_apply_to_all_then_to_the_model(tmp_path: Path) -> None:
    made = expand(read(tmp_path), "small")
    params = {cell.spec.model: cell.spec.params for cell in made.cells}
    assert params["b-net"] == {"momentum": 0.9, "depth": 3}
    assert params["a-net"] == {"momentum": 0.9}
    model = trained(made, "a-net")
    assert (model.batch, model.learning_rate, model.precision) == (16, 0.001, "bfloat16")
    assert trained(made, "b-net").precision == "float32"


def test_a_model_that_a_profile_does_not_name_keeps_what_its_recipe_states(tmp_path: Path) -> None:
    """By hand: b-net's recipe and params state learning rate, batch and momentum, and leave loss and guard open."""
    everyone = {
        "batch": 8, "learning_rate": 0.5, "loss": "mse", "budget": {"slices_seen": 90, "checks": 3},
        "params": {"momentum": 0.9, "width": 7},
    }  # fmt: skip
    text = changed(EXPERIMENTS, "profiles/small/training", {"all": everyone, "a-net": {}})
    (tmp_path / "wide.py").write_text("def build(width=1): ...\n")
    text = changed(text, "models/a-net/build", "wide:build")
    made = expand(read(tmp_path, DATASETS, text), "small")
    own, named = trained(made, "b-net"), trained(made, "a-net")
    assert (own.batch, own.learning_rate, own.loss) == (30, schema.Halving(start=1e-3, halve_every=10), "mse")
    assert (own.epochs, own.updates_per_epoch) == (3, 1)  # the budget of all: 90 / 3 / 30
    assert (named.batch, named.learning_rate, named.loss) == (8, 0.5, "mse")
    params = {cell.spec.model: cell.spec.params for cell in made.cells}
    assert params["b-net"] == {"momentum": 0.99, "depth": 3}  # net.py has no width
    assert params["a-net"] == {"width": 7}  # wide.py has no momentum
    points = {cell.spec.model: cell.scaled for cell in made.cells}
    assert not [
        point for point in points["b-net"] if point.startswith(("learning rate", "batch", "parameter"))
    ]


def test_params_for_all_do_not_go_to_a_build_that_takes_any_keyword(tmp_path: Path) -> None:
    (tmp_path / "any.py").write_text("def build(**params): ...\n")
    text = changed(EXPERIMENTS, "models/a-net/build", "any:build")
    made = expand(read(tmp_path, DATASETS, text), "small")
    params = {cell.spec.model: cell.spec.params for cell in made.cells}
    assert (params["a-net"], params["b-net"]) == ({}, {"momentum": 0.9, "depth": 3})


def test_what_is_not_as_published_is_said_in_words(tmp_path: Path) -> None:
    found = read(tmp_path)
    points = {cell.spec.model: cell.scaled for cell in expand(found).cells}
    assert points == {"input": (), "b-net": (), "a-net": ()}
    sliced = ("source fake instead of somewhere", "size 64 instead of 512")
    points = {
        cell.spec.model: cell.scaled for cell in expand(found, "small", folds=[identity("phantom")]).cells
    }
    budget = "budget of 600 slices seen instead of 50 epochs"
    assert points["input"] == sliced
    assert points["b-net"] == (
        *sliced, budget, "batch 8 instead of 30", "parameter momentum 0.9 instead of 0.99",
    )  # fmt: skip
    assert points["a-net"] == (
        *sliced, budget, "learning rate 0.001 instead of rates [0.001, 0.0001], epochs [30, 20]",
        "batch 16 instead of 128", "precision bfloat16 instead of float32",
        "parameter momentum 0.9 instead of the default",
    )  # fmt: skip
    points = {
        cell.spec.model: cell.scaled for cell in expand(found, "other", folds=[identity(test=50)]).cells
    }
    assert points["input"] == ("at most 10 train slices", "50 test slices instead of 354")
    assert points["b-net"] == (*points["input"], "recipe original instead of study")


def test_another_scan_than_the_published_one_is_said_in_words(tmp_path: Path) -> None:
    other = {
        "preset": "fan360", "filter": "hann", "reference": "fbp", "reference_photons": 1e6,
    }  # fmt: skip
    noisy = changed(changed(DATASETS, "geometry", other), "conditions/dim/electronic_noise", 5.0)
    found = expand(read(tmp_path, noisy)).cells[0]
    assert found.scaled == (
        "scan fan360 instead of parallel360",
        "1080 views instead of 720",
        "filter hann instead of ram-lak",
        "noise-free reconstructions instead of the original slices as reference",
        "reference with the noise of 1e+06 photons",
        "electronic noise in dim",
    )
    stored = {"kind": "pairs", "path": "x", "collection": "somewhere", "patients": "p.csv"}
    held = changed(changed(DATASETS, "sources/real", stored), "geometry", {"preset": "fan360"})
    assert expand(read(tmp_path, held), folds=[identity("pairs")]).cells[0].scaled == ()


@pytest.mark.parametrize(("size", "expected"), [(512, 1.0), (64, 8.0), (256, 2.0)])
def test_deviations_rise_with_the_width_of_pixels(size: int, expected: float) -> None:
    assert deviation_factor(size) == expected


# --- folds ---


def folds(tested: tuple[int, ...] = (790, 800)) -> list[cells.DataIdentity]:
    return [
        identity(test=count).model_copy(
            update={"fold": number, "folds": len(tested), "slices": {"train": 1000 * number, "test": count}}
        )
        for number, count in enumerate(tested, start=1)
    ]


def test_a_cell_for_each_fold_with_the_updates_of_its_own_slices(tmp_path: Path) -> None:
    made = expand(read(tmp_path), folds=folds())
    order = [cell.id.rpartition("-")[0] for cell in made.cells if cell.spec.model != "a-net"]
    assert order[:6] == [
        "input-few-f1-s0", "input-few-f2-s0", "input-dim-f1-s0", "input-dim-f2-s0",
        "b-net-few-f1-s1", "b-net-few-f2-s1",
    ]  # fmt: skip
    assert len(made.cells) == len({cell.id for cell in made.cells}) == 20
    updates = {cell.spec.dataset.data.fold: cell.spec.training.updates_per_epoch for cell in made.cells[4:6]}  # type: ignore[union-attr]
    assert updates == {1: 267, 2: 534}  # 8 x 1000 / 30 and 8 x 2000 / 30, rounded up
    assert [data.fold for data in made.folds] == [1, 2]


def test_folds_are_not_as_published_and_count_their_slices_together(tmp_path: Path) -> None:
    made = expand(read(tmp_path), folds=folds())
    assert made.cells[0].scaled == (
        "1590 test slices instead of 354", "2 folds instead of one split",
    )  # fmt: skip


def test_why_a_split_is_leaky_is_in_the_plan_and_not_in_the_ids(tmp_path: Path) -> None:
    found = read(tmp_path)
    leaky = expand(found, leaky="cut by hand")
    assert (leaky.leaky, ids(leaky)) == ("cut by hand", ids(expand(found)))


# --- ids ---

# These ids name folders of finished cells on users' disks. They may change only when what a cell is made of
# changes its meaning (a new key in spec.Cell, Training, Dataset or DataIdentity, other words in the id): then
# all earlier records count as earlier settings, and CHANGELOG says so.
GOLDEN = [
    "input-few-s0-825ac72cf8",
    "input-dim-s0-2355da5f9c",
    "b-net-few-s1-87c278e3cd",
    "b-net-dim-s1-c0ff78b33b",
    "a-net-few-s1-0548ed0d05",
    "a-net-dim-s1-bb6bd74253",
]


def test_ids_are_as_they_were(tmp_path: Path) -> None:
    made = expand(read(tmp_path))
    assert [cell.id for cell in made.cells if cell.spec.seed < 2] == GOLDEN


def test_an_id_is_the_hash_of_everything_written_out(tmp_path: Path) -> None:
    whole = {
        "model": "b-net",
        "build": "net:build",
        "params": {"momentum": 0.99, "depth": 3},
        "training": {
            "recipe": "study", "optimizer": "adam", "learning_rate": {"start": 0.001, "halve_every": 10},
            "schedule_epochs": 50, "epochs": 50, "updates_per_epoch": 886, "batch": 30, "patch": None,
            "patches_per_slice": 1, "augmentation": "flips_rotations", "loss": "half_sse",
            "precision": "float32",
            "guard": {"above": 3, "margin_db": 0.0},
        },
        "dataset": {
            "data": {
                "source": "real", "kind": "npz", "fingerprint": "f", "selection": "s", "split": "cut",
                "split_sha256": "h", "fold": None, "folds": 1, "patients_known": True,
                "slices": {"train": 3321, "validation": 279, "test": 354},
                "patients": {"train": 39, "validation": 3, "test": 5},
            },
            "condition": "few", "views": 60, "photons": None, "electronic_noise": 0.0,
            "geometry": {
                "preset": "parallel360", "views": 720, "filter": "ram-lak",
                "reference": "original", "reference_photons": None,
            },
            "size": 512, "noise_seed": 1,
        },
        "seed": 1,
        "code": "b" * 64,
        "versions": {"physics": 3, "training": 5},
    }  # fmt: skip
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    expected = "b-net-few-s1-" + hashlib.sha256(text.encode()).hexdigest()[:10]
    assert expand(read(tmp_path)).cells[2].id == expected


def ids(made: cells.Plan) -> list[str]:
    return [cell.id for cell in made.cells]


def test_the_order_of_keys_in_the_files_does_not_reach_the_ids(tmp_path: Path) -> None:
    expected = ids(expand(read(tmp_path), "small"))

    def shuffled(value: Any, order: random.Random) -> Any:
        if isinstance(value, dict):
            keys = order.sample(list(value), len(value))
            return {key: shuffled(value[key], order) for key in keys}
        return value

    for seed in range(5):
        order = random.Random(seed)
        found = read(tmp_path, shuffled(DATASETS, order), shuffled(EXPERIMENTS, order))
        assert ids(expand(found, "small")) == expected


D, E = "datasets", "experiments"


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        (D, "sources/fake/title", "another"),
        (D, "sources/fake/citation", "another"),
        (D, "conditions/few/label", "another"),
        (E, "models/b-net/label", "another"),
        (E, "models/b-net/recipes/study/source", "another"),
        (E, "models/b-net/recipes/study/chosen", []),
        (E, "profiles/small/description", "another"),
        (E, "published/test_slices", 1),
        (E, "models/b-net/recipes/original/epochs", 77),
        (E, "models/b-net/recipes/study/batch", 31),  # the profile's own batch stands in its place
    ],
)
def test_words_and_what_is_not_used_do_not_reach_the_ids(
    tmp_path: Path, file: str, path: str, value: Any
) -> None:
    expected = ids(expand(read(tmp_path), "small"))
    files = {D: DATASETS, E: EXPERIMENTS}
    assert (
        ids(expand(read(tmp_path, **(files | {file: changed(files[file], path, value)})), "small"))
        == expected
    )


RECIPE = "models/b-net/recipes/study"


@pytest.mark.parametrize(
    ("file", "path", "value", "touched"),
    [
        (D, "conditions/few/views", 90, {"input-few", "b-net-few", "a-net-few"}),
        (D, "conditions/dim/photons", 7e4 + 1, {"input-dim", "b-net-dim", "a-net-dim"}),
        (D, "geometry", {"views": 360}, "all"),
        (D, "geometry", {"preset": "parallel180"}, "all"),
        (D, "geometry", {"filter": "hann"}, "all"),
        (D, "geometry", {"reference": "fbp"}, "all"),
        (D, "geometry", {"reference_photons": 1e6}, "all"),
        (D, "conditions/dim/electronic_noise", 5.0, {"input-dim", "b-net-dim", "a-net-dim"}),
        (E, "profiles/full/size", 256, "all"),
        (E, "profiles/full/noise_seed", 2, "all"),
        (E, "models/b-net/params/depth", 4, "b-net"),
        (E, f"{RECIPE}/learning_rate/start", 0.002, "b-net"),
        (E, f"{RECIPE}/learning_rate/halve_every", 9, "b-net"),
        (E, f"{RECIPE}/learning_rate", 0.001, "b-net"),
        (E, f"{RECIPE}/epochs", 51, "b-net"),
        (E, f"{RECIPE}/batch", 31, "b-net"),
        (E, f"{RECIPE}/passes", 7, "b-net"),
        (E, f"{RECIPE}/patch", 64, "b-net"),
        (E, f"{RECIPE}/augmentation", "none", "b-net"),
        (E, f"{RECIPE}/loss", "mse", "b-net"),
        (E, f"{RECIPE}/precision", "bfloat16", "b-net"),
        (E, f"{RECIPE}/guard", {"above": 4}, "b-net"),
        (E, "models/a-net/recipes/study/patches_per_slice", 17, "a-net"),
        (E, "profiles/full/training", {"all": {"params": {"momentum": 0.8}}, "b-net": {}}, "networks"),
        (E, "profiles/full/training", {"all": {"params": {"momentum": 0.8}}}, "a-net"),
        (E, "profiles/full/training", {"a-net": {"loss": "mse"}}, "a-net"),
        (E, "profiles/full/budget", {"slices_seen": 1000, "checks": 2}, "networks"),
        (E, "profiles/full/recipe", "original", "networks"),
    ],
)
def test_what_shapes_training_reaches_the_ids_it_should(
    tmp_path: Path, file: str, path: str, value: Any, touched: str | set[str]
) -> None:
    before = expand(read(tmp_path))
    files = {D: DATASETS, E: EXPERIMENTS}
    after = expand(read(tmp_path, **(files | {file: changed(files[file], path, value)})))
    assert moved(before, after) == expected_moves(before, touched)


def moved(before: cells.Plan, after: cells.Plan) -> set[str]:
    pairs = zip(before.cells, after.cells, strict=True)
    return {f"{old.spec.model}-{old.spec.dataset.condition}" for old, new in pairs if old.id != new.id}


def expected_moves(made: cells.Plan, touched: str | set[str]) -> set[str]:
    every = {f"{cell.spec.model}-{cell.spec.dataset.condition}" for cell in made.cells}
    if isinstance(touched, set):
        return touched
    return {"all": every, "networks": {name for name in every if not name.startswith("input")}}.get(
        touched, {name for name in every if name.startswith(touched)}
    )


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"code": CODE | {"b-net": "c" * 64}}, "b-net"),
        ({"versions": VERSIONS | {"training": 6}}, "networks"),  # nothing is trained in the input's cell
        ({"versions": VERSIONS | {"physics": 4}}, "all"),
        ({"folds": [identity().model_copy(update={"fingerprint": "g"})]}, "all"),
        ({"folds": [identity().model_copy(update={"selection": "t"})]}, "all"),
        ({"folds": [identity().model_copy(update={"split_sha256": "i"})]}, "all"),
    ],
)
def test_code_versions_and_data_reach_the_ids(tmp_path: Path, change: dict[str, Any], touched: str) -> None:
    found = read(tmp_path)
    before = expand(found)
    assert moved(before, expand(found, **change)) == expected_moves(before, touched)


def test_stored_pairs_do_not_depend_on_our_physics(tmp_path: Path) -> None:
    found = read(tmp_path)
    pairs = identity("pairs")
    assert ids(expand(found, folds=[pairs])) == ids(
        expand(found, folds=[pairs], versions=VERSIONS | {"physics": 4})
    )


# --- choosing cells ---


def test_only_restricts_what_runs_and_not_the_plan(tmp_path: Path) -> None:
    found = read(tmp_path)
    made = expand(found)
    only = plan.parse_only(["a-net:dim", "input:few", "a-net:dim"], found.experiments.experiments["default"])
    assert only == [("a-net", "dim"), ("input", "few")]
    chosen = [
        (cell.spec.model, cell.spec.dataset.condition, cell.spec.seed) for cell in plan.select(made, only)
    ]
    assert chosen == [("input", "few", 0), ("a-net", "dim", 1), ("a-net", "dim", 2)]
    assert plan.select(made, None) == made.cells
    assert plan.select(made, []) == []


def test_bad_pairs_are_all_named_with_the_nearest(tmp_path: Path) -> None:
    found = read(tmp_path)
    with pytest.raises(BenchErrors) as caught:
        plan.parse_only(["b-nett:few", "a-net:fev", "a-net", "x:y"], found.experiments.experiments["default"])
    assert str(caught.value).splitlines() == [
        "--only b-nett:few: unknown model 'b-nett'; did you mean b-net?",
        "--only a-net:fev: unknown condition 'fev'; did you mean few?",
        "--only a-net: must be MODEL:CONDITION; for example b-net:few",
        "--only x:y: unknown model 'x'; known: b-net, a-net, input",
        "--only x:y: unknown condition 'y'; known: few, dim",
    ]
