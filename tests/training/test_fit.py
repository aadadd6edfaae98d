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
from bench.training import fit as fitting
from bench.training.checkpoint import State, load_state
from bench.training.divergence import Divergence
from bench.training.fit import FitTask, fresh_state
from bench.training.networks import NetworkCache, values
from bench.training.order import SampleOrder
from tests.conftest import UNET

GOLDEN = Path(__file__).parents[1] / "golden" / "training_v3.json"
INPUT_DB = 20.0


class Interrupted(Exception):
    """Stands for a killed process."""


@pytest.fixture(scope="module")
def networks() -> NetworkCache:
    return NetworkCache(jit_compile=False)


@pytest.fixture(scope="module")
def pairs(shared_files: PairFiles, task: Callable[..., Task]) -> PairSet:
    return open_pairs(shared_files, task(Path(), shared_files).parts)


@pytest.fixture
def fit(
    networks: NetworkCache, pairs: PairSet, shared_files: PairFiles, task: Callable[..., Task], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[Divergence | None, State, list[Event]]]:  # fmt: skip
    """A function that trains, from the saved state where there is one, and returns verdict, state and events."""
    monkeypatch.setattr(fitting, "REPORT_EVERY_S", -1.0)

    def run(
        training: Training, check: Callable[[Any], float], stop: Callable[[Event], bool] | None = None,
        folder: str = "", pairs: PairSet = pairs, parts: int = 1, params: dict[str, Any] = UNET,
        due: dict[str, Any] | None = None, networks: NetworkCache = networks,
    ) -> tuple[Divergence | None, State, list[Event]]:  # fmt: skip
        step = networks.step(
            task(tmp_path, shared_files, training, params=params).planned.spec, pairs, parts=parts
        )
        path = tmp_path / folder / "state.npz"
        state = load_state(path) or fresh_state(step, 3)
        events: list[Event] = []

        def emit(event: Event) -> None:
            events.append(event)
            if stop is not None and stop(event):
                raise Interrupted

        order = order_of(pairs, training, state.seed)
        one = FitTask("cell", training, order, check, INPUT_DB, path, emit, **(due or {}))
        return fitting.fit(step, state, one), state, events

    return run


def order_of(pairs: PairSet, training: Training, seed: int = 3) -> SampleOrder:
    return SampleOrder.of(training, pairs.part_names("train"), pairs.reference.shape[1], seed)


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


@pytest.mark.integration
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


@pytest.mark.integration
def test_a_training_interrupted_at_every_epoch(
    fit: Callable[..., Any], training: Callable[..., Training]
) -> None:
    settings = training(epochs=5, schedule_epochs=5)
    _, whole, _ = fit(settings, size_of_first_kernel, folder="whole")
    for epoch in range(1, 5):
        with pytest.raises(Interrupted):
            fit(settings, size_of_first_kernel, lambda e, k=epoch: isinstance(e, EpochEnded) and e.epoch == k)
    assert_equal(fit(settings, size_of_first_kernel)[1], whole)


@pytest.mark.integration
def test_a_training_stopped_after_every_update_ends_like_a_whole_one(
    fit: Callable[..., Any], training: Callable[..., Training], tmp_path: Path
) -> None:
    """Also the mean loss of an epoch, which is summed up across the stops."""
    settings = training(learning_rate=Decay.model_validate({"from": 0.02, "to": 0.001}))
    _, whole, _ = fit(settings, size_of_first_kernel, folder="whole")
    for update in range(1, 12):
        with pytest.raises(fitting.Stopped):
            fit(settings, size_of_first_kernel, folder="cut", due={"stop": lambda: True})
        state = load_state(tmp_path / "cut" / "state.npz")
        assert state is not None
        assert (state.updates, len(state.history)) == (update, update // 4)
    _, cut, _ = fit(settings, size_of_first_kernel, folder="cut", due={"stop": lambda: True})
    assert_equal(cut, whole)


def test_a_state_is_saved_within_a_long_epoch_and_a_killed_training_goes_on_from_there(
    fit: Callable[..., Any], training: Callable[..., Training]
) -> None:
    settings = training()
    _, whole, _ = fit(settings, size_of_first_kernel, folder="whole")
    with pytest.raises(Interrupted):
        fit(
            settings,
            size_of_first_kernel,
            INTERRUPTIONS["within the second epoch"],
            "cut",
            due={"save_every_s": 0},
        )
    _, cut, events = fit(settings, size_of_first_kernel, folder="cut")
    assert min(event.done for event in events if isinstance(event, Progress)) == 6  # five were saved
    assert_equal(cut, whole)


@pytest.mark.integration
def test_micro_batches_give_the_weights_of_the_whole_batch_and_may_change_in_the_middle_of_an_epoch(
    fit: Callable[..., Any], training: Callable[..., Training]
) -> None:
    """For a network without batch statistics, but for rounding: the mean of gradients is that of their mean loss."""
    settings = training(loss="half_sse", learning_rate=Decay.model_validate({"from": 0.02, "to": 0.001}))
    params = {**UNET, "batch_norm": "affine"}
    _, whole, _ = fit(settings, size_of_first_kernel, folder="whole", params=params)
    with pytest.raises(fitting.Stopped):
        fit(settings, size_of_first_kernel, folder="cut", params=params, parts=2, due={"stop": lambda: True})
    _, cut, _ = fit(settings, size_of_first_kernel, folder="cut", params=params)
    with pytest.raises(fitting.Stopped):
        fit(settings, size_of_first_kernel, folder="other", params=params, due={"stop": lambda: True})
    _, other, _ = fit(settings, size_of_first_kernel, folder="other", params=params, parts=2)
    assert cut.updates == other.updates == whole.updates == 12
    for state in (cut, other):
        for ours, theirs in zip(state.weights, whole.weights, strict=True):
            assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-6)
        for row, undivided in zip(state.history, whole.history, strict=True):
            assert row["loss"] == pytest.approx(undivided["loss"], rel=1e-5)
            assert row["learning_rate"] == pytest.approx(undivided["learning_rate"], rel=1e-6)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_last_dispatch_of_an_epoch_may_be_short(
    fit: Callable[..., Any], training: Callable[..., Training], parts: int
) -> None:
    """Three updates a dispatch and four an epoch, as on a GPU, where Keras counts each dispatch as full."""
    several = NetworkCache(jit_compile=False, updates_per_dispatch=3)
    verdict, state, events = fit(
        training(), size_of_first_kernel, parts=parts, networks=several, folder="three"
    )
    _, one_by_one, _ = fit(training(), size_of_first_kernel, parts=parts, folder="one")
    assert (verdict, state.updates) == (None, 12)
    assert [row["updates"] for row in state.history] == [4, 8, 12]
    assert without_seconds(state) == without_seconds(one_by_one)
    assert max(event.done for event in events if isinstance(event, Progress)) == 12
    for ours, theirs in zip(state.weights, one_by_one.weights, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("parts", [1, 3, 75])
def test_a_state_counts_updates_whatever_the_micro_batches(
    networks: NetworkCache, pairs: PairSet, shared_files: PairFiles, task: Callable[..., Task],
    training: Callable[..., Training], tmp_path: Path, parts: int,
) -> None:  # fmt: skip
    """With 75 parts, three divided by the reciprocal is a little less than 225."""
    step = networks.step(task(tmp_path, shared_files, training(batch=parts)).planned.spec, pairs, parts=parts)
    state = fresh_state(step, 1)
    state.optimizer[0] = np.asarray(3, state.optimizer[0].dtype)
    fitting._load(step, state)
    assert int(step.optimizer.iterations) == 3
    assert int(values(step.optimizer_state)[0]) == 3 * parts
    assert fitting._optimizer(step)[0] == state.optimizer[0]


def test_a_batch_has_equal_micro_batches_only(
    fit: Callable[..., Any], training: Callable[..., Training]
) -> None:
    with pytest.raises(ValueError, match="batch of 4 has no 3 equal parts"):
        fit(training(), size_of_first_kernel, parts=3)


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
    [first] = order_of(bad, settings).update(0).slices
    assert np.isfinite(bad.degraded[bad.parts["train"][first]]).all()
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
    step = NetworkCache(jit_compile=False).step(task(tmp_path, shared_files, settings).planned.spec, pairs)
    state, order = fresh_state(step, 3), order_of(pairs, settings)
    path = tmp_path / "state.npz"
    golden_task = FitTask("golden", settings, order, lambda model: 0.0, 0.0, path, lambda event: None)
    fitting.fit(step, state, golden_task)
    weights = zip(step.network.weights, state.weights, strict=True)
    found = {v.path: float(np.linalg.norm(w)) for v, w in weights}
    off = {
        name: (value, golden["norms"].get(name))
        for name, value in found.items()
        if value != pytest.approx(golden["norms"].get(name, -1), rel=golden["tolerance"])
    }
    assert set(found) == set(golden["norms"])
    assert not off, (
        f"equal settings no longer give equal weights (found, golden): {off}. If that is meant, raise "
        f"TRAINING_VERSION and make {GOLDEN.name} anew, so that older cells are not taken for new ones"
    )


def test_the_golden_training_belongs_to_this_version() -> None:
    from bench.config.schema import TRAINING_VERSION

    assert json.loads(GOLDEN.read_text())["training_version"] == TRAINING_VERSION


def test_a_network_without_the_saved_shapes_is_refused(
    networks: NetworkCache, pairs: PairSet, shared_files: PairFiles, task: Callable[..., Task],
    training: Callable[..., Training],
) -> None:  # fmt: skip
    step = networks.step(task(Path(), shared_files, training()).planned.spec, pairs)
    state = fresh_state(step, 1)
    state.weights = state.weights[1:]
    order = order_of(pairs, training())
    refused = FitTask("cell", training(), order, size_of_first_kernel, 0.0, Path(), lambda event: None)
    with pytest.raises(ValueError, match="weight"):
        fitting.fit(step, state, refused)
