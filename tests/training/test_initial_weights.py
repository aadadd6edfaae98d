"""Start values: their distributions, and that nothing but seed and index enters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from bench import seeds
from bench.training.initial_weights import initial_weights, unnamed

Draw = Callable[..., np.ndarray]


@pytest.fixture
def draw() -> Draw:
    """A function that returns the start values of one convolution kernel (3, 3, inputs, maps)."""

    def kernel(initialiser: Any, inputs: int = 8, maps: int = 16, seed: int = 1) -> np.ndarray:
        layer = keras.layers.Conv2D(maps, 3, kernel_initializer=initialiser, use_bias=False)
        return initial_weights(keras.Sequential([keras.Input((None, None, inputs)), layer]), seed)[0]

    return kernel


@pytest.mark.parametrize(("inputs", "maps"), [(8, 16), (1, 64), (64, 1)])
def test_glorot_fills_its_interval_evenly(draw: Draw, inputs: int, maps: int) -> None:
    limit = math.sqrt(6 / (9 * inputs + 9 * maps))
    values = draw("glorot_uniform", inputs, maps)
    assert np.abs(values).max() <= limit
    assert np.abs(values).max() > 0.98 * limit
    assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.08)
    assert abs(values.mean()) < 4 * limit / math.sqrt(3 * values.size)


def test_the_normal_distribution_has_its_own_spread(draw: Draw) -> None:
    values = draw(keras.initializers.RandomNormal(0.0, 0.01), 64, 64)
    assert values.std() == pytest.approx(0.01, rel=0.02)
    assert abs(values.mean()) < 2e-4
    assert np.mean(np.abs(values) < 0.01) == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize(("inputs", "maps"), [(8, 16), (1, 64), (64, 1), (2, 2)])
def test_orthogonal_kernels_are_orthonormal_along_the_shorter_side(
    draw: Draw, inputs: int, maps: int
) -> None:
    matrix = draw("orthogonal", inputs, maps).reshape(-1, maps).astype(np.float64)
    gram = matrix.T @ matrix if matrix.shape[0] >= maps else matrix @ matrix.T
    assert np.allclose(gram, np.eye(len(gram)), atol=1e-6)


@pytest.mark.parametrize("name", ["he_normal", "he_uniform", "glorot_normal", "lecun_normal"])
def test_variance_scaling_has_the_variance_of_keras(draw: Draw, name: str) -> None:
    """Held against Keras' own draw of the same size: standard deviation and largest value."""
    ours = draw(name, 64, 64)
    theirs = np.asarray(keras.initializers.get({"class_name": name, "config": {"seed": 1}})(ours.shape))
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02)
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.02)


@pytest.mark.parametrize(
    "name", ["glorot_uniform", "he_normal", "orthogonal", "random_normal", "random_uniform"]
)
def test_keras_own_random_numbers_do_not_enter(draw: Draw, name: str) -> None:
    first = draw(name)
    keras.random.normal((7,), seed=keras.random.SeedGenerator(3))
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    assert np.array_equal(first, draw(name))
    assert not np.array_equal(first, draw(name, seed=2))


def test_an_unknown_initialiser_is_called_with_a_seed(draw: Draw) -> None:
    assert np.array_equal(draw("truncated_normal"), draw("truncated_normal"))
    assert not np.array_equal(draw("truncated_normal"), draw("truncated_normal", seed=2))


def network() -> keras.Model:
    image = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(2, 3)(image)
    x = keras.layers.BatchNormalization()(x)
    inner = [keras.Input((14, 14, 2)), keras.layers.SeparableConv2D(1, 3), keras.layers.PReLU()]
    return keras.Model(image, keras.Sequential(inner)(x))


def test_the_key_is_seed_and_index() -> None:
    """The first kernel of the network by hand, from the generator of ("initial", seed, 0)."""
    limit = math.sqrt(6 / (9 + 18))
    by_hand = seeds.generator("initial", 5, 0).uniform(-limit, limit, (3, 3, 1, 2)).astype(np.float32)
    assert np.array_equal(initial_weights(network(), 5)[0], by_hand)


def test_equal_whatever_was_built_or_trained_before() -> None:
    first = network()
    before = initial_weights(first, 7)
    first.compile("sgd", "mse")
    first.train_on_batch(np.ones((1, 16, 16, 1), np.float32), np.zeros((1, 12, 12, 1), np.float32))
    for model in (first, network()):
        assert all(np.array_equal(a, b) for a, b in zip(before, initial_weights(model, 7), strict=True))
    other = initial_weights(first, 8)
    random = [i for i, value in enumerate(before) if np.ptp(value) > 0]
    assert len(random) == 3  # the kernels of Conv2D and, inside, of SeparableConv2D: depthwise and pointwise
    assert all(not np.array_equal(before[i], other[i]) for i in random)


def test_layers_inside_layers_and_constants_are_set() -> None:
    image = keras.Input((None, None, 1))
    inner = keras.Sequential([keras.Input((None, None, 1)), keras.layers.SeparableConv2D(2, 3)])
    model = keras.Model(image, keras.layers.BatchNormalization()(inner(image)))
    model.set_weights([np.full(w.shape, 9.0) for w in model.weights])
    found = dict(
        zip([w.path.rpartition("/")[2] for w in model.weights], initial_weights(model, 1), strict=True)
    )
    assert all((value != 9).all() for value in found.values())
    assert {name: value.tolist() for name, value in found.items() if value.ndim == 1} == {
        "bias": [0, 0], "gamma": [1, 1], "beta": [0, 0], "moving_mean": [0, 0], "moving_variance": [1, 1],
    }  # fmt: skip


class Two(keras.layers.Layer):
    """A layer with two inner layers of one name."""

    def __init__(self) -> None:
        super().__init__()
        self.first = keras.layers.Dense(3, kernel_initializer="zeros", name="inner")
        self.second = keras.layers.Dense(3, kernel_initializer="he_normal", name="inner")

    def call(self, x: Any) -> Any:
        return self.first(x) + self.second(x)


def branches() -> keras.Model:
    """Two sub-models whose inner layers have equal names, the second one all zeros."""
    image = keras.Input((8, 8, 1))

    def branch(kind: str) -> keras.Model:
        inner = [keras.layers.Conv2D(2, 3, kernel_initializer=kind, name=f"conv{k}") for k in (1, 2)]
        return keras.Sequential([keras.Input((8, 8, 1)), *inner], name=f"branch_{kind}")

    x = keras.layers.Add()([branch("he_normal")(image), branch("zeros")(image)])
    return keras.Model(image, Two()(x))


def test_layers_of_equal_names_keep_their_own_initialisers() -> None:
    model = branches()
    assert len({weight.path for weight in model.weights}) < len(model.weights)  # else this shows nothing
    assert not unnamed(model)
    kernels = [value for value in initial_weights(model, 1) if value.ndim > 1]
    assert [bool(value.any()) for value in kernels] == [True, True, False, False, False, True]
    spread = float(kernels[1].std())  # he_normal: sqrt(2 / fan in), here 3 * 3 * 2
    assert spread == pytest.approx(math.sqrt(2 / 18), rel=0.35)


def test_whole_numbers_keep_their_type() -> None:
    class Counter(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.count = self.add_weight(
                shape=(), initializer="zeros", dtype="int64", trainable=False, name="count"
            )
            self.count.assign(2**24 + 1)  # no float32

        def call(self, x: Any) -> Any:
            return x

    model = keras.Sequential([keras.Input((2,)), Counter()])
    (value,) = initial_weights(model, 1)
    assert (value.dtype, int(value)) == (np.int64, 2**24 + 1)


def test_weights_whose_initialiser_no_layer_names_are_found() -> None:
    class Own(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(3,), initializer="random_normal", name="scale")
            self.shift = self.add_weight(shape=(3,), initializer="zeros", name="shift")

        def call(self, x: Any) -> Any:
            return x * self.scale + self.shift

    assert [path.rpartition("/")[2] for path in unnamed(keras.Sequential([keras.Input((3,)), Own()]))] == [
        "scale"
    ]
