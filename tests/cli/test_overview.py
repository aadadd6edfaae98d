from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench import gpus
from bench.cli import data_overview, overview
from bench.cli.outlook import Outlook
from bench.cli.text import folded
from bench.data.sources.catalogue import Catalogue, SliceRef
from bench.data.splits import Folds, Selection
from bench.execution import known_speeds, resolve
from bench.plan.cells import PlannedCell
from bench.plan.forecast import CellForecast, Forecast
from bench.records import forecasts, speeds
from bench.records.store import RunStore
from bench.training.checkpoint import State
from tests import tiny
from tests.plan.test_forecast import speed as figures

CHECKS = [
    {"epoch": 1, "psnr": 20.0, "psnr_input": 21.5, "seconds": 30.0},
    {"epoch": 2, "psnr": 23.25, "psnr_input": 21.5, "seconds": 45.0},
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> resolve.ResolvedRun:
    return resolve.resolve(tiny.request(tiny.write(tmp_path_factory.mktemp("plan"))))


def begun(prepared: resolve.ResolvedRun, root: Path) -> RunStore:
    """A run with a finished input, a diverged network, and one at its second epoch."""
    store = RunStore(root)
    store.write_plan(prepared.plan)
    first, _, diverged, at_work = prepared.plan.cells
    store.cell(first.id).write_record(tiny.record_of(first))
    store.cell(first.id).write_scores([{"patient": "P", "slice": "1", **dict.fromkeys(tiny.METRICS, 1.0)}])
    store.cell(diverged.id).write_record(tiny.record_of(diverged, "diverged"))
    store.cell(at_work.id).write_history(CHECKS)
    return store


def test_plan_says_what_is_trained_on_what_and_how_long(prepared: resolve.ResolvedRun) -> None:
    files = [f"{name}: {file.words}" for name, file in prepared.plan.configuration.items()]
    head = "".join(f"{folded(line)}\n" for line in files)
    expected = f"""\
        profile tiny
        source phantom, 32 x 32 pixels; slices: 12 train, 4 validation, 4 test
        split phantom: split file {prepared.folds.sha256[:16]} (SHA-256)
        2 cells to train, and the untreated input scored on each of 2 datasets
        scaled: size 32 instead of 512; 90 views instead of 720; budget of 96 slices
          seen instead of 2 epochs
        scan: parallel beam, 90 views (45 directions) over 360 degrees
          sparse: 30 views (15 directions)
        forecast: run bench speed --profile tiny
        disk: pairs to build 0.2 MB

        model  condition  seed  updates  epochs  status
        -----  ---------  ----  -------  ------  ------
        input  sparse     0     -        -       new
        input  noisy      0     -        -       new
        unet   sparse     1     24       2       new
        unet   noisy      1     24       2       new"""
    assert overview.of_plan(prepared) == head + textwrap.dedent(expected)


def test_status_says_how_far_each_cell_is_and_why_one_ended(
    prepared: resolve.ResolvedRun, tmp_path: Path
) -> None:
    diverged = prepared.plan.cells[2].id
    expected = f"""\
        profile tiny: 2 of 4 cells have ended

        model  condition  seed  status      epoch  val. dB  gain   time
        -----  ---------  ----  ------      -----  -------  ----   ----
        input  sparse     0     finished    -      -        -      -
        input  noisy      0     waits       -      -        -      -
        unet   sparse     1     diverged    0/2    -        -      -
        unet   noisy      1     unfinished  2/2    23.25    +1.75  1 min 15 s
        {diverged}: why"""
    assert overview.of_run(begun(prepared, tmp_path)) == textwrap.dedent(expected)


def test_data_names_the_patients_of_each_part(prepared: resolve.ResolvedRun) -> None:
    expected = f"""\
        source phantom (phantom): 20 slices, 5 patients
        split phantom: split file {prepared.folds.sha256[:16]} (SHA-256)
        scan: parallel beam, 90 views (45 directions) over 360 degrees
          sparse: 30 views (15 directions)

        part        slices  patients  who
        ----        ------  --------  ---
        train       12      3         P003, P004, P005
        validation  4       1         P002
        test        4       1         P001

        no patient is in two parts"""
    assert data_overview.of_data(prepared) == textwrap.dedent(expected)


def many(prepared: resolve.ResolvedRun, known: bool) -> resolve.ResolvedRun:
    """The same with 47 patients of long names and 30 refused files."""
    names = [f"QIN-LUNG-01-{number:04d}" for number in range(47)]
    refs = tuple(SliceRef(name, "1", "f", 0, 0.0, 0.7) for name in names)
    refused = tuple(
        (f"folder/of/a/scan/IM{n:06d}.dcm", "a localizer, not an axial slice " * 2) for n in range(30)
    )
    catalogue = Catalogue("qin-lung-ct", "dicom", refs, "f", known, refused)

    class Source:
        def catalogue(self) -> Catalogue:
            return catalogue

    parts: Mapping[str, tuple[SliceRef, ...]] = {
        "train": refs[:40],
        "validation": refs[40:42],
        "test": refs[42:],
    }
    values = {**vars(prepared), "reader": Source(), "folds": Folds((Selection(dict(parts)),))}
    return resolve.ResolvedRun(**values)


@pytest.mark.parametrize("known", [True, False])
def test_many_patients_and_refused_files_stay_within_80_columns(
    prepared: resolve.ResolvedRun, known: bool
) -> None:
    text = data_overview.of_data(many(prepared, known))
    assert tiny.widest(text) <= 80
    assert "30 files refused:" in text
    assert text.count("IM0000") == data_overview.REFUSED_SHOWN
    assert "and 10 more" in text
    assert ("patients unknown" in text) is not known
    assert ("no patient is in two parts" in text) is known
    assert all(f"QIN-LUNG-01-{n:04d}" in text for n in range(47))


def test_plan_and_status_of_the_default_profiles_stay_within_80_columns(tmp_path: Path) -> None:
    files = {"datasets": tiny.ROOT / "datasets.yaml", "experiments": tiny.ROOT / "experiments.yaml"}
    prepared = resolve.resolve(tiny.request(tmp_path, "smoke", **files))
    store = begun(resolve.resolve(tiny.request(tiny.write(tmp_path))), tmp_path / "runs" / "tiny")
    smoke = RunStore(tmp_path / "runs" / "smoke")
    smoke.write_plan(prepared.plan)
    for cell in prepared.plan.cells[6:]:
        smoke.cell(cell.id).write_record(tiny.record_of(cell, "diverged"))
        smoke.cell(cell.id).write_history([{**row, "seconds": 99999.0} for row in CHECKS])
    texts = [overview.of_plan(prepared), overview.of_run(smoke), overview.of_run(store)]
    assert max(map(tiny.widest, texts)) <= 80
    assert texts[0].count("sparseview_180") == 5  # its directions, the input and three networks
    assert "  sparseview_180: 180 views (90 directions)" in texts[0].splitlines()


def test_an_odd_number_of_views_is_remarked_on_and_stored_pairs_have_none(
    prepared: resolve.ResolvedRun, tmp_path: Path
) -> None:
    files = tiny.write(tmp_path, tiny.DATASETS.replace("sparse: {views: 30}", "sparse: {views: 15}"))
    odd = resolve.resolve(tiny.request(files))
    for text in (overview.of_plan(odd), data_overview.of_data(odd)):
        assert "  sparse: 15 views (15 directions)\nremark: sparse: 15 views (15 directions) leave" in text
        assert "of 30 views (15 directions): an odd" in " ".join(text.split())
        assert tiny.widest(text) <= 80
    cells = [
        cell.model_copy(update={"spec": cell.spec.model_copy(update={"dataset": stored})})
        for cell in prepared.plan.cells
        for data in [cell.spec.dataset.data.model_copy(update={"kind": "pairs"})]
        for stored in [cell.spec.dataset.model_copy(update={"data": data})]
    ]
    plan = prepared.plan.model_copy(update={"cells": cells})
    text = overview.of_plan(resolve.ResolvedRun(**{**vars(prepared), "plan": plan}))
    assert "directions" not in text and "scan:" not in text


def test_plan_forecasts_what_is_left_by_the_speeds_that_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))
    prepared = resolve.resolve(tiny.request(tiny.write(tmp_path), threads=0))
    trained = prepared.plan.cells[2].spec
    key = speeds.key(trained, known_speeds.here(1))
    speeds.write(tmp_path / "cache", {key: figures(date="2026-11-26T23:59:00+00:00")})
    # two cells at once, each 96 / 2 s of training, 2 x 4 x 1 s of checks and 4 x 2.5 s of scoring; two inputs of
    # 4 x 2 s; two tracings of 8 s; a start of 5 s
    total = 5 + (2 * (48 + 8 + 10) + 2 * 8 + 2 * 8) / 2
    text = overview.of_plan(prepared).replace("\n  ", " ")
    line = f"forecast: 1 min {total - 60:.0f} s on this machine (bench speed of 2026-11-26), 2 cells at once after"
    assert line in text
    # a cell with half of its network's two tracings; its memory by the rule: 4 x 1e8 bytes of tensors beside 0.9 GB
    assert text.count("1 min 14 s  new") == 2
    assert "memory: 1.3 GB for each of 2 cells at once: 1.3 GB estimated" in text
    for cell in prepared.plan.cells:
        prepared.store.cell(cell.id).write_record(tiny.record_of(cell, "diverged"))
    assert "forecast:" not in overview.of_plan(prepared)


def test_plan_says_of_every_cell_what_a_run_does_with_it(tmp_path: Path) -> None:
    prepared = resolve.resolve(tiny.request(tiny.write(tmp_path)))
    done, _, failed, begun = prepared.plan.cells
    prepared.store.cell(done.id).write_record(tiny.record_of(done))
    prepared.store.cell(done.id).write_scores(
        [{"patient": "P", "slice": "1", **dict.fromkeys(tiny.METRICS, 1.0)}]
    )
    prepared.store.cell(failed.id).write_record(tiny.record_of(failed, "failed", parameters={"total": 250}))
    state = State(1, [], [], [], None, [], updates=12)
    prepared.store.cell(begun.id).folder.mkdir()
    state.save(prepared.store.cell(begun.id).state)
    text = overview.of_plan(prepared)
    table = text.partition("status\n")[2].splitlines()[1:]
    assert [line[37:].strip() for line in table] == [
        "done", "new", "failed, waits for --retry-failed", "goes on from update 12",
    ]  # fmt: skip
    # one network is left: 250 numbers of 4 bytes, four times in its state
    assert "disk: pairs to build 0.2 MB, weights 0.0 MB, states of cells at work 0.0 MB" in text
    outlook = Outlook.of(prepared)
    assert (outlook.weights, outlook.states, outlook.pairs.bytes) == (1000, 4000, 3 * 20 * 32**2 * 4)


def test_plan_says_what_the_test_patients_could_show(tmp_path: Path) -> None:
    files = tiny.write(tmp_path, tiny.DATASETS.replace("test: [P001]", "test: [P001, P003]"))
    prepared = resolve.resolve(tiny.request(files))
    text = overview.of_plan(prepared).replace("\n  ", " ")
    assert (
        "smallest PSNR difference that 2 test patients could show: 1.15 dB" in text
    )  # 11.55 deviations of 0.1 dB
    assert "0.10 dB from patient to patient, an assumption" in text


def test_status_holds_the_forecast_against_the_outcome(prepared: resolve.ResolvedRun, tmp_path: Path) -> None:
    store, (*_, ended, at_work) = begun(prepared, tmp_path), prepared.plan.cells
    times = {"train_s": 200.0, "check_s": 15.0, "score_s": 5.0}
    store.cell(ended.id).write_record(tiny.record_of(ended, timings=times))
    store.cell(ended.id).write_scores([{"patient": "P", "slice": "1", **dict.fromkeys(tiny.METRICS, 1.0)}])
    store.cell(at_work.id).write_history(CHECKS[:1])
    cells = {cell.id: CellForecast(training=200) for cell in prepared.plan.cells}
    forecasts.freeze(tmp_path, Forecast(total=0, at_once=1, start=0, cells=cells), anew=True)
    head, *lines = overview.of_run(store).splitlines()
    # half of a network, 1.1 times its forecast, and an input, whose forecast nothing but networks corrects
    assert head == "profile tiny: 2 of 4 cells have ended, about 5 min 30 s left while it runs"
    assert lines[-4:] == [
        "finished  cells  forecast    took        ratio",
        "--------  -----  --------    ----        -----",
        "unet      1      3 min 20 s  3 min 40 s  1.10",
        "all       1      3 min 20 s  3 min 40 s  1.10",
    ]


def test_plan_says_in_one_line_that_the_speeds_cannot_be_read(tmp_path: Path) -> None:
    prepared = resolve.resolve(tiny.request(tiny.write(tmp_path)))
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "speed.json").write_text("{}")
    text = overview.of_plan(prepared).replace("\n  ", " ")
    assert "speed.json: damaged, or written by another program; bench speed measures anew" in text
    assert "forecast:" not in text


def test_plan_of_unscaled_cells_says_as_published(prepared: resolve.ResolvedRun) -> None:
    cells = [cell.model_copy(update={"scaled": ()}) for cell in prepared.plan.cells]
    plan = prepared.plan.model_copy(update={"cells": cells})
    text = overview.of_plan(resolve.ResolvedRun(**{**vars(prepared), "plan": plan}))
    assert "as published" in text.splitlines()


def test_plan_names_only_the_points_that_all_models_share(prepared: resolve.ResolvedRun) -> None:
    points: list[tuple[str, ...]] = [
        (),
        (),
        ("size 32 instead of 512", "batch 8"),
        ("size 32 instead of 512",),
    ]
    cells = [c.model_copy(update={"scaled": p}) for c, p in zip(prepared.plan.cells, points, strict=True)]
    plan = prepared.plan.model_copy(update={"cells": cells})
    text = overview.of_plan(resolve.ResolvedRun(**{**vars(prepared), "plan": plan}))
    assert "scaled: size 32 instead of 512" in text.splitlines()


def test_plan_and_data_check_say_where_rays_are_starved(prepared: resolve.ResolvedRun) -> None:
    def dimmed(cell: PlannedCell) -> PlannedCell:
        dose = cell.spec.dataset.dose
        dose = dose.model_copy(update={"photons": dose.photons and 1e3})
        dataset = cell.spec.dataset.model_copy(update={"dose": dose})
        return cell.model_copy(update={"spec": cell.spec.model_copy(update={"dataset": dataset})})

    plan = prepared.plan.model_copy(update={"cells": [dimmed(cell) for cell in prepared.plan.cells]})
    remark = "remark: noisy: 64% of the rays through 30 cm of water expect under 10"
    for text in (overview.of_plan, data_overview.of_data):
        assert remark in text(resolve.ResolvedRun(**{**vars(prepared), "plan": plan}))
        assert "remark" not in text(prepared)


TWO = tiny.EXPERIMENTS.replace("    build: models.unet:build\n    params: {filters: [4, 8], momentum: 0.5}\n", (
    "    build: models.unet:build\n    params: {filters: [4, 8]}\n"
)).replace("experiments:\n", """\
  own:
    build: own:build
    recipes:
      study: {learning_rate: 1e-3, epochs: 3, batch: 2}
experiments:
""").replace("models: [unet]", "models: [unet, own]")  # fmt: skip


@pytest.mark.parametrize(
    ("training", "remarks"),
    [
        ("{unet: {batch: 2}}", []),
        (
            "{all: {learning_rate: 1e-4, loss: mse, params: {momentum: 0.9}, budget: {slices_seen: 48, checks: 2}},"
            " unet: {}}",
            ["remark: own, which the profile's training does not name, takes loss, budget from training.all; "
             "keeps its own learning_rate; has no parameter momentum"],
        ),
        (
            "{own: {budget: {slices_seen: 2000, checks: 2}}}",
            ["remark: a cell of own sees 2,000 slices, 21 times the median of the other networks; set "
             "profiles.tiny.training.own.budget where that is not meant"],
        ),
        ("{own: {budget: {slices_seen: 960, checks: 2}}}", []),  # ten times
    ],
)  # fmt: skip
def test_plan_remarks_on_what_is_taken_from_where_and_on_budgets_that_are_far_apart(
    tmp_path: Path, training: str, remarks: list[str]
) -> None:
    text = TWO.replace(
        "slices_seen: 96, checks: 2}}", f"slices_seen: 96, checks: 2}}, training: {training}}}", 1
    )
    (tmp_path / "own.py").write_text("def build(**params): ...\n")
    prepared = resolve.resolve(tiny.request(tiny.write(tmp_path, experiments=text)))
    head = overview.of_plan(prepared).partition("\n\n")[0].replace("\n  ", " ").splitlines()
    assert [line for line in head if line.startswith("remark: ")] == remarks
