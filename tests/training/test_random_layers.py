"""Random layers: under the cell's seed alone, part of a saved state, and nothing may draw beside them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bench.data.pairs.pairs import PairFiles, open_pairs
from bench.errors import BenchError
from bench.events import EpochEnded, Event
from bench.execution import cell
from bench.execution.task import Task
from bench.training import evaluate, random_layers
from bench.training.networks import NetworkCache

Make = Callable[..., Task]

NETWORK = '''
import keras


class Halves(keras.layers.Layer):
    """Weights of which no attribute names the initialiser, and a generator of its own."""

    def __init__(self):
        super().__init__()
        self.draws = keras.random.SeedGenerator()

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="random_normal", name="scale")

    def call(self, x, training=False):
        noise = keras.random.normal((1,), stddev=0.1, seed=self.draws) if training else 0.0
        return x * (1 + self.scale) + noise


def build(*, own: bool = False, rate: float = 0.3) -> keras.Model:
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.GaussianNoise(0.1)(keras.layers.Dropout(rate)(x))
    x = Halves()(x) if own else x
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(x))
'''


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    (folder / "drawing.py").write_text(NETWORK)
    return folder


@pytest.fixture
def make(
    task: Make, training: Callable[..., Any], shared_files: PairFiles, base: Path, tmp_path: Path
) -> Make:
    """A function that makes the task of a cell with random layers, by the name of its folder."""

    def asked(name: str, own: bool = False, seed: int = 1, rate: float = 0.3) -> Task:
        settings = training(epochs=2, updates_per_epoch=3)
        params = {"own": own, "rate": rate}
        return task(
            tmp_path / name,
            shared_files,
            settings,
            build="drawing:build",
            params=params,
            seed=seed,
            base=base,
        )

    return asked


def quiet(event: Event) -> None:
    pass


def result(task: Task, bench: NetworkCache) -> tuple[list[bytes], bytes]:
    assert cell.run(task, bench, quiet).status == "finished"
    return [a.tobytes() for a in task.store.read_weights()], (task.store.folder / "scores.csv").read_bytes()


@pytest.mark.integration
@pytest.mark.parametrize("own", [False, True], ids=["Keras' layers", "an own layer"])
def test_equal_cells_are_equal_whatever_ran_before_or_interrupted_them(make: Make, own: bool) -> None:
    first, second = NetworkCache(jit_compile=False), NetworkCache(jit_compile=False)
    alone = result(make("alone", own), first)
    other = result(make("other", own, seed=2), first)
    keras.utils.set_random_seed(77)  # the process of another day
    assert result(make("other first", own, seed=2), second) == other
    assert result(make("after", own), second) == alone
    assert other != alone

    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise RuntimeError("planted")

    cut = make("cut", own)
    with pytest.raises(RuntimeError):
        cell.run(cut, second, stop)
    result(make("between", own, seed=3), second)
    assert result(cut, second) == alone


def test_the_draws_do_change_the_training(make: Make) -> None:
    bench = NetworkCache(jit_compile=False)
    assert result(make("some", rate=0.3), bench)[0] != result(make("none", rate=0.0), bench)[0]


def test_a_saved_state_without_the_draws_is_refused(make: Make) -> None:
    asked, bench = make("cut"), NetworkCache(jit_compile=False)
    step = bench.step(asked.planned.spec, open_pairs(asked.files, asked.parts), asked.code)
    state = cell.fresh_state(step, 1)
    assert [value.tolist()[1] for value in state.random] == [0, 0]
    assert len({int(value[0]) for value in state.random}) == 2
    state.random = []
    state.save(asked.store.state)
    with pytest.raises(BenchError, match=r"state\.npz: saved state of another network .*--force"):
        cell.run(asked, bench, quiet)


def test_scoring_draws_nothing(make: Make) -> None:
    asked = make("scored")
    model = NetworkCache(jit_compile=False).model(asked.planned.spec, asked.code)
    pairs = open_pairs(asked.files, asked.parts)
    before = [np.asarray(v.value).tolist() for v in random_layers.states(model)]
    slices = evaluate.Validation(pairs, pairs.parts["test"])
    first, second = (slices.mean_psnr(evaluate.predictor(model)) for _ in "ab")
    assert first == second
    assert [np.asarray(v.value).tolist() for v in random_layers.states(model)] == before


OUTSIDE = """
import keras, numpy as np, random
free = keras.random.SeedGenerator(3)

def build(*, kind: str = "none") -> keras.Model:
    def layer(x):
        if kind == "keras":
            return x + keras.random.normal((1,))
        if kind == "free":
            return x + keras.random.normal((1,), seed=free)
        if kind == "numpy":
            return x + np.random.rand()
        if kind == "python":
            return x + random.random()
        if kind == "tensorflow":
            import tensorflow as tf
            return x + tf.random.normal((1,))
        return x + keras.random.normal((1,), seed=5)  # the same numbers at every call

    image = keras.Input((None, None, 1))
    x = keras.layers.Lambda(layer)(image)
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(x), name="own")
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("keras", "a generator that belongs to no layer"),
        ("free", "a generator that belongs to no layer"),
        ("numpy", "the global generator of NumPy or Python"),
        ("python", "the global generator of NumPy or Python"),
        ("tensorflow", "TensorFlow itself (RandomStandardNormal)"),
        ("none", ""),
    ],
)
def test_what_draws_outside_the_layers_is_refused_also_when_it_is_kept(
    task: Make, training: Callable[..., Any], shared_files: PairFiles, tmp_path: Path, kind: str, says: str
) -> None:
    (tmp_path / "outside.py").write_text(OUTSIDE)
    bench = NetworkCache(jit_compile=False)
    for name in ("first", "again"):
        network = {"build": "outside:build", "params": {"kind": kind}, "base": tmp_path}
        asked = task(tmp_path / name, shared_files, training(epochs=1), **network)
        if not says:
            assert cell.run(asked, bench, quiet).status == "finished"
            continue
        with pytest.raises(BenchError) as caught:
            cell.run(asked, bench, quiet)
        assert str(caught.value).startswith(
            f"network own draws random numbers from {says}; give each random layer"
        )


def test_a_variable_that_is_neither_weight_nor_draw_is_refused() -> None:
    class Odd:
        weights: tuple = ()
        variables = (keras.Variable(np.zeros(3), name="odd"),)

    with pytest.raises(BenchError, match="variable odd is neither a weight nor the state of a random layer"):
        random_layers.start(Odd(), 1)


JAX = """
import json, pickle, sys
import keras
from bench.execution import cell
from bench.training import networks
from bench.events import EpochEnded

def stop(event):
    if isinstance(event, EpochEnded):
        raise KeyError("planted")

tasks, bench = pickle.load(open(sys.argv[1], "rb")), networks.NetworkCache(jit_compile=True)
cell.run(tasks["whole"], bench, lambda event: None)
try:
    cell.run(tasks["cut"], bench, stop)
except KeyError:
    pass
cell.run(tasks["other"], bench, lambda event: None)
cell.run(tasks["cut"], bench, lambda event: None)
try:
    cell.run(tasks["outside"], bench, lambda event: None)
    print("RESULT not refused")
except Exception as error:
    print("RESULT", keras.backend.backend(), error)
"""


@pytest.mark.integration
def test_the_same_holds_with_jax(
    make: Make, task: Make, training: Callable[..., Any], shared_files: PairFiles, tmp_path: Path
) -> None:
    pytest.importorskip("jax")
    (tmp_path / "outside.py").write_text(OUTSIDE)
    network = {"build": "outside:build", "params": {"kind": "free"}, "base": tmp_path}
    tasks = {"whole": make("whole"), "cut": make("cut"), "other": make("other", seed=2)}
    tasks["outside"] = task(tmp_path / "outside", shared_files, training(epochs=1), **network)
    (tmp_path / "tasks").write_bytes(pickle.dumps(tasks))
    done = subprocess.run(
        [sys.executable, "-c", JAX, str(tmp_path / "tasks")],
        env={**os.environ, "KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": ""},
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        "RESULT jax network own draws random numbers from a generator that belongs to no layer" in done.stdout
    )
    whole, cut, other = (
        [array.tobytes() for array in tasks[name].store.read_weights()] for name in ("whole", "cut", "other")
    )
    assert whole == cut
    assert whole != other
