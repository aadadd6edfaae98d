"""Oracle: small files with faults planted on known lines; every expected message is written out by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.config import load as config
from bench.config import schema
from bench.config.packaged import packaged
from bench.ct.geometry import FanBeam
from bench.errors import BenchError, BenchErrors
from bench.plan.acquisition import scan_of

ROOT = Path(__file__).resolve().parents[2]

DATASETS = """\
schema: 1
sources:
  fake: {kind: phantom, patients: 4}
  mine:
    kind: npz
    path: ${BENCH_TEST_DATA}/mine
    patients: ${BENCH_TEST_LIST:-lists}/patients.csv
  two:
    kind: pairs
    layout: folders
    path: pairs
    reference: full
    degraded: {few: low}
conditions:
  few: {label: few views, views: 60}
  dim: {photons: 7e4}
splits:
  cut: {rule: shares, test: 0.25, validation: 0.2}
  named: {test: ['0001'], validation: ['1e5', R3]}
"""

EXPERIMENTS = """\
schema: 1
models:
  tiny:
    label: Tiny
    build: nets.tiny:build
    params: {depth: 3}
    recipes:
      study:
        learning_rate: 1e-3
        epochs: 4
        batch: 2
      steps:
        learning_rate: {rates: [1e-3, 1e-4], epochs: [3, 1]}
        epochs: 4
        batch: 2
        patch: 32
experiments:
  default:
    models: [tiny]
    conditions: [few, dim]
profiles:
  small:
    source: fake
    split: cut
    size: 64
    budget: {slices_seen: 2e2, checks: 2}
    training:
      all: {loss: mse}
published:
  source: someone
  collection: somewhere
  recipe: study
  test_slices: 3
  metrics: [psnr.slice_max, ssim.column]
  values:
    few: {tiny: [30.0, 0.9]}
"""

TINY = '''"""A network that nobody imports: it would fail."""
import no_such_library

MULTIPLE = 16
"""Sides."""


Kind = Literal["moving", "batch"]


def build(
    *, depth: int, width: int = 8, momentum=0.9, residual: bool = True, widths: Sequence[int] = (8,),
    kind: Kind = "moving", pair: tuple[int, float] = (1, 2.0), label: Optional[str] = None, free: Thing = None,
):
    """Build."""
    return depth
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").write_text("")
    (tmp_path / "nets" / "tiny.py").write_text(TINY)
    return tmp_path


def load(folder: Path, datasets: str = DATASETS, experiments: str = EXPERIMENTS) -> config.Config:
    (folder / "d.yaml").write_text(datasets)
    (folder / "e.yaml").write_text(experiments)
    return config.load(folder / "d.yaml", folder / "e.yaml")


def faults(folder: Path, datasets: str = DATASETS, experiments: str = EXPERIMENTS) -> list[str]:
    with pytest.raises(BenchErrors) as caught:
        load(folder, datasets, experiments)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_a_sound_pair_of_files(folder: Path) -> None:
    found = load(folder)
    assert found.datasets.conditions["dim"].photons == 7e4
    assert found.datasets.splits["named"].validation == ("1e5", "R3")
    assert found.experiments.models["tiny"].recipes["study"].learning_rate == 1e-3
    budget = config.profile(found, "small").budget
    assert budget is not None
    assert budget.slices_seen == 200
    assert found.base == folder


@pytest.mark.parametrize("preset", ["parallel360", "parallel180", "fan360"])
def test_the_views_of_a_preset_are_those_of_its_scan(folder: Path, preset: str) -> None:
    found = load(folder, DATASETS + f"geometry: {{preset: {preset}}}\n").datasets.geometry
    scan = scan_of(found, 64)
    assert scan.views == type(scan)(64).views == found.views
    assert scan.arc_degrees == float(preset[-3:])
    assert isinstance(scan, FanBeam) == preset.startswith("fan")
    few = schema.Geometry(preset=preset, views=90, filter="hann")
    assert (scan_of(few, 64).views, scan_of(few, 64).filter) == (90, "hann")


# one planted fault each: file, text to replace, its replacement, the whole expected line
D, E = "d", "e"
PLANTED = [
    (D, "schema: 1", "schema: 2", "d.yaml:1: schema: schema 2 is newer than 1; upgrade this program"),
    (D, "schema: 1", "schema: old", "d.yaml:1: schema: must be 1, not 'old'"),
    (D, "patients: 4", "patients: 0",
     "d.yaml:3: sources.fake.patients: must be a whole number above 0, not 0"),
    (D, "patients: 4", "patients: yes",
     "d.yaml:3: sources.fake.patients: must be a whole number above 0, not 'yes'"),
    (D, "patients: 4", "patients: 1.5",
     "d.yaml:3: sources.fake.patients: must be a whole number above 0, not 1.5"),
    (D, "patients: 4", "patients:",
     "d.yaml:3: sources.fake.patients: must be a whole number above 0, not empty"),
    (D, "patients: 4", "pateints: 4", "d.yaml:3: sources.fake.pateints: unknown key; did you mean patients?"),
    (D, "kind: npz", "kind: npx", "d.yaml:5: sources.mine.kind: unknown kind 'npx'; did you mean npz?"),
    (D, "    kind: npz\n", "", "d.yaml:4: sources.mine.kind: is missing; "
     "must be one of phantom, npz, npy, flt, dicom, nifti, pairs"),
    (D, "kind: npz", "kind: flt", "d.yaml:4: sources.mine.pixel_mm: is missing; flt files do not state it"),
    (D, "path: ${BENCH_TEST_DATA}/mine", "path: 12",
     "d.yaml:6: sources.mine.path: must be text, not 12; put it in quotes: '12'"),
    (D, "reference: full\n    ", "",
     "d.yaml:8: sources.two.reference: is missing, and layout folders needs it; must be text"),
    (D, "{few: low}", "{fev: low}",
     "d.yaml:13: sources.two.degraded.fev: unknown condition 'fev'; did you mean few?"),
    (D, "views: 60", "views: 70",
     "d.yaml:15: conditions.few.views: 70 views do not divide the 720 of the geometry; take 60, for example"),
    (D, "{photons: 7e4}", "{label: x}",
     "d.yaml:16: conditions.dim: a condition needs views or photons, or measured: true"),
    (D, "photons: 7e4", "photons: -7e4",
     "d.yaml:16: conditions.dim.photons: must be a number at least 1 and at most 1e+15, not -7e4"),
    (D, "photons: 7e4", "photons: 7 e4",
     "d.yaml:16: conditions.dim.photons: must be a number at least 1 and at most 1e+15, not '7 e4'"),
    (D, "rule: shares", "rule: share",
     "d.yaml:18: splits.cut.rule: unknown rule 'share'; did you mean shares?"),
    (D, "test: 0.25", "test: 0.9",
     "d.yaml:18: splits.cut.test: test and validation leave nothing to train on"),
    (D, "test: 0.25", "test: 1.25",
     "d.yaml:18: splits.cut.test: must be a number above 0 and below 1, not 1.25"),
    (D, "['0001']", "[0001]",
     "d.yaml:19: splits.named.test.0: must be text, not 0001; put it in quotes: '0001'"),
    (D, "['1e5', R3]", "[R3, 1e5]",
     "d.yaml:19: splits.named.validation.1: must be text, not 1e5; put it in quotes: '1e5'"),
    (D, "['0001']", "[R3]",
     "d.yaml:19: splits.named.validation.1: patient 'R3' is already in test; a patient is in one part only"),
    (D, "  named:", "  named off:", "d.yaml:19: splits.named off: 'named off' cannot be a name; "
     "names have small letters, digits, _ and -"),
    (D, "schema: 1\n", "schema: 1\nsorces: 3\n", "d.yaml:2: sorces: unknown key; did you mean sources?"),
    (E, "build: nets.tiny:build", "build: nets.tiny",
     "e.yaml:5: models.tiny.build: must be module:function, not 'nets.tiny'"),
    (E, "build: nets.tiny:build", "build: nets.tinny:build",
     "e.yaml:5: models.tiny.build: no module nets.tinny; "
     "looked beside the file and on the import path; did you mean nets.tiny?"),
    (E, "build: nets.tiny:build", "build: nets.tiny:make",
     "e.yaml:5: models.tiny.build: no function make in module nets.tiny; it has: build"),
    (E, "{depth: 3}", "{depth: 3, widht: 4}",
     "e.yaml:6: models.tiny.params.widht: tiny.py has no such parameter; did you mean width?"),
    (E, "{depth: 3}", "{}",
     "e.yaml:6: models.tiny.params.depth: is missing; nets.tiny:build has no default for it"),
    (E, "learning_rate: 1e-3", "learning_rate: fast",
     "e.yaml:9: models.tiny.recipes.study.learning_rate: must be "
     "a number above 0 and at most 1, {from, to}, {start, halve_every} or {rates, epochs}, not 'fast'"),
    (E, "learning_rate: 1e-3", "learning_rate: 2",
     "e.yaml:9: models.tiny.recipes.study.learning_rate: must be a number above 0 and at most 1, not 2"),
    (E, "learning_rate: 1e-3", "learning_rate: {frm: 1e-3, to: 1e-4}",
     "e.yaml:9: models.tiny.recipes.study.learning_rate.frm: unknown key; did you mean from?"),
    (E, "learning_rate: 1e-3", "learning_rate: {from: abc, to: 1e-4}",
     "e.yaml:9: models.tiny.recipes.study.learning_rate.from: "
     "must be a number above 0 and at most 1, not 'abc'"),
    (E, "learning_rate: 1e-3", "learning_rate: {start: 1e-3, halve_every: 1.5}",
     "e.yaml:9: models.tiny.recipes.study.learning_rate.halve_every: "
     "must be a whole number above 0, not 1.5"),
    (E, "learning_rate: 1e-3", "learning_rate: {speed: 9}",
     "e.yaml:9: models.tiny.recipes.study.learning_rate: "
     "must be a number above 0 and at most 1, {from, to}, {start, halve_every} or {rates, epochs}, "
     "not keys and values"),
    (E, "epochs: [3, 1]", "epochs: [3]",
     "e.yaml:13: models.tiny.recipes.steps.learning_rate: rates and epochs need the same number of entries"),
    (E, "epochs: [3, 1]", "epochs: [3, 2]",
     "e.yaml:13: models.tiny.recipes.steps.learning_rate: the steps are 5 epochs long, the recipe 4"),
    (E, "        patch: 32", "        patch: 32\n        loss: l2",
     "e.yaml:17: models.tiny.recipes.steps.loss: must be one of mse, half_sse, mse_ms_ssim, not 'l2'"),
    (E, "        patch: 32", "        patch: 32\n        chosen: [bach]",
     "e.yaml:17: models.tiny.recipes.steps.chosen.0: unknown recipe key 'bach'; did you mean batch?"),
    (E, "models: [tiny]", "models: [tiney]",
     "e.yaml:19: experiments.default.models.0: unknown model 'tiney'; did you mean tiny?"),
    (E, "[few, dim]", "[few, few]", "e.yaml:20: experiments.default.conditions.1: few is listed twice"),
    (E, "[few, dim]", "[]", "e.yaml:20: experiments.default.conditions: is empty; name at least one"),
    (E, "[few, dim]", "few", "e.yaml:20: experiments.default.conditions: must be a list, not 'few'"),
    (E, "source: fake", "source: fak",
     "e.yaml:23: profiles.small.source: unknown source 'fak'; did you mean fake?"),
    (E, "split: cut", "split: zzz",
     "e.yaml:24: profiles.small.split: unknown split 'zzz'; known: cut, named"),
    (E, "size: 64", "size: 64\n    recipe: stepps",
     "e.yaml:26: profiles.small.recipe: model tiny has no recipe 'stepps'; did you mean steps?"),
    (E, "size: 64", "size: 60",
     "e.yaml:25: profiles.small.size: 60 is no multiple of 16, which tiny needs"),
    (E, "size: 64", "size: 16\n    recipe: steps",
     "e.yaml:25: profiles.small.size: patches of 32 pixels (model tiny) do not fit into size 16"),
    (E, "all: {loss: mse}", "all: {patch: 40}",
     "e.yaml:28: profiles.small.training.all.patch: 40 is no multiple of 16, which tiny needs"),
    (E, "all: {loss: mse}", "tiny: {patch: 80}",
     "e.yaml:28: profiles.small.training.tiny.patch: "
     "patches of 80 pixels (model tiny) do not fit into size 64"),
    (E, "all: {loss: mse}", "tiny: {loss: mse_ms_ssim}", "e.yaml:28: profiles.small.training.tiny.loss: "
     "mse_ms_ssim (model tiny) needs images of 161 pixels or more"),
    (E, "all: {loss: mse}", "all: {epochs: 4}",
     "e.yaml:28: profiles.small.training.all.epochs: unknown key; known: "
     "learning_rate, batch, patch, patches_per_slice, augmentation, loss, precision, guard, target, budget, params"),
    (E, "all: {loss: mse}", "all: {params: {momentm: 0.5}}",
     "e.yaml:28: profiles.small.training.all.params.momentm: "
     "no network of the profile has such a parameter; did you mean momentum?"),
    (E, "all: {loss: mse}", "all: {batch: 4}", "e.yaml:28: profiles.small.training.all.batch: "
     "reaches no network: the recipe of each states its own; write it under the models, tiny, instead of all"),
    (E, "all: {loss: mse}", "all: {params: {residual: no}}",
     "e.yaml:28: profiles.small.training.all.params.residual: must be true or false, not 'no'; "
     "write true or false"),
    (E, "all: {loss: mse}", "tiny: {params: {momentum: abc}}",
     "e.yaml:28: profiles.small.training.tiny.params.momentum: must be a number, not 'abc'"),
    (E, "{depth: 3}", "{depth: 3.5}", "e.yaml:6: models.tiny.params.depth: must be a whole number, not 3.5"),
    (E, "{depth: 3}", "{depth: true}", "e.yaml:6: models.tiny.params.depth: must be a whole number, not true"),
    (E, "{depth: 3}", "{depth: 3, widths: null}",
     "e.yaml:6: models.tiny.params.widths: must be a list, not empty"),
    (E, "{depth: 3}", "{depth: 3, widths: [8, x]}",
     "e.yaml:6: models.tiny.params.widths.1: must be a whole number, not 'x'"),
    (E, "{depth: 3}", "{depth: 3, kind: mooving}", "e.yaml:6: models.tiny.params.kind: "
     "must be one of moving, batch, not 'mooving'; did you mean moving?"),
    (E, "{depth: 3}", "{depth: 3, pair: [1]}",
     "e.yaml:6: models.tiny.params.pair: must be a list of 2 values, not of 1"),
    (E, "{depth: 3}", "{depth: 3, label: 12}",
     "e.yaml:6: models.tiny.params.label: must be text, not 12; put it in quotes: '12'"),
    (E, "all: {loss: mse}", "tiney: {batch: 4}",
     "e.yaml:28: profiles.small.training.tiney: unknown model 'tiney'; did you mean tiny?"),
    (E, "source: fake", "source: two",
     "e.yaml:23: profiles.small.source: source two has no folder for condition dim; "
     "add it to sources.two.degraded"),
    (E, "ssim.column]", "ssim.colum]",
     "e.yaml:34: published.metrics.1: unknown metric 'ssim.colum'; did you mean ssim.column?"),
    (E, "{tiny: [30.0, 0.9]}", "{tiny: [30.0]}",
     "e.yaml:36: published.values.few.tiny: has 1 values for 2 metrics; give psnr.slice_max, ssim.column"),
    (E, "few: {tiny: [30", "fewer: {tiny: [30",
     "e.yaml:36: published.values.fewer: unknown condition 'fewer'; did you mean few?"),
    (E, "recipe: study", "recipe: studdy",
     "e.yaml:32: published.recipe: model tiny has no recipe 'studdy'; did you mean study?"),
    (D, "views: 60", "views: 60, electronic_noise: 5",
     "d.yaml:15: conditions.few: electronic_noise needs photons"),
    (D, "conditions:\n", "geometry: {preset: fan}\nconditions:\n",
     "d.yaml:14: geometry.preset: must be one of parallel360, parallel180, fan360, not 'fan'; "
     "did you mean fan360?"),
    (D, "conditions:\n", "geometry: {filter: hamming}\nconditions:\n", "d.yaml:14: geometry.filter: "
     "must be one of ram-lak, shepp-logan, cosine, hann, not 'hamming'"),
    (D, "conditions:\n", "geometry: {preset: fan360, views: 1000}\nconditions:\n",
     "d.yaml:16: conditions.few.views: 60 views do not divide the 1000 of the geometry; take 50, for example"),
    (D, "shares, test: 0.25", "kfold",
     "d.yaml:18: splits.cut.folds: is missing, and rule kfold needs it; must be a whole number at least 2"),
    (D, "shares, test: 0.25", "kfold, folds: 1",
     "d.yaml:18: splits.cut.folds: must be a whole number at least 2, not 1"),
    (D, "shares, test: 0.25", "kfold, folds: 5, test: ['0001']",
     "d.yaml:18: splits.cut.test: is for rule patients, shares or order, not for kfold; "
     "leave it out, or take another rule"),
    (D, "rule: shares", "rule: order", "d.yaml:18: splits.cut.test: must be a whole number above 0, not 0.25"),
    (D, "test: 0.25, validation: 0.2", "test: 3, validation: 0.2",
     "d.yaml:18: splits.cut.test: must be a number above 0 and below 1, not 3"),
    (D, "shares, test: 0.25, validation: 0.2", "list",
     "d.yaml:18: splits.cut.file: is missing, and rule list needs it; must be text"),
    (D, "shares, test: 0.25, validation: 0.2", "list, file: own.csv, seed: x",
     "d.yaml:18: splits.cut.seed: must be a whole number, not 'x'"),
    (D, "test: 0.25", "tst: 0.25", "d.yaml:18: splits.cut.tst: unknown key; did you mean test?"),
    (D, "rule: shares", "rule: 3", "d.yaml:18: splits.cut.rule: unknown rule 3; "
     "known: patients, shares, folders, order, kfold, list"),
    (D, "{rule: shares, test: 0.25, validation: 0.2}", "0.25",
     "d.yaml:18: splits.cut: must be keys and values, not 0.25"),
    (D, "layout: folders", "layout: folder",
     "d.yaml:10: sources.two.layout: unknown layout 'folder'; did you mean folders?"),
    (D, "layout: folders", "layout: folders\n    acquisition: 1", "d.yaml:11: sources.two.acquisition: "
     "is for layout dicom, not for folders; leave it out, or take another layout"),
    (D, "layout: folders", "layout: dicom\n    unit: 1/cm",
     "d.yaml:11: sources.two.unit: must be HU, not '1/cm'"),
    (D, "{few: low}", "{}", "d.yaml:13: sources.two.degraded: is empty; name at least one"),
    (D, "path: ${BENCH_TEST_DATA}/mine", "path: x\n    slices: 3",
     "d.yaml:7: sources.mine.slices: is for kind phantom, not for npz; leave it out, or take another kind"),
    (D, "kind: npz", "kind: dicom\n    series: [a, 1]",
     "d.yaml:6: sources.mine.series.1: must be text, not 1; put it in quotes: '1'"),
    (D, "kind: npz", "kind: dicom\n    series: 1",
     "d.yaml:6: sources.mine.series: must be text or a list, not 1; put it in quotes: '1'"),
    (E, "learning_rate: 1e-3", "learning_rate: {from: 1e-3, halve_every: 2, start: 1e-3}",
     "e.yaml:9: models.tiny.recipes.study.learning_rate.from: unknown key; known: start, halve_every"),
    (E, "all: {loss: mse}", "all: {learning_rate: {rates: [1e-3, 2], epochs: [3, 1]}}",
     "e.yaml:28: profiles.small.training.all.learning_rate.rates.1: "
     "must be a number above 0 and at most 1, not 2"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "expected"), PLANTED, ids=range(len(PLANTED)))
def test_one_planted_fault_is_one_line(folder: Path, file: str, old: str, new: str, expected: str) -> None:
    text = {D: DATASETS, E: EXPERIMENTS}[file]
    assert text.count(old) == 1
    changed = {{D: "datasets", E: "experiments"}[file]: text.replace(old, new)}
    assert faults(folder, **changed) == [expected]


def test_reserved_names(folder: Path) -> None:
    for name in ("input", "all"):
        text = EXPERIMENTS.replace("  tiny:\n", f"  {name}:\n").replace("[tiny]", f"[{name}]")
        text = text.replace("{tiny: [", f"{{{name}: [")
        line = f"e.yaml:3: models.{name}: the name '{name}' is reserved; choose another"
        assert faults(folder, experiments=text) == [line]


def test_a_split_and_a_source_that_do_not_go_together(folder: Path) -> None:
    study = DATASETS.replace("layout: folders", "layout: study").replace(
        "    reference: full\n    degraded: {few: low}\n", ""
    )
    line = (
        "e.yaml:24: profiles.small.split: source two does not name its patients; "
        "take a split with rule: folders"
    )
    assert faults(folder, study, EXPERIMENTS.replace("source: fake", "source: two")) == [line]
    kept = DATASETS.replace("{rule: shares, test: 0.25, validation", "{rule: folders, validation")
    line = (
        "e.yaml:24: profiles.small.split: split cut keeps the folders of the study, "
        "which source fake has not; take a split of patients or shares"
    )
    assert faults(folder, kept) == [line]


def test_all_faults_of_both_files_at_once_in_the_order_of_their_lines(folder: Path) -> None:
    datasets, experiments = DATASETS, EXPERIMENTS
    planted = [PLANTED[number] for number in (2, 6 + 1, 13, 14, 17)] + [
        entry
        for entry in PLANTED
        if entry[2]
        in ("{depth: 3, widht: 4}", "models: [tiney]", "source: fak", "ssim.colum]", "all: {epochs: 4}")
    ]
    assert len(planted) == 10
    for file, old, new, _ in planted:
        datasets = datasets.replace(old, new) if file == D else datasets
        experiments = experiments.replace(old, new) if file == E else experiments
    # a source whose kind is unknown is still a known name, a broken entry hides no other
    assert faults(folder, datasets, experiments) == [entry[3] for entry in planted]


def test_broken_yaml_in_one_file_does_not_hide_the_other(folder: Path) -> None:
    found = faults(folder, "schema: 1\nschema: 1\n", EXPERIMENTS.replace("{loss: mse}", "{bach: 4}"))
    assert found == [
        "d.yaml:2: schema: repeated key, first on line 1; remove one of them",
        "e.yaml:28: profiles.small.training.all.bach: unknown key; did you mean batch?",
    ]


def test_a_section_of_the_wrong_kind_makes_no_further_noise(folder: Path) -> None:
    text = (
        DATASETS[: DATASETS.index("conditions:")] + "conditions: 5\n" + DATASETS[DATASETS.index("splits:") :]
    )
    assert faults(folder, text) == ["d.yaml:14: conditions: must be keys and values, not 5"]


def test_a_fault_is_not_reported_again_for_what_depends_on_it(folder: Path) -> None:
    start, end = EXPERIMENTS.index("      study:\n"), EXPERIMENTS.index("      steps:\n")
    broken = EXPERIMENTS[:start] + "      study: 5\n" + EXPERIMENTS[end:]
    assert faults(folder, experiments=broken) == [
        "e.yaml:8: models.tiny.recipes.study: must be keys and values, not 5"
    ]
    wide = DATASETS.replace("kind: npz", "kind: flt\n    pixel_mm: wide")
    assert faults(folder, wide) == ["d.yaml:6: sources.mine.pixel_mm: must be a number above 0, not 'wide'"]


def test_a_missing_section(folder: Path) -> None:
    text = DATASETS[: DATASETS.index("splits:")]
    assert faults(folder, text) == ["d.yaml:1: splits: is missing; must be keys and values"]


def test_a_missing_file_is_named(folder: Path) -> None:
    load(folder)
    with pytest.raises(BenchErrors) as caught:
        config.load(folder / "none.yaml", folder / "e.yaml")
    assert str(caught.value) == f"{folder}/none.yaml: no such file"


def test_an_unknown_profile_names_the_nearest(folder: Path) -> None:
    found = load(folder)
    with pytest.raises(BenchError, match=r"unknown profile 'smal'; did you mean small\?"):
        config.profile(found, "smal")


@pytest.mark.parametrize(("key", "value"), [("reference", "fbp"), ("reference_photons", "1e6")])
def test_stored_pairs_keep_their_references_and_other_profiles_may_have_others(
    folder: Path, key: str, value: str
) -> None:
    datasets = DATASETS.replace("{few: low}", "{few: low, dim: low}") + f"geometry:\n  {key}: {value}\n"
    stored = "  stored: {source: two, split: cut, size: 64, budget: {slices_seen: 2e2, checks: 2}}\n"
    found = load(folder, datasets, EXPERIMENTS.replace("published:\n", f"{stored}published:\n"))
    assert config.profile(found, "small").source == "fake"
    line = (
        rf"d\.yaml:21: geometry\.{key}: profile stored reads pairs whose references lie on disk; leave it out"
    )
    with pytest.raises(BenchError, match=line):
        config.profile(found, "stored")


def test_more_photons_than_the_full_dose_are_refused_where_they_are_asked_for(folder: Path) -> None:
    found = load(folder, DATASETS + "geometry:\n  reference_photons: 7e4\n")
    assert config.profile(found, "small").source == "fake"
    found = load(folder, DATASETS + "geometry:\n  reference_photons: 6.9e4\n")
    line = (
        r"d\.yaml:16: conditions\.dim\.photons: 70000 photons are more than the 69000 of the reference "
        r"\(reference_photons\), of which a lower dose keeps a part; take at most 69000, or raise "
        r"geometry\.reference_photons"
    )
    with pytest.raises(BenchError, match=line):
        config.profile(found, "small")


def test_a_network_that_is_no_python_is_named_with_its_line(folder: Path) -> None:
    (folder / "nets" / "tiny.py").write_text("x = 1\ndef build(:\n")
    (line,) = faults(folder)
    assert line.startswith("e.yaml:5: models.tiny.build: not Python: ")
    assert line.endswith("(nets/tiny.py:2)")


# --- paths ---


def test_paths_are_filled_in_only_when_a_source_is_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BENCH_TEST_DATA", "BENCH_TEST_LIST"):
        monkeypatch.delenv(name, raising=False)
    found = load(folder)
    with pytest.raises(BenchErrors) as caught:
        found.source("mine")
    assert str(caught.value).replace(f"{folder}/", "") == (
        "d.yaml:6: sources.mine.path: BENCH_TEST_DATA is not set; "
        "set it to a folder, for example: export BENCH_TEST_DATA=/path/to/folder"
    )
    monkeypatch.setenv("BENCH_TEST_DATA", "/somewhere")
    source = found.source("mine")
    assert isinstance(source, schema.FolderSource)
    assert (source.path, source.patients) == ("/somewhere/mine", "lists/patients.csv")
    monkeypatch.setenv("BENCH_TEST_LIST", "/other")
    assert found.source("mine").patients == "/other/patients.csv"  # type: ignore[union-attr]
    assert found.datasets.sources["mine"].path == "${BENCH_TEST_DATA}/mine"  # type: ignore[union-attr]


def test_resolve_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "a b")
    monkeypatch.setenv("EMPTY", "")
    assert config.resolve_path("${A}/x/${A}") == Path("a b/x/a b")
    assert config.resolve_path("${EMPTY:-e}/$A") == Path("e/$A")
    assert config.resolve_path("${EMPTY:-}x") == Path("x")
    with pytest.raises(BenchError, match="EMPTY is not set"):
        config.resolve_path("${EMPTY}/x")
    with pytest.raises(BenchError, match="no variable can be read"):
        config.resolve_path("${A/x")


# --- the files that come with this program ---


def test_without_arguments_the_current_folder_comes_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    packaged = config.load()
    assert packaged.datasets_file == ROOT / "datasets.yaml"
    (folder / "datasets.yaml").write_text(DATASETS)
    (folder / "experiments.yaml").write_text(EXPERIMENTS)
    assert config.load().datasets_file == Path("datasets.yaml")
    assert list(config.load().experiments.models) == ["tiny"]


def test_packaged_files_prefer_the_installed_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "site" / "bench"
    (package / "defaults").mkdir(parents=True)
    monkeypatch.setattr("bench.__file__", str(package / "__init__.py"))
    assert packaged("smoke.json") == folder / "site/tests/golden/smoke.json"
    (package / "defaults" / "smoke.json").write_text("{}")
    assert packaged("smoke.json") == package / "defaults" / "smoke.json"
    assert packaged("splits/clean-354.csv") == package / "defaults" / "splits" / "clean-354.csv"


# --- importing ---


def test_nothing_here_imports_a_backend_or_a_network() -> None:
    files = [str(ROOT / name) for name in ("datasets.yaml", "experiments.yaml")]
    code = """
import json, sys
from pathlib import Path
from bench import environment
from bench.config import load
from bench.network_code import hashing
from bench.plan import expand
found = load.load(*map(Path, sys.argv[1:]))
hashing.code_hash("models.unet:build", found.base)
environment.describe()
names = ("keras", "tensorflow", "jax", "models", "numba", "torch")
print(json.dumps([name for name in names if name in sys.modules]))
"""
    command = [sys.executable, "-c", code, *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
