"""A cell that runs out of memory, or diverges, goes on as another attempt: with smaller parts, or begun again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from bench import seeds
from bench.config.schema import Guard
from bench.data.pairs.pairs import PairFiles
from bench.errors import BenchError
from bench.events import Event
from bench.execution import attempt, cell
from bench.execution.task import Task
from bench.records.record import Attempt
from bench.training import evaluate, memory
from bench.training.divergence import Divergence
from bench.training.networks import NetworkCache
from bench.training.step import TrainingStep
from bench.training.watchdog import GivenUp, Watchdog
from tests.records_factory import SMALL

Make = Callable[..., Task]
AFFINE = {"filters": [2, 4], "batch_norm": "affine"}


def quiet(event: Event) -> None:
    pass


@pytest.fixture(scope="module")
def networks() -> NetworkCache:
    return NetworkCache(jit_compile=False)


def exhausted(shape: str = "[4,16,16,2]") -> Exception:
    """Return what TensorFlow raises, raised by TensorFlow's own code."""
    return tf.errors.ResourceExhaustedError(None, None, f"OOM when allocating tensor with shape{shape}")


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """A function that lets a step of more than ``images`` a micro-batch fail after ``updates`` updates of its run."""

    def plant(images: int, updates: int = 5) -> list[int]:
        seen: list[int] = []
        original = TrainingStep.fit

        def fit(step: TrainingStep, inputs: Any, **options: Any) -> Any:
            [size] = {len(draws) for draws in np.asarray(inputs)}
            if size > images:
                done = int(step.optimizer.iterations) // step.parts
                if done + len(inputs) // step.parts > updates:
                    seen.append(size)
                    raise exhausted()
            return original(step, inputs, **options)

        monkeypatch.setattr(TrainingStep, "fit", fit)
        return seen

    return plant


def finish(made: Task, networks: NetworkCache) -> list[Attempt]:
    record = cell.run(made, networks, quiet)
    assert record.status == "finished"
    assert made.store.read_record() == record
    assert not (made.store.folder / "attempts.json").exists()
    return list(record.attempts)


def weights(made: Task) -> list[np.ndarray]:
    return made.store.read_weights()


def test_out_of_memory_goes_on_from_the_last_state_with_the_same_batch(
    networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path,
    little_memory: Callable[..., list[int]],
) -> None:  # fmt: skip
    """In the second epoch, twice: batch 4 is divided by 2, then by 4. Without batch statistics no weight is another."""
    whole = task(tmp_path / "whole", shared_files, params=AFFINE)
    finish(whole, networks)
    seen = little_memory(images=1)
    made = task(tmp_path / "cell", shared_files, params=AFFINE)
    attempts = finish(made, networks)
    assert seen == [4, 2]
    assert [(a.ended, a.micro_batch, a.parts, a.epochs, a.seed) for a in attempts] == [
        ("out_of_memory", 4, 1, 1, 1), ("out_of_memory", 2, 2, 1, 1), ("finished", 1, 4, 3, 1),
    ]  # fmt: skip
    assert "OOM when allocating tensor" in attempts[0].message
    for ours, theirs in zip(weights(made), weights(whole), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("model", SMALL)
def test_scores_after_out_of_memory_lie_within_the_spread_of_seeds(
    model: str, networks: NetworkCache, task: Make, training: Callable[..., Any],
    pair_files: Callable[..., PairFiles], tmp_path: Path, little_memory: Callable[..., list[int]],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Batch 4 becomes two parts of 2 in the second of four epochs; batch statistics are then of 2 images."""
    files = pair_files(tmp_path / "pairs", size=32)
    settings = training(epochs=4, updates_per_epoch=50, batch=4, guard=Guard(above=99))

    def psnr(name: str, seed: int) -> float:
        made = task(
            tmp_path / name, files, settings, build=f"models.{model}:build", params=SMALL[model], seed=seed
        )
        attempts = finish(made, networks)
        assert len(attempts) == 1 + (name == "divided")
        return float(np.mean([float(row["psnr.slice_max"]) for row in made.store.read_scores()]))

    seeds_alone = [psnr(f"seed {seed}", seed) for seed in range(1, 6)]
    seen = little_memory(images=2, updates=60)
    divided = psnr("divided", 1)
    assert seen == [4]
    spread = np.std(seeds_alone, ddof=1)
    with capsys.disabled():
        print(f"{model}: {divided - seeds_alone[0]:+.3f} dB; standard deviation of seeds {spread:.3f} dB")
    assert (
        abs(divided - seeds_alone[0]) < 2 * np.sqrt(2) * spread
    )  # two draws differ by more in 1 of 20 cases


@pytest.mark.integration
def test_too_little_memory_for_one_image_fails_with_the_remedy(
    networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path,
    little_memory: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(attempt, "_networks", lambda: networks)
    with monkeypatch.context() as context:
        context.setattr(TrainingStep, "fit", lambda *a, **b: (_ for _ in ()).throw(exhausted()))
        made = task(tmp_path / "cell", shared_files, params=AFFINE)
        ended = attempt.attempt(made, quiet)
    assert (ended.status, ended.crowded) == ("failed", False)
    assert ended.message.startswith("out of memory, even image by image; ")
    assert ended.message.endswith("--retry-failed")
    record = made.store.read_record()
    assert record is not None
    assert [(a.ended, a.micro_batch) for a in record.attempts] == [
        ("out_of_memory", 4), ("out_of_memory", 2), ("failed", 1),
    ]  # fmt: skip
    assert finish(made, networks)[-1].micro_batch == 4  # a retry may have another machine


@pytest.mark.integration
def test_beside_other_cells_it_ends_without_a_record(
    networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path,
    little_memory: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(attempt, "_networks", lambda: networks)
    little_memory(images=2)
    made = task(tmp_path / "cell", shared_files, params=AFFINE)
    beside = Task(**{**vars(made), "alone": False})
    ended = attempt.attempt(beside, quiet)
    assert (ended.status, ended.crowded) == ("failed", True)
    assert made.store.read_record() is None
    assert made.store.read_attempts() == ()
    assert made.store.state.exists()  # of the first epoch
    assert [a.ended for a in finish(made, networks)] == ["out_of_memory", "finished"]


def test_scoring_goes_on_image_by_image(
    networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path,
) -> None:  # fmt: skip
    made = task(tmp_path, shared_files, params=AFFINE)
    model = networks.model(made.planned.spec, made.code)
    images = np.random.default_rng(1).random((3, 16, 16), np.float32)
    at_once = evaluate.predictor(model)(images)

    class Small:
        calls = 0

        def predict_on_batch(self, batch: np.ndarray) -> Any:
            self.calls += 1
            if len(batch) > 1:
                raise exhausted()
            return model.predict_on_batch(batch)

    small = Small()
    predict = evaluate.predictor(small)
    assert np.allclose(predict(images), at_once, atol=1e-6)
    assert np.allclose(predict(images), at_once, atol=1e-6)
    assert small.calls == 1 + 3 + 3  # the second batch is not tried as a whole
    with pytest.raises(tf.errors.ResourceExhaustedError):
        evaluate.predictor(Small(), divisible=False)(images)


@pytest.mark.parametrize(
    "error",
    [
        exhausted(),
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 5520758552 bytes."),
        tf.errors.InternalError(
            None, None, "failed to allocate 2.0G: CUDA_ERROR_OUT_OF_MEMORY: out of memory"
        ),
        tf.errors.UnknownError(None, None, "CUDNN_STATUS_ALLOC_FAILED in tensorflow/stream_executor"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_for_want_of_memory(error: Exception) -> None:
    assert memory.exhausted(error)
    wrapped = RuntimeError("while tracing")
    wrapped.__cause__ = error
    assert memory.exhausted(wrapped)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("shapes differ"),
        BenchError("the cache is full"),
        tf.errors.ResourceExhaustedError(None, None, "state.npz; No space left on device"),
    ],
    ids=["values", "own", "disk"],
)
def test_other_errors(error: Exception) -> None:
    assert not memory.exhausted(error)


@pytest.fixture
def ruined(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """A function that lets the watchdog give up trainings at an update, so many times."""

    def plant(update: int, times: int) -> None:
        left = times

        def look(dog: Watchdog, step: Any, before: int, updates: int) -> None:
            nonlocal left
            if updates == update and left:
                left -= 1
                raise GivenUp(Divergence(2, f"planted, at epoch 2, update {updates}"))

        monkeypatch.setattr(Watchdog, "look", look)

    return plant


def test_a_ruined_training_is_over_by_default(
    networks: NetworkCache, task: Make, shared_files: PairFiles, tmp_path: Path,
    ruined: Callable[[int, int], None],
) -> None:  # fmt: skip
    ruined(6, 1)
    made = task(tmp_path, shared_files, params=AFFINE)
    record = cell.run(made, networks, quiet)
    [one] = record.attempts
    assert (record.status, one.ended, one.epoch, one.then) == ("diverged", "diverged", 2, "")
    assert one.message == "planted, at epoch 2, update 6"


@pytest.mark.integration
@pytest.mark.parametrize("restart", ["best", "next_seed"])
@pytest.mark.parametrize(("times", "status"), [(1, "finished"), (2, "finished"), (3, "diverged")])
def test_a_guard_begins_a_ruined_training_again_at_most_twice(
    networks: NetworkCache, task: Make, training: Callable[..., Any], shared_files: PairFiles,
    tmp_path: Path, ruined: Callable[[int, int], None], restart: Any, times: int, status: str,
) -> None:  # fmt: skip
    ruined(6, times)
    made = task(tmp_path, shared_files, training(guard=Guard(restart=restart)), params=AFFINE)
    record = cell.run(made, networks, quiet)
    assert record.status == status
    ends = [(a.ended, a.then) for a in record.attempts]
    tries = min(times, 2)
    assert ends == [("diverged", restart)] * tries + [(status, "")]
    cell_seed = made.planned.spec.seed
    others = [seeds.derive("attempt", cell_seed, count) % 2**31 for count in range(1, tries + 1)]
    same = [cell_seed] * tries
    assert [a.seed for a in record.attempts] == [cell_seed, *(others if restart == "next_seed" else same)]
    if status == "finished":
        history = made.store.read_history()
        assert [(row["epoch"], row["updates"]) for row in history] == [(1, 4), (2, 8), (3, 12)]


@pytest.mark.integration
def test_a_training_set_back_to_its_best_check_has_its_weights_and_no_moments(
    networks: NetworkCache, task: Make, training: Callable[..., Any], shared_files: PairFiles,
    tmp_path: Path, ruined: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """And so it has after a kill between the note of the restart and the next state: it is derived again."""
    ruined(6, 1)
    made = task(tmp_path, shared_files, training(guard=Guard(restart="best")), params=AFFINE)
    original, begun = cell.fit, []

    def fit(step: Any, state: Any, fit_task: Any) -> Any:
        begun.append(
            (state.updates, state.restarts, [v.copy() for v in state.weights], state.optimizer, state.best)
        )
        if len(begun) == 2:
            raise KeyboardInterrupt
        return original(step, state, fit_task)

    monkeypatch.setattr(cell, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        cell.run(made, networks, quiet)
    assert made.store.read_record() is None
    assert [a.then for a in made.store.read_attempts()] == ["best"]
    record = cell.run(made, networks, quiet)
    assert [a.ended for a in record.attempts] == ["diverged", "finished"]
    for updates, restarts, ours, optimizer, best in begun[1:]:
        assert (updates, restarts) == (4, 1)
        assert all(np.array_equal(a, b) for a, b in zip(ours, best, strict=True))
        count, _, *moments = optimizer
        assert int(count) == 4
        assert not any(np.asarray(m).any() for m in moments)


def test_a_restart_in_the_guard_is_another_cell_and_its_default_is_not(
    task: Make, training: Callable[..., Any], shared_files: PairFiles
) -> None:
    ids = {
        name: task(Path(), shared_files, training(guard=guard)).id
        for name, guard in {
            "absent": Guard(), "none": Guard(restart="none"), "best": Guard(restart="best"),
        }.items()
    }  # fmt: skip
    assert ids["absent"] == ids["none"] != ids["best"]
    assert Guard().model_dump() == {"above": 3, "margin_db": 0.0}
