"""Each kind of ruin is noticed within N updates of its beginning, in histories and in trainings; sound ones never."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras.optimizers.schedules import PiecewiseConstantDecay

from bench.config.schema import Decay, Guard
from bench.data.pairs.pairs import PairFiles, PairSet, open_pairs
from bench.execution.task import Task
from bench.plan.cells import Training
from bench.training import evaluate, networks
from bench.training.checkpoint import State
from bench.training.divergence import Divergence
from bench.training.fit import FitTask, fit, fresh_state
from bench.training.networks import NetworkCache
from bench.training.order import SampleOrder
from bench.training.watchdog import (
    LEARNT_DB,
    NOTHING,
    Look,
    Watchdog,
    interval,
    noticed_within,
    ruin,
    seen,
    watchdog_of,
)
from tests.records_factory import SMALL

PLAIN = {"filters": [4, 8], "batch_norm": "affine"}


@pytest.mark.parametrize(
    ("updates", "within", "every"), [(1, 10, 5), (100, 10, 5), (2000, 200, 100), (10**6, 200, 100)]
)
def test_n_is_a_tenth_of_the_budget_and_at_most_200_updates(updates: int, within: int, every: int) -> None:
    assert (noticed_within(updates), interval(updates)) == (within, every)


def first_ruin(gain: Callable[[int], float], updates: int) -> tuple[int, str] | None:
    """Return the update at which a training with this gain in dB after each update is given up."""
    best, last = -np.inf, NOTHING
    for update in range(interval(updates), updates + 1, interval(updates)):
        now = Look(update, gain(update), spread=1.0, change=1.0, weights=str(update).encode())
        if reason := ruin(last, now, best):
            return update, reason
        best, last = max(best, now.gain), now
    return None


@pytest.mark.parametrize("fallen", [20_000, 20_001, 20_050, 25_555])
@pytest.mark.parametrize("untreated", [33.0, 30.0])
def test_the_published_collapse_is_noticed_within_n_updates(fallen: int, untreated: float) -> None:
    """41.0 dB after two of 50 epochs of 10,000 updates, 32.4 dB in the third and ever after."""
    level = lambda update: (41.0 if update < fallen else 32.4) - untreated  # noqa: E731
    given_up = first_ruin(level, 500_000)
    assert given_up is not None
    assert fallen <= given_up[0] <= fallen + 200
    assert given_up[1].startswith("collapsed: PSNR fell from")


@pytest.mark.parametrize(
    "gain",
    [
        lambda update: 8.0,
        lambda update: -20.0 + update / 1000,  # rises from far below
        lambda update: 8.0 if update % 400 else -20.0,  # a bad look now and then
        lambda update: 8.0 - 5.9 * (update > 5000),  # falls, stays above the input
        lambda update: 0.9 - 9.0 * (update > 5000),  # had learnt nothing yet
        lambda update: 2.0 - 2.9 * (update > 5000),
    ],
)
def test_what_is_no_collapse(gain: Callable[[int], float]) -> None:
    assert first_ruin(gain, 20_000) is None


def test_what_a_look_sees() -> None:
    rng = np.random.default_rng(1)
    reference = rng.uniform(0, 2, (2, 8, 8)).astype(np.float32)
    noise = rng.normal(0, 0.1, reference.shape).astype(np.float32)
    image = reference + noise
    half = seen(1, image, reference, reference + noise / 2)
    assert (half.gain, half.change) == pytest.approx((20 * np.log10(2), 0.5), abs=1e-3)
    assert seen(1, image, reference, image + np.float32(0.3)).change < 1e-5
    assert seen(1, image, reference, np.ones_like(image)).spread == 0
    assert seen(1, image, reference, reference).gain > 60  # a perfect output has a finite gain


@pytest.fixture(scope="module")
def cache() -> NetworkCache:
    return NetworkCache(jit_compile=False)


@pytest.fixture(scope="module")
def pairs(shared_files: PairFiles, task: Callable[..., Task]) -> PairSet:
    return open_pairs(shared_files, task(Path(), shared_files).parts)


Fit = Callable[..., tuple[Divergence | None, State]]


@pytest.fixture
def train(
    cache: NetworkCache, pairs: PairSet, shared_files: PairFiles, task: Callable[..., Task],
    training: Callable[..., Training], tmp_path: Path,
) -> Fit:  # fmt: skip
    """A function that trains for 100 updates, N = 10; ``plant(network)`` is called after update ``at``."""

    def run(
        plant: Callable[[Any], None] = lambda network: None, at: int = 0, cache: NetworkCache = cache,
        guarded: bool = True, updates: int = 100, **cell: Any,
    ) -> tuple[Divergence | None, State]:  # fmt: skip
        settings = training(epochs=2, updates_per_epoch=updates // 2, schedule_epochs=2)
        made = task(tmp_path, shared_files, settings, **({"params": PLAIN} | cell))
        step = cache.step(made.planned.spec, pairs, made.code)
        done = 0

        def after_each_update() -> bool:
            nonlocal done
            done += 1
            if done == at:
                plant(step.network)
            return False

        state = fresh_state(step, 3)
        validation = evaluate.Validation(pairs, pairs.parts["validation"])
        one = FitTask(
            "cell", settings, SampleOrder.of(settings, pairs.part_names("train"), 16, 3),
            validate=lambda model: validation.mean_psnr(evaluate.predictor(model)),
            psnr_input=validation.mean_psnr(evaluate.untreated), path=tmp_path / "state.npz",
            emit=lambda event: None, stop=after_each_update,
            watchdog=watchdog_of(settings, pairs) if guarded else None,
        )  # fmt: skip
        return fit(step, state, one), state

    return run


def noticed_at(verdict: Divergence | None) -> int:
    assert verdict is not None
    return int(verdict.message.rpartition(" ")[2])


def set_all(name: str, value: float) -> Callable[[Any], None]:
    """Return what sets all weights of a network whose path ends with ``name``."""

    def plant(network: Any) -> None:
        chosen = [variable for variable in network.trainable_variables if variable.path.endswith(name)]
        assert chosen
        for variable in chosen:
            variable.assign(np.full(variable.shape, value))

    return plant


@pytest.mark.integration
@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (set_all("kernel", np.nan), "the output is not finite"),
        (set_all("beta", -1e3), "dead: the output is constant"),  # before every ReLU
    ],
    ids=["NaN", "dead"],
)
@pytest.mark.parametrize("at", [41, 45])
def test_a_planted_ruin_is_noticed_within_n_updates(
    train: Fit, plant: Callable[[Any], None], reason: str, at: int
) -> None:
    """N = 10; after update 41 and 45: just after a look, and at one."""
    verdict, _ = train(plant, at, params=PLAIN | {"residual": False})
    assert verdict is not None
    assert verdict.message.startswith(reason)
    assert at < noticed_at(verdict) <= at + 10


def test_a_learning_rate_that_explodes_is_noticed_within_n_updates(
    train: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    exploding = PiecewiseConstantDecay([60], [0.01, 1.0])
    monkeypatch.setattr(networks, "schedule", lambda *arguments: exploding)
    verdict, state = train(cache=NetworkCache(jit_compile=False))
    assert verdict is not None
    assert verdict.message.startswith("collapsed: PSNR fell from +")
    assert 60 < noticed_at(verdict) <= 70
    assert verdict.epoch == 2
    assert (state.best_epoch, len(state.history)) == (1, 1)


CUT = """
import keras

def build(share: float):
    image = keras.Input((None, None, 1))
    change = keras.layers.Rescaling(share)(keras.layers.Conv2D(1, 3, padding="same")(image))
    return keras.Model(image, keras.layers.Add()([image, change]))
"""


@pytest.mark.parametrize(
    ("share", "reason", "at"),
    [(0.0, "dead: no weight has moved", 40), (1e-7, "the output is still the input", 220)],
)
def test_a_network_whose_path_is_cut_is_noticed_within_n_updates(
    train: Fit, tmp_path: Path, share: float, reason: str, at: int
) -> None:
    """N = 40; the second one is no sign of ruin before update 200."""
    (tmp_path / "cut.py").write_text(CUT)
    verdict, _ = train(build="cut:build", params={"share": share}, base=tmp_path, updates=400)
    assert verdict is not None
    assert verdict.message.startswith(reason)
    assert noticed_at(verdict) == at


@pytest.mark.integration
def test_a_watched_training_has_the_same_bits(train: Fit) -> None:
    """Also where normalization always takes, and moves, the statistics of its batch."""
    for params in (PLAIN, {"filters": [2, 4], "batch_norm": "batch"}):
        (verdict, watched), (_, alone) = (train(params=params, guarded=guarded) for guarded in (True, False))
        assert verdict is None
        for group in ("weights", "optimizer", "best", "random"):
            for ours, theirs in zip(getattr(watched, group), getattr(alone, group), strict=True):
                assert np.array_equal(ours, theirs)


def test_a_resumed_training_knows_the_gain_of_its_best_check() -> None:
    """Its watchdog is a new one: the fall is measured from the weights that the state holds."""
    rng = np.random.default_rng(1)
    dog = Watchdog(rng.random((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.float32), 100, 50)

    class Network:
        non_trainable_weights = trainable_variables = weights = variables = ()

        def predict_on_batch(self, images: Any) -> Any:
            return images / 4

    dog.begin(Network(), best=True)
    assert dog.best == pytest.approx(20 * np.log10(4), abs=1e-3)
    dog.begin(Network(), best=False)
    assert dog.best == -np.inf


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("model", SMALL)
def test_sound_trainings_never_trip_it(
    model: str, task: Callable[..., Task], training: Callable[..., Training],
    pair_files: Callable[..., PairFiles], tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Ten seeds of each network at 32 pixels, most of which learn something that they could lose."""
    files = pair_files(tmp_path / "pairs", size=32)
    cache = NetworkCache(jit_compile=False)
    rate = Decay.model_validate({"from": 1e-2, "to": 1e-3})
    settings = training(
        epochs=4, updates_per_epoch=100, batch=2, learning_rate=rate, loss="half_sse", guard=Guard(above=99)
    )
    gains = []
    for seed in range(1, 11):
        one = task(tmp_path, files, settings, build=f"models.{model}:build", params=SMALL[model], seed=seed)
        pairs = open_pairs(files, one.parts)
        step = cache.step(one.planned.spec, pairs)
        state, watchdog = fresh_state(step, seed), watchdog_of(settings, pairs)
        order = SampleOrder.of(settings, pairs.part_names("train"), 32, seed)
        path = tmp_path / f"{seed}.npz"
        fit_task = FitTask(
            "cell", settings, order, lambda model: 0.0, 0.0, path, lambda event: None, watchdog=watchdog
        )
        assert fit(step, state, fit_task) is None, seed
        gains.append(watchdog.best)
    assert np.median(gains) > LEARNT_DB
    with capsys.disabled():
        print(f"{model}: best gain {min(gains):.2f} to {max(gains):.2f} dB")
