"""A split with folds from its files to its records: plan, run, cache, split file, and what the commands say."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import pytest

from bench import gpus
from bench.cli import data_overview, overview
from bench.config.schema import Counts, KFoldSplit
from bench.data.pairs import pairs
from bench.data.splits import choose
from bench.errors import BenchError
from bench.events import RunEnded
from bench.execution import resolve, runner
from bench.plan import expand as plan
from bench.records import golden as verify
from bench.records.store import RunStore
from tests import tiny

pytestmark = pytest.mark.integration

ORDER = [
    "input-sparse-f1-s0", "input-sparse-f2-s0", "input-noisy-f1-s0", "input-noisy-f2-s0",
    "unet-sparse-f1-s1", "unet-sparse-f2-s1", "unet-noisy-f1-s1", "unet-noisy-f2-s1",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))
    return tiny.write(tmp_path)


def run(folder: Path, profile: str, **changes: Any) -> list[Any]:
    return list(runner.run(tiny.request(folder, profile, **changes)))


def names(cells: list[str]) -> list[str]:
    return [cell.rpartition("-")[0] for cell in cells]


@pytest.mark.integration
def test_one_cell_per_fold_from_one_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    tasks: list[Any] = []
    written = tiny.write_cell
    monkeypatch.setattr(tiny, "write_cell", lambda work: tasks.append(work) or written(work))
    assert run(folder, "folds")[-1] == RunEnded(8, 0)
    assert names(fake.ran) == ORDER
    assert len(list((folder / "cache").glob("*/reference.npy"))) == 1
    tested = []
    for task in tasks[:2]:
        opened = pairs.open_pairs(task.files, task.parts)
        assert opened.reference.shape[0] == 20
        assert sorted(row for rows in opened.parts.values() for row in rows) == list(range(20))
        tested += [int(row) for row in opened.parts["test"]]
    assert sorted(tested) == list(range(20))
    assert tasks[0].files == tasks[1].files


def test_records_and_report_name_the_split_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder, "folds")
    store = RunStore(folder / "runs" / "folds")
    content = (store.root / "split.csv").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    records = [result.record for result in store.read_all(store.read_plan())]
    data = [record.spec.dataset.data for record in records if record]
    assert {(one.split_sha256, one.folds) for one in data} == {(digest, 2)}
    assert [one.fold for one in data] == [1, 2] * 4
    page = (folder / "reports" / "folds" / "results.md").read_text()
    assert digest in page
    assert "2-fold by patient" in page
    assert b"\r" not in content
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert sorted((row["patient"], row["slice"]) for row in rows if row["part"] == "test") == sorted(
        (row["patient"], row["slice"]) for row in rows if row["fold"] == "1"
    )


def test_only_takes_every_fold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    run(folder, "folds", only=("unet:noisy",))
    assert names(fake.ran) == ORDER[6:]


def test_a_failed_fold_is_told_in_status_and_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.use_fake_executor(monkeypatch, failing=["unet-noisy-f2"])
    assert run(folder, "folds")[-1] == RunEnded(7, 1)
    text = overview.of_run(RunStore(folder / "runs" / "folds"))
    assert "unet   noisy      2     1     failed" in text
    assert "fold 2 of 2: failed (epoch 1)" in (folder / "reports" / "folds" / "results.md").read_text()


def test_golden_metrics_tell_folds_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.use_fake_executor(monkeypatch)
    run(folder, "folds")
    store = RunStore(folder / "runs" / "folds")
    results = store.read_all(store.read_plan())
    for result in results:
        assert result.record is not None
        record = result.record.model_copy(update={"ranges": {"test": [0.0, 1.0]}})
        result.folder.write_record(record)
    golden = verify.make([store.read_all(store.read_plan())], "folds", {})
    assert "unet:noisy:s1:f2" in golden["cells"]
    assert len(golden["cells"]) == 8
    golden["exact"]["f2"]["data"]["split"] = "another"
    (found,) = verify.compare(golden, store.read_all(store.read_plan()))
    assert (found.kind, found.cell, found.metric) == ("data", "all cells of fold 2", "split")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> resolve.ResolvedRun:
    return resolve.resolve(tiny.request(tiny.write(tmp_path_factory.mktemp("folds")), "folds"))


def test_plan_shows_folds(prepared: resolve.ResolvedRun) -> None:
    lines = overview.of_plan(prepared).splitlines()
    start = lines.index("profile folds") + 1
    assert lines[start : start + 3] == [
        "source phantom, 32 x 32 pixels; slices: 4 to 8 train, 4 validation, 8 to 12 test",
        f"split folds: 2-fold by patient; split file {prepared.folds.sha256[:16]} (SHA-256)",
        "4 cells to train, and the untreated input scored on each of 2 datasets",
    ]
    assert lines[-8:-5] == [
        "input  sparse     1     0     -        -       new",
        "input  sparse     2     0     -        -       new",
        "input  noisy      1     0     -        -       new",
    ]
    assert lines[-10] == "model  condition  fold  seed  updates  epochs  status"


def test_data_check_shows_each_fold(prepared: resolve.ResolvedRun) -> None:
    text = data_overview.of_data(prepared)
    assert "1     train       4       1         the others" in text
    assert text.endswith("no patient is in two parts of a fold")
    tested = [line.split("  ")[-1].strip() for line in text.splitlines() if " test " in line]
    assert sorted(", ".join(tested).split(", ")) == ["P001", "P002", "P003", "P004", "P005"]


def test_updates_follow_the_training_slices_of_the_fold(tmp_path: Path) -> None:
    """Without a budget: 2 epochs of 4 passes in batches of 4 over 4 and 8 slices."""
    tiny.write(tmp_path, experiments=tiny.EXPERIMENTS.replace(
        "split: folds, size: 32, budget: {slices_seen: 96, checks: 2}", "split: folds, size: 32"
    ))  # fmt: skip
    made = resolve.resolve(tiny.request(tmp_path, "folds")).plan
    updates = [cell.spec.training.updates_per_epoch for cell in made.cells if cell.spec.training]
    assert updates == [4, 8, 4, 8]


def test_cell_ids_hang_on_members_and_not_on_order(prepared: resolve.ResolvedRun, tmp_path: Path) -> None:
    found = prepared.reader.catalogue()
    split = KFoldSplit(folds=2, validation=0.3)
    ids = [cell.id for cell in prepared.plan.cells]
    again = resolve.resolve(tiny.request(tiny.write(tmp_path), "folds"))
    assert [cell.id for cell in again.plan.cells] == ids
    other = choose(found, split.model_copy(update={"seed": 3}), Counts())
    assert other.sha256 != prepared.folds.sha256
    assert len(set(ids)) == 8
    assert {cell.id for cell in plan.select(prepared.plan, [("unet", "noisy")])} == set(ids[6:])


def test_a_leaky_split_is_told_by_every_command_and_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.use_fake_executor(monkeypatch)
    why = "as others cut it (patient P004 is in train and test)"
    prepared = resolve.resolve(tiny.request(folder, "cut"))
    for text in (overview.of_plan(prepared), data_overview.of_data(prepared)):
        assert f"leaky: {why}" in " ".join(text.split()) or f"leaky, as declared: {why}" in " ".join(
            text.split()
        )
        assert tiny.widest(text) <= 80
    run(folder, "cut")
    store = RunStore(folder / "runs" / "cut")
    told = f"{why}; the leak audit: 1 leak among 20 slices"  # the patient
    assert {result.record.leaky for result in store.read_all(store.read_plan()) if result.record} == {told}
    assert why in (folder / "reports" / "cut" / "results.tex").read_text()


def test_the_split_file_can_be_shown_written_and_given_back(folder: Path) -> None:
    shown = tiny.bench(folder, "data", "split", "--profile", "folds")
    assert (shown.returncode, shown.stderr) == (0, "")
    written = tiny.bench(folder, "data", "split", "--profile", "folds", "--into", "mine.csv")
    content = (folder / "mine.csv").read_bytes()
    assert content.decode() == shown.stdout
    digest = hashlib.sha256(content).hexdigest()
    assert written.stdout == f"wrote mine.csv, SHA-256 {digest}\n"
    before = resolve.resolve(tiny.request(folder, "folds"))
    rule = "folds: {rule: kfold, folds: 2, validation: 0.3}"
    assert rule in tiny.DATASETS
    tiny.write(folder, tiny.DATASETS.replace(rule, "folds: {rule: list, file: mine.csv}"))
    again = resolve.resolve(tiny.request(folder, "folds"))
    assert again.folds.sha256 == digest
    assert [cell.id for cell in again.plan.cells] == [cell.id for cell in before.plan.cells]


def test_a_split_that_does_not_fit_its_source_is_named_with_file_line_and_key(folder: Path) -> None:
    """The source's patients are known only after both files were read."""
    rule = "folds: {rule: kfold, folds: 2, validation: 0.3}"
    line = 1 + tiny.DATASETS[: tiny.DATASETS.index(rule)].count("\n")
    for changed, expected in (
        (rule.replace("folds: 2", "folds: 99"), "splits.folds.folds: source phantom has"),
        (
            "folds: {test: [nobody], validation: [P001]}",
            "splits.folds.test: source phantom has no patient nobody",
        ),
    ):
        tiny.write(folder, tiny.DATASETS.replace(rule, changed))
        with pytest.raises(BenchError) as caught:
            resolve.resolve(tiny.request(folder, "folds"))
        place = caught.value.file
        assert place is not None and place.endswith("datasets.yaml")
        assert str(caught.value).startswith(f"{place}:{line}: {expected}")
