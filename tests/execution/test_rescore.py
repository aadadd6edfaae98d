"""``bench score``: metrics added later reach finished cells, without training and without touching anything else."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.errors import BenchError
from bench.events import CellEnded, Event, Message
from bench.execution import rescore, runner
from bench.metrics import METRICS, Metric, Pair
from bench.records import record as records
from bench.records.record import Record
from bench.records.rescoring import merge, outdated
from bench.records.store import CellStore, RunStore
from tests import tiny


def mae_hu(pair: Pair) -> float:
    """Return the mean absolute error in HU."""
    return 1000.0 * float(np.mean(np.abs(pair.image - pair.reference)))


PUBLISH = report.publish
MAE = Metric("mae.hu", "MAE", "HU", "lower", "none; 1000 x MAE in mu/mu_water", 1, 2, mae_hu)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the cells of one condition, the input and a small network, have run in this process."""
    return tiny.trained(tmp_path_factory.mktemp("trained"), ("unet:noisy", "input:noisy"))


@pytest.fixture
def folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, where cells are scored in this process and no tables are drawn.

    Each copy stands in the same place: a network that is kept for its code, by path and hash, is not traced anew.
    """
    tiny.use_executor(monkeypatch, tiny.InProcess)
    monkeypatch.setattr(report, "publish", tiny.no_tables)
    place = trained.with_name("copy")
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.copytree(trained, place))


def score(folder: Path, *only: str) -> tuple[int, list[str], list[CellEnded]]:
    """Score cells again, those of one condition without ``only``; return what the command would make of it."""
    events: list[Event] = []
    run = rescore.run(tiny.request(folder, only=only or ("unet:noisy", "input:noisy")))
    try:
        while True:
            events.append(next(run))
    except StopIteration as stop:
        ended = [event for event in events if isinstance(event, CellEnded)]
        return stop.value, [event.text for event in events if isinstance(event, Message)], ended


def cells(folder: Path) -> dict[str, CellStore]:
    """Return the cells on disk, by model."""
    return {path.name.partition("-")[0]: CellStore(path) for path in (folder / "runs" / "tiny").glob("*-s*")}


def files(store: CellStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.folder.iterdir()}


def record_of(store: CellStore) -> Record:
    found = store.read_record()
    assert found is not None
    return found


def forget(store: CellStore, metric: str) -> None:
    """Take a metric out of a record and its scores, as if the cell had been scored before there was one."""
    rows = [{k: v for k, v in row.items() if k != metric} for row in store.read_scores()]
    kept = {k: v for k, v in record_of(store).metrics.items() if k != metric}
    store.write_scores(rows)
    store.write_record(record_of(store).model_copy(update={"metrics": kept}))


def test_up_to_date_cells_need_nothing(folder: Path) -> None:
    before = {model: files(store) for model, store in cells(folder).items()}
    bad, said, ended = score(folder)
    assert (bad, said[-1], ended) == (0, "0 cells scored again, 2 up to date", [])
    assert {model: files(store) for model, store in cells(folder).items()} == before


def test_scores_that_were_taken_away_come_back_bit_for_bit(folder: Path) -> None:
    before = {model: files(store) for model, store in cells(folder).items()}
    for store in cells(folder).values():
        forget(store, "ssim.column")
        forget(store, "rmse.hu")
    bad, said, ended = score(folder)
    assert (bad, said[-1], len(ended)) == (0, "2 cells scored again, 0 up to date", 2)
    for model, store in cells(folder).items():
        after = files(store)
        assert {n: b for n, b in after.items() if n != "record.json"} == {
            n: b for n, b in before[model].items() if n != "record.json"
        }
        now = record_of(store)
        (note,) = now.rescored
        assert (note.metrics, note.scoring_version, bool(note.environment)) == (
            ("ssim.column", "rmse.hu"),
            1,
            True,
        )
        old = records.loads(before[model]["record.json"].decode())
        assert now.model_copy(update={"rescored": ()}) == old


def test_a_metric_added_later_reaches_the_record_and_every_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METRICS, MAE.id, MAE)
    monkeypatch.setattr(report, "publish", PUBLISH)
    bad, _, ended = score(folder)
    assert (bad, len(ended)) == (0, 2)
    for store in cells(folder).values():
        assert record_of(store).metrics["mae.hu"] == MAE.definition
        rows = store.read_scores(record_of(store))
        assert store.score_columns(record_of(store)) == ("patient", "slice", *METRICS)
        assert all(0 < float(row["mae.hu"]) <= float(row["rmse.hu"]) for row in rows)
    page = (folder / "reports" / "tiny" / "results.md").read_text(encoding="utf-8")
    mean = np.mean([float(row["mae.hu"]) for row in cells(folder)["input"].read_scores()])
    (line,) = (line for line in page.splitlines() if line.startswith("| MAE (HU)") and "noisy" in line)
    assert f" {mean:.2f} " in line
    assert page.count("finished, scored again 20") == 2
    assert "MAE in HU (mae.hu, version 1, lower is better)" in page
    csv = (folder / "reports" / "tiny" / "results.csv").read_text(encoding="utf-8")
    assert csv.count(",mae.hu,") == 4  # those of the other condition have no value yet
    assert score(folder)[1][-1] == "0 cells scored again, 2 up to date"


def test_a_newer_version_replaces_its_own_scores_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {model: store.read_scores() for model, store in cells(folder).items()}
    newer = dataclasses.replace(METRICS["rmse.hu"], version=2, function=lambda pair: 1.0)
    monkeypatch.setitem(METRICS, "rmse.hu", newer)
    assert score(folder)[0] == 0
    for model, store in cells(folder).items():
        assert store.read_scores() == [{**row, "rmse.hu": 1.0} for row in old[model]]
        assert record_of(store).metrics["rmse.hu"]["version"] == 2
    monkeypatch.undo()
    tiny.use_executor(monkeypatch, tiny.InProcess)
    bad, said, _ = score(folder)
    assert bad == 2
    assert (
        sum("cannot be scored again: a later version of this program has scored it" in t for t in said) == 2
    )


def test_another_scoring_version_computes_all_again(folder: Path) -> None:
    store = cells(folder)["input"]
    before = store.read_scores()
    store.write_record(record_of(store).model_copy(update={"scoring_version": 0}))
    assert outdated(record_of(store)) == tuple(METRICS)
    assert score(folder, "input:noisy")[0] == 0
    assert (store.read_scores(), record_of(store).scoring_version) == (before, 1)


def drop_weights(store: CellStore, folder: Path) -> None:
    store.weights.unlink()


def swap_weights(store: CellStore, folder: Path) -> None:
    arrays = store.read_weights()
    store.write_weights([str(i) for i in range(len(arrays))], [array + 1 for array in arrays])


def swap_weights_of_an_old_record(store: CellStore, folder: Path) -> None:
    swap_weights(store, folder)
    store.write_record(record_of(store).model_copy(update={"weights_sha256": ""}))


def other_pixels(store: CellStore, folder: Path) -> None:
    data = {**record_of(store).data, "degraded": "00"}
    store.write_record(record_of(store).model_copy(update={"data": data}))


def unfinished(store: CellStore, folder: Path) -> None:
    store.write_record(record_of(store).model_copy(update={"status": "diverged"}))


def other_network(store: CellStore, folder: Path) -> None:
    store.write_weights(["a"], [np.zeros(3, np.float32)])
    store.write_record(record_of(store).model_copy(update={"weights_sha256": ""}))


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (drop_weights, "weights.npz is not there"),
        (swap_weights, "weights.npz is not the file that its record names"),
        (swap_weights_of_an_old_record, "PSNR comes out as "),
        (other_pixels, "its pixels are not those that the cell was scored on"),
        (unfinished, "it has not finished (diverged)"),
        (other_network, "the weights do not fit the network"),
    ],
)
def test_a_cell_that_cannot_be_scored_again_says_why_and_stays(
    folder: Path, plant: Callable[[CellStore, Path], None], reason: str
) -> None:
    store = cells(folder)["unet"]
    forget(store, "rmse.hu")
    plant(store, folder)
    before = {name: data for name, data in files(store).items() if name != "log.txt"}
    bad, said, ended = score(folder)
    assert bad == 1
    assert any(reason in text for text in (*said, *(one.message for one in ended)))
    assert said[-1] == "0 cells scored again, 1 up to date, 1 could not be scored again"
    assert {name: data for name, data in files(store).items() if name != "log.txt"} == before


def test_a_cell_of_other_settings_or_without_pairs_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store in cells(folder).values():
        forget(store, "rmse.hu")
    before = cells(folder)["unet"].folder
    text = (
        (folder / "experiments.yaml")
        .read_text(encoding="utf-8")
        .replace("filters: [4, 8]", "filters: [4, 4]")
    )
    (folder / "experiments.yaml").write_text(text, encoding="utf-8")
    shutil.rmtree(folder / "cache")

    def full(*_: Any) -> Any:
        raise BenchError("disk full")

    monkeypatch.setattr(runner, "build", full)
    bad, said, _ = score(folder)
    assert bad == 2
    assert sorted(text.partition(" cannot be scored again: ")[2] for text in said if "cannot be" in text) == [
        f"it has not been run; {before.name} is of other settings",
        "its pairs are not there (disk full)",
    ]


def test_versions_and_code_are_named(folder: Path) -> None:
    spec = record_of(cells(folder)["unet"]).spec
    other = spec.model_copy(update={"versions": {"physics": 1, "training": 3}, "code": "x"})
    assert rescore._difference(other, spec) == "physics version 1, not 2, other code of the network"


@pytest.mark.parametrize("at", ["record.json", "scores.csv"])
def test_a_process_that_ends_in_between_leaves_scores_that_belong_to_their_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The end is planted at the renaming of either file: before the record all is old, after it all is new."""
    newer = dataclasses.replace(METRICS["rmse.hu"], version=2, function=lambda pair: 1.0)
    monkeypatch.setitem(METRICS, "rmse.hu", newer)
    store, rename = cells(folder)["input"], Path.replace
    before = store.read_scores()

    def ends(self: Path, target: Any) -> Any:
        if Path(target).name == at:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", ends)
    with pytest.raises(KeyboardInterrupt):
        score(folder, "input:noisy")
    monkeypatch.setattr(Path, "replace", rename)
    tables = RunStore(folder / "runs" / "tiny")
    (result,) = (one for one in tables.read_all(tables.read_plan()) if one.folder == store)
    assert result.record is not None
    new = [{**row, "rmse.hu": 1.0} for row in before]
    version = result.record.metrics["rmse.hu"]["version"]
    assert (version, result.scores) == ((1, before) if at == "record.json" else (2, new))
    assert score(folder, "input:noisy")[0] == 0
    assert store.read_scores() == new
    assert not list(store.folder.glob("*new*"))


def test_scores_of_other_slices_are_not_mixed(folder: Path) -> None:
    store = cells(folder)["input"]
    rows = store.read_scores()
    with pytest.raises(BenchError, match="its scores are of other slices"):
        merge(record_of(store), rows, rows[::-1], {})


def test_a_metric_of_another_program_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "publish", PUBLISH)
    store = cells(folder)["input"]
    foreign = {"unit": "", "range": "r", "direction": "higher", "version": 3}
    found = record_of(store)
    store.write_record(found.model_copy(update={"metrics": {**found.metrics, "vif": foreign}}))
    store.write_scores([{**row, "vif": 0.5} for row in store.read_scores()])
    forget(store, "rmse.hu")
    assert score(folder, "input:noisy")[0] == 0
    assert {row["vif"] for row in store.read_scores()} == {0.5}
    assert record_of(store).metrics["vif"] == {"label": "vif", **foreign, "decimals": 3}
    page = (folder / "reports" / "tiny" / "results.md").read_text(encoding="utf-8")
    assert "| vif" in page


ADDED = """
def mae_hu(pair: Pair) -> float:
    return 1000.0 * float(abs(pair.reference - pair.image).mean())


METRICS: dict[str, Metric] = {"""
ENTRY = """
        Metric("mae.hu", "MAE", "HU", "lower", "none; 1000 x MAE in mu/mu_water", 1, 2, mae_hu),
    )
}  # fmt: skip"""


@pytest.mark.integration
def test_a_function_and_an_entry_of_the_table_are_a_metric_for_every_command(
    trained: Path, tmp_path: Path
) -> None:
    """In a copy of the program, by its command line and with its worker process."""
    folder, copy = Path(shutil.copytree(trained, tmp_path / "here")), tmp_path / "copy"
    for package in ("bench", "models"):
        shutil.copytree(tiny.ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    module = copy / "bench" / "metrics" / "__init__.py"
    text = module.read_text(encoding="utf-8")
    for old, new in (("\nMETRICS: dict[str, Metric] = {", ADDED), ("\n    )\n}  # fmt: skip", ENTRY)):
        assert text.count(old) == 1
        text = text.replace(old, new)
    module.write_text(text, encoding="utf-8")
    published = (
        "published: {source: A, collection: c, recipe: study, test_slices: 1, metrics: [mae.hu], "
        "values: {noisy: {unet: [9.5]}}}\n"
    )
    with open(folder / "experiments.yaml", "a", encoding="utf-8") as file:
        file.write(published)
    env = tiny.environment(PYTHONPATH=str(copy))
    done = tiny.bench(folder, "score", "--only", "unet:noisy", "input:noisy", "--profile", "tiny",
                      "--cache", "cache", "--threads", "1", env=env)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 cells scored again, 0 up to date" in done.stdout
    page = (folder / "reports" / "tiny" / "results.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("| MAE (HU)") and "noisy" in line)
    assert len(re.findall(r"\d\.\d\d\b", line)) == 2
