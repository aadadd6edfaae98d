"""One training: what its checks keep, when it stops, and that an interruption leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.config.schema import Decay, Guard
from bench.data.pairs.pairs import PairFiles, PairSet, open_pairs
from bench.events import EpochEnded, Event, Progress
from bench.execution.task import Task
from bench.plan.cells import Training
from bench.training import fit as train
from bench.training.batches import TrainingBatches
from bench.training.checkpoint import State, load_state
from bench.training.divergence import Divergence
from bench.training.fit import Fit, fresh_state
from bench.training.networks import Workbench, load_network, values

GOLDEN = Path(__file__).parents[1] / "golden" / "training_v1.json"
INPUT_DB = 20.0


class Interrupted(Exception):
    """Stands for a killed process."""


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench(jit_compile=False)


@pytest.fixture(scope="module")
def pairs(shared_files: PairFiles, task: Callable[..., Task]) -> PairSet:
    return open_pairs(shared_files, task(Path(), shared_files).parts)


@pytest.fixture
def fit(
    bench: Workbench, pairs: PairSet, shared_files: PairFiles, task: Callable[..., Task], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[Divergence | None, State, list[Event]]]:  # fmt: skip
    """A function that trains, from the saved state where there is one, and returns verdict, state and events."""
    monkeypatch.setattr(train, "REPORT_EVERY_S", -1.0)

    def run(
        training: Training, check: Callable[[Any], float], stop: Callable[[Event], bool] | None = None,
        folder: str = "", pairs: PairSet = pairs,
    ) -> tuple[Divergence | None, State, list[Event]]:  # fmt: skip
        model = bench.model(task(tmp_path, shared_files, training).planned.spec)
        path = tmp_path / folder / "state.npz"
        state = load_state(path) or fresh_state(model, 3)
        events: list[Event] = []

        def report(event: Event) -> None:
            events.append(event)
            if stop is not None and stop(event):
                raise Interrupted

        batches = TrainingBatches(pairs, training, state.seed)
        fitted = Fit("cell", training, batches, check, INPUT_DB, path, report)
        return fitted.run(model, state), state, events

    return run


def size_of_first_kernel(model: Any) -> float:
    """A check that depends on the weights alone."""
    return INPUT_DB + float(np.square(values(model.weights[:1])[0]).sum())


def scripted(*psnr: float) -> Callable[[Any], float]:
    remaining: Iterator[float] = iter(psnr)
    return lambda model: next(remaining)


def without_seconds(state: State) -> list[dict[str, float]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in state.history]


def assert_equal(ours: State, theirs: State) -> None:
    assert without_seconds(ours) == without_seconds(theirs)
    assert (ours.seed, ours.best_epoch) == (theirs.seed, theirs.best_epoch)
    for group in ("weights", "optimizer", "best"):
        pairs = zip(getattr(ours, group), getattr(theirs, group), strict=True)
        assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in pairs), group


INTERRUPTIONS = {
    "at the first update": lambda event: isinstance(event, Progress) and event.done == 1,
    "within the second epoch": lambda event: isinstance(event, Progress) and event.done == 6,
    "at the last update": lambda event: isinstance(event, Progress) and event.done == 12,
    "after the first epoch": lambda event: isinstance(event, EpochEnded) and event.epoch == 1,
    "after the last epoch": lambda event: isinstance(event, EpochEnded) and event.epoch == 3,
}


def test_an_interrupted_training_ends_like_a_whole_one(
    fit: Callable[..., Any], training: Callable[..., Training]
) -> None:
    settings = training(learning_rate=Decay.model_validate({"from": 0.02, "to": 0.001}))
    verdict, whole, _ = fit(settings, size_of_first_kernel, folder="whole")
    assert verdict is None
    for name, stop in INTERRUPTIONS.items():
        with pytest.raises(Interrupted):
            fit(settings, size_of_first_kernel, stop, folder=name)
        verdict, continued, events = fit(settings, size_of_first_kernel, folder=name)
        assert verdict is None
        assert_equal(continued, whole)
        repeated = {event.done for event in events if isinstance(event, Progress)}
        finished = {"at the first update": 0, "within the second epoch": 1, "at the last update": 2}
        epochs = finished.get(name, 1 if "first" in name else 3)
        assert repeated == set(range(4 * epochs + 1, 13)), name


def test_a_training_interrupted_at_every_epoch(
    fit: Callable[..., Any], training: Callable[..., Training]
) -> None:
    settings = training(epochs=5, schedule_epochs=5)
    _, whole, _ = fit(settings, size_of_first_kernel, folder="whole")
    for epoch in range(1, 5):
        with pytest.raises(Interrupted):
            fit(settings, size_of_first_kernel, lambda e, k=epoch: isinstance(e, EpochEnded) and e.epoch == k)
    assert_equal(fit(settings, size_of_first_kernel)[1], whole)


@pytest.mark.parametrize(
    ("psnr", "best"), [((21.0, 25.0, 23.0), 2), ((25.0, 21.0, 23.0), 1), ((18.0, 19.0, 19.5), 3)]
)
def test_the_best_check_is_kept(
    fit: Callable[..., Any], training: Callable[..., Training], psnr: tuple[float, ...], best: int
) -> None:
    seen: list[np.ndarray] = []
    script = scripted(*psnr)

    def check(model: Any) -> float:
        seen.append(values(model.weights)[0])
        return script(model)

    verdict, state, events = fit(training(), check)
    assert (verdict, state.best_epoch) == (None, best)
    assert np.array_equal(state.best[0], seen[best - 1])
    assert [row["psnr"] for row in state.history] == list(psnr)
    assert [row["updates"] for row in state.history] == [4, 8, 12]
    ended = [event for event in events if isinstance(event, EpochEnded)]
    assert [(e.epoch, e.epochs, e.psnr, e.psnr_input) for e in ended] == [
        (k, 3, value, INPUT_DB) for k, value in enumerate(psnr, 1)
    ]


def test_a_fall_below_the_input_stops_the_training_there(
    fit: Callable[..., Any], training: Callable[..., Training]
) -> None:
    settings = training(epochs=6, guard=Guard(above=2))
    verdict, state, _ = fit(settings, scripted(21.0, 22.0, 19.0))
    assert verdict is not None
    assert verdict.epoch == 3
    assert "fell to 19.00 dB" in verdict.message
    assert len(state.history) == 3
    assert state.best_epoch == 2
    again, _, events = fit(settings, scripted())  # the saved state knows it
    assert (again, events) == (verdict, [])


def damaged(pairs: PairSet, part: str, count: int) -> PairSet:
    degraded = np.array(pairs.degraded)
    degraded[pairs.parts[part][:count], 5, 5] = np.nan
    return PairSet(degraded, pairs.reference, pairs.names, pairs.parts, pairs.sha256, pairs.pixel_cm)


def test_nan_in_every_slice_stops_at_the_first_update(
    fit: Callable[..., Any], training: Callable[..., Training], pairs: PairSet, tmp_path: Path
) -> None:
    verdict, state, _ = fit(training(), size_of_first_kernel, pairs=damaged(pairs, "train", 8))
    assert verdict == Divergence(1, "loss is not finite at epoch 1, update 1")
    assert state.history == []
    assert not (tmp_path / "state.npz").exists()


def test_nan_between_the_looks_at_the_loss_is_seen_at_the_epochs_end(
    fit: Callable[..., Any], training: Callable[..., Training], pairs: PairSet
) -> None:
    """One slice of eight, batch 1: the first update must not draw it, else this test shows nothing."""
    settings, bad = training(batch=1, updates_per_epoch=8), damaged(pairs, "train", 1)
    first, _ = TrainingBatches(bad, settings, 3)[0]
    assert np.isfinite(first).all()
    verdict, state, _ = fit(settings, size_of_first_kernel, pairs=bad)
    assert verdict == Divergence(1, "loss is nan at epoch 1")
    assert state.best_epoch is None


def test_equal_settings_still_give_equal_weights(
    pairs: PairSet,
    task: Callable[..., Task],
    shared_files: PairFiles,
    training: Callable[..., Training],
    tmp_path: Path,
) -> None:
    """A golden training; its file says how it was made."""
    golden = json.loads(GOLDEN.read_text())
    settings = training(
        epochs=1, updates_per_epoch=3, patch=12, loss="half_sse",
        learning_rate=Decay.model_validate({"from": 0.02, "to": 0.002}),
    )  # fmt: skip
    model = Workbench(jit_compile=False).model(task(tmp_path, shared_files, settings).planned.spec)
    state = fresh_state(model, 3)
    batches = TrainingBatches(pairs, settings, 3)
    Fit("golden", settings, batches, lambda model: 0.0, 0.0, tmp_path / "state.npz", lambda event: None).run(
        model, state
    )
    found = {v.path: float(np.linalg.norm(w)) for v, w in zip(model.weights, state.weights, strict=True)}
    off = {
        name: (value, golden["norms"].get(name))
        for name, value in found.items()
        if value != pytest.approx(golden["norms"].get(name, -1), rel=golden["tolerance"])
    }
    assert set(found) == set(golden["norms"])
    assert not off, (
        f"equal settings no longer give equal weights (found, golden): {off}. If that is meant, raise "
        f"TRAINING_VERSION in bench/config/schema and make {GOLDEN.name} anew, so that no older cell is taken for a "
        "new one"
    )


def test_the_golden_training_belongs_to_this_version() -> None:
    from bench.config.schema import TRAINING_VERSION

    assert json.loads(GOLDEN.read_text())["training_version"] == TRAINING_VERSION


def test_a_network_without_the_saved_shapes_is_refused(
    fit: Callable[..., Any], training: Callable[..., Training]
) -> None:
    model = load_network("models.unet:build", {"filters": [2, 4]})
    model.compile("adam", "mse")
    state = State(1, values(model.weights)[1:], [], values(model.weights), None, [])
    with pytest.raises(ValueError, match="weight"):
        Fit("cell", training(), None, size_of_first_kernel, 0.0, Path(), lambda event: None).run(model, state)
