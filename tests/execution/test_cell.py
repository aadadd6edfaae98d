"""One cell from pairs to record, in this process; what dies with a process is in test_worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import seeds
from bench.config.schema import TRAINING_VERSION
from bench.data.pairs.pairs import PairFiles, open_pairs
from bench.errors import BenchError
from bench.events import EpochEnded, Event, Progress
from bench.execution import cell, scoring
from bench.execution.task import Task, fail
from bench.network_code.importing import CodeChanged
from bench.records.record import Record
from bench.training import evaluate
from bench.training.networks import NetworkCache, load_network

Make = Callable[..., Task]


def quiet(event: Event) -> None:
    pass


def weights(task: Task) -> dict[str, np.ndarray]:
    with np.load(task.store.weights) as file:
        return dict(file)


def equal(ours: Task, theirs: Task) -> bool:
    a, b = weights(ours), weights(theirs)
    return list(a) == list(b) and all(np.array_equal(a[key], b[key]) for key in a)


def scores(task: Task) -> bytes:
    return (task.store.folder / "scores.csv").read_bytes()


@pytest.fixture(scope="module")
def networks() -> NetworkCache:
    return NetworkCache(jit_compile=False)


@pytest.fixture(scope="module")
def whole(
    networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Task, Record]:
    """A cell that ran without interruption, for comparison."""
    asked = task(tmp_path_factory.mktemp("whole"), shared_files)
    return asked, cell.run(asked, networks, quiet)


def test_a_finished_cell_holds_its_files_and_no_state(whole: tuple[Task, Record]) -> None:
    asked, record = whole
    assert sorted(path.name for path in asked.store.folder.iterdir()) == [
        "history.csv", "log.txt", "record.json", "samples.npz", "scores.csv", "spectra.csv", "weights.npz",
    ]  # fmt: skip
    assert asked.store.read_record() == record
    assert set(record.timings) == {"train_s", "check_s", "score_s", "ms_per_slice"}
    assert (record.status, record.id, record.spec) == ("finished", asked.planned.id, asked.planned.spec)
    (attempt,) = record.attempts
    assert (attempt.seed, attempt.updates, attempt.epochs, attempt.ended, attempt.epoch) == (
        1,
        12,
        3,
        "finished",
        None,
    )
    assert record.environment["backend"] == "tensorflow"
    # convolutions and norms by hand: 20 + 44 + 88 + 160 + 34 + 80 + 44 + 3, of them 28 averages
    assert record.parameters == {"total": 473, "trainable": 445}


def test_the_log_has_a_line_for_every_epoch(whole: tuple[Task, Record]) -> None:
    asked, _ = whole
    lines, history = asked.store.log.read_text().splitlines(), asked.store.read_history()
    assert len(lines) == len(history) == 3
    for line, row in zip(lines, history, strict=True):
        words = (
            f"epoch {row['epoch']:.0f}/3: update {row['updates']:.0f}, loss {row['loss']:.4g}, {row['psnr']:.2f} dB, "
            f"input {row['psnr_input']:.2f} dB, learning rate {row['learning_rate']:.3g}, {row['seconds']:.1f} s"
        )
        assert line[20:] == words


def test_ranges_and_fingerprints_are_those_of_the_arrays(
    whole: tuple[Task, Record], shared_files: PairFiles
) -> None:
    asked, record = whole
    pairs = open_pairs(shared_files, asked.parts)
    assert record.data == pairs.sha256
    for part, rows in pairs.parts.items():
        reference = np.array(pairs.reference)[rows] / 0.2
        assert record.ranges[part] == pytest.approx([reference.min(), reference.max()], abs=1e-4)


def test_the_best_epoch_is_the_best_on_validation_and_its_weights_are_kept(
    whole: tuple[Task, Record],
) -> None:
    """The stored weights in a new network give the PSNR of the best check again."""
    asked, record = whole
    psnr = [row["psnr"] for row in asked.store.read_history()]
    assert record.best_epoch == int(np.argmax(psnr)) + 1
    network = load_network("models.unet:build", asked.planned.spec.params)
    network.set_weights(asked.store.read_weights())
    pairs = open_pairs(asked.files, asked.parts)
    again = evaluate.Validation(pairs, pairs.parts["validation"]).mean_psnr(evaluate.predictor(network))
    assert again == pytest.approx(max(psnr), abs=1e-4)


def test_test_slices_change_no_weight_and_no_choice(
    whole: tuple[Task, Record],
    networks: NetworkCache,
    task: Make,
    pair_files: Callable[..., PairFiles],
    tmp_path: Path,
) -> None:
    def change(degraded: dict, reference: dict) -> None:
        for name in degraded:
            if name[0] in "DE":
                degraded[name][:] = reference[name][::-1]
                reference[name] *= 3

    changed = task(tmp_path / "cell", pair_files(tmp_path / "pairs", change=change))
    record = cell.run(changed, networks, quiet)
    assert equal(changed, whole[0])
    assert record.best_epoch == whole[1].best_epoch
    assert scores(changed) != scores(whole[0])


def test_training_slices_do_change_the_weights(
    whole: tuple[Task, Record],
    networks: NetworkCache,
    task: Make,
    pair_files: Callable[..., PairFiles],
    tmp_path: Path,
) -> None:
    def change(degraded: dict, reference: dict) -> None:
        degraded["A", "0"] *= 1.01

    changed = task(tmp_path / "cell", pair_files(tmp_path / "pairs", change=change))
    cell.run(changed, networks, quiet)
    assert not equal(changed, whole[0])


def test_the_input_is_a_cell_without_training(task: Make, shared_files: PairFiles, tmp_path: Path) -> None:
    asked = task(tmp_path, shared_files, build=None, params={})
    bare = Task(**{**vars(asked), "planned": asked.planned.model_copy(
        update={"spec": asked.planned.spec.model_copy(update={"training": None})})})  # fmt: skip
    record = scoring.without_network(bare, quiet)
    assert (record.status, record.attempts, record.best_epoch) == ("finished", (), None)
    names, images, _ = bare.store.read_samples() or ([], {}, [])
    assert np.array_equal(images["input"], images["output"])
    by_input = sorted(bare.store.read_scores(), key=lambda row: -float(row["psnr.slice_max"]))
    assert names == ["/".join((by_input[at]["patient"], by_input[at]["slice"])) for at in (2, 4, 0)]
    assert not bare.store.weights.exists()


def stop_at(when: Callable[[Event], bool]) -> Callable[[Event], None]:
    def emit(event: Event) -> None:
        if when(event):
            raise RuntimeError("planted")

    return emit


@pytest.mark.parametrize(
    ("when", "epochs"),
    [
        (lambda e: isinstance(e, EpochEnded) and e.epoch == 2, 2),
        (lambda e: isinstance(e, Progress) and e.stage == "score", 3),
    ],
    ids=["after an epoch", "while scoring"],
)
def test_a_failed_cell_continues_where_it_was(
    whole: tuple[Task, Record], networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path,
    when: Callable[[Event], bool], epochs: int,
) -> None:  # fmt: skip
    asked = task(tmp_path, shared_files)
    with pytest.raises(RuntimeError):
        cell.run(asked, networks, stop_at(when))
    assert fail(asked, "planted").status == "failed"
    seen: list[Event] = []
    record = cell.run(asked, networks, seen.append)
    assert [event.epoch for event in seen if isinstance(event, EpochEnded)] == list(range(epochs + 1, 4))
    assert [(a.ended, a.seed, a.epochs, a.updates, a.message) for a in record.attempts] == [
        ("failed", 1, epochs, 4 * epochs, "planted"),
        ("finished", 1, 3, 12, ""),
    ]
    assert record.attempts[0].epoch == (3 if epochs == 2 else None)
    assert equal(asked, whole[0])
    assert scores(asked) == scores(whole[0])
    assert len(asked.store.read_history()) == 3


def plant_nan(degraded: dict, reference: dict) -> None:
    for name in degraded:
        if name[0] in "AB":
            degraded[name][3, 3] = np.nan
    reference["A", "0"][4, 4] = np.nan


def test_nan_ends_a_cell_as_diverged_and_each_retry_has_its_own_seed(
    whole: tuple[Task, Record], networks: NetworkCache, task: Make, pair_files: Callable[..., PairFiles],
    shared_files: PairFiles, tmp_path: Path,
) -> None:  # fmt: skip
    asked = task(tmp_path / "cell", pair_files(tmp_path / "pairs", change=plant_nan))
    record = cell.run(asked, networks, quiet)
    assert asked.store.read_record() == record
    (attempt,) = record.attempts
    assert (record.status, attempt.ended, attempt.epoch, attempt.seed) == ("diverged", "diverged", 1, 1)
    assert attempt.message == "loss is not finite at epoch 1, update 1"
    assert record.ranges["train"] == pytest.approx([0.0, 1.5], abs=1e-3)
    assert not asked.store.weights.exists()
    assert not asked.store.state.exists()

    after = task(tmp_path / "after", shared_files)  # the run goes on, in the same process and network
    cell.run(after, networks, quiet)
    assert equal(after, whole[0])

    assert fail(asked, "planted").attempts[-1].seed == seeds.derive("attempt", 1, 1) % 2**31
    retried = cell.run(asked, networks, quiet)
    assert [a.ended for a in retried.attempts] == ["diverged", "failed", "diverged"]
    assert retried.attempts[2].seed == retried.attempts[1].seed != 1
    third = cell.run(asked, networks, quiet)
    assert len({a.seed for a in third.attempts}) == 3

    mended = Task(**{**vars(asked), "files": shared_files})
    finished = cell.run(mended, networks, quiet)
    assert [a.ended for a in finished.attempts] == ["diverged", "failed", "diverged", "diverged", "finished"]
    assert finished.attempts[-1].seed == seeds.derive("attempt", 1, 3) % 2**31
    assert not equal(mended, whole[0])


def interrupt(asked: Task, networks: NetworkCache) -> None:
    with pytest.raises(RuntimeError):
        cell.run(asked, networks, stop_at(lambda e: isinstance(e, EpochEnded)))


def test_a_state_of_another_network_is_refused_in_one_line(
    networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path
) -> None:
    asked = task(tmp_path / "a", shared_files)
    interrupt(asked, networks)
    data = asked.store.state.read_bytes()
    other = task(tmp_path / "b", shared_files, params={"filters": [2, 3], "momentum": 0.5})
    other.store.folder.mkdir()
    other.store.state.write_bytes(data)
    with pytest.raises(BenchError, match=r"state\.npz: saved state of another network .*--force"):
        cell.run(other, networks, quiet)


@pytest.mark.integration
def test_the_state_of_another_seed_is_not_continued(
    whole: tuple[Task, Record], networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path
) -> None:
    other = task(tmp_path / "other", shared_files, seed=2)
    interrupt(other, networks)
    asked = task(tmp_path / "cell", shared_files)
    asked.store.folder.mkdir()
    asked.store.state.write_bytes(other.store.state.read_bytes())
    cell.run(asked, networks, quiet)
    assert equal(asked, whole[0])


def test_patches_and_another_network_run_too(
    networks: NetworkCache, task: Make, training: Callable[..., Any], shared_files: PairFiles, tmp_path: Path
) -> None:
    asked = task(
        tmp_path, shared_files, training(patch=8, patches_per_slice=2, epochs=1),
        build="models.dncnn:build", params={"depth": 3, "filters": 4},
    )  # fmt: skip
    record = cell.run(asked, NetworkCache(jit_compile=False), quiet)
    assert record.status == "finished"
    assert len(asked.store.read_scores()) == 5


BRANCHES = """
import keras

def build():
    image = keras.Input((None, None, 1))
    def branch():
        inner = [keras.layers.Conv2D(2, 3, padding="same", name=f"conv{k}") for k in (1, 2)]
        return keras.Sequential([keras.Input((None, None, 1)), *inner])
    x = keras.layers.Add()([branch()(image), branch()(image)])
    return keras.Model(image, keras.layers.Conv2D(1, 1)(x))
"""


def test_a_network_with_equal_inner_names_keeps_all_its_arrays(
    networks: NetworkCache, task: Make, training: Callable[..., Any], shared_files: PairFiles, tmp_path: Path
) -> None:
    (tmp_path / "branches.py").write_text(BRANCHES)
    settings = training(epochs=1)
    asked = task(tmp_path / "cell", shared_files, settings, build="branches:build", params={}, base=tmp_path)
    record = cell.run(asked, networks, quiet)
    arrays = asked.store.read_weights()
    # by hand: two branches of (3 * 3 * 2 + 2) + (3 * 3 * 2 * 2 + 2), and 2 + 1
    assert sum(a.size for a in arrays) == record.parameters["total"] == 2 * (20 + 38) + 3
    network = load_network("branches:build", {}, code=asked.code)
    network.set_weights(arrays)
    pairs = open_pairs(asked.files, asked.parts)
    again = evaluate.score(pairs, evaluate.predictor(network), lambda done, total: None).rows
    assert [row["rmse.hu"] for row in again] == pytest.approx(
        [row["rmse.hu"] for row in asked.store.read_scores()], rel=1e-5
    )


def test_a_cell_planned_by_another_version_of_this_program_is_not_trained(
    networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path
) -> None:
    asked = task(tmp_path / "cell", shared_files)
    other = asked.planned.spec.model_copy(update={"versions": {"training": TRAINING_VERSION - 1}})
    old = Task(**{**vars(asked), "planned": asked.planned.model_copy(update={"spec": other})})
    with pytest.raises(CodeChanged, match="this program has changed since the plan was made; run again"):
        cell.run(old, networks, quiet)
    assert not (tmp_path / "cell").exists()
