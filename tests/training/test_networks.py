"""Building by name, the rate that the optimizer sees, and a workbench that leaves no trace between cells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bench.config.schema import Decay
from bench.data.pairs.pairs import PairFiles, PairSet, open_pairs
from bench.errors import BenchError
from bench.execution.task import Task
from bench.network_code import hashing
from bench.network_code.importing import CodeChanged, Planned
from bench.training.initial_weights import initial_weights
from bench.training.networks import NetworkCache, load_network, values
from bench.training.step import TrainingStep


@pytest.fixture(scope="module")
def pairs(shared_files: PairFiles, task: Callable[..., Task]) -> PairSet:
    return open_pairs(shared_files, task(Path(), shared_files).parts)


def update(step: TrainingStep) -> None:
    """Do one update on the first four slices."""
    draws = np.zeros((1, 4, 4), np.int32)
    draws[0, :, 0] = range(4)
    step.fit(draws, batch_size=1, verbose=0)


def test_the_optimizer_follows_the_schedule(
    task: Callable[..., Task], training: Callable[..., Any], pairs: PairSet
) -> None:
    """Adam's first step has the size of the learning rate whatever the gradient: read it off the weights."""
    rate = Decay.model_validate({"from": 0.1, "to": 0.001})
    asked = task(Path(), NO_FILES, training(learning_rate=rate, epochs=1, updates_per_epoch=2))
    step = NetworkCache(jit_compile=False).step(asked.planned.spec, pairs)
    model = step.network
    model.set_weights(initial_weights(model, 1))  # Keras' own start differs from run to run
    before = values(model.trainable_variables)
    update(step)
    after = values(model.trainable_variables)
    steps = np.concatenate([np.abs(a - b).ravel() for a, b in zip(after, before, strict=True)])
    assert np.median(steps) == pytest.approx(0.1, rel=1e-3)
    assert float(step.optimizer.learning_rate) == pytest.approx(0.01, rel=1e-5)


NO_FILES = PairFiles("", "", "", "noisy")


def test_a_network_is_kept_for_equal_settings_and_comes_back_as_built(
    task: Callable[..., Task], training: Callable[..., Any], pairs: PairSet
) -> None:
    bench, cell = NetworkCache(jit_compile=False), task(Path(), NO_FILES).planned.spec
    step = bench.step(cell, pairs)
    model = step.network
    weights, optimizer = values(model.weights), values(step.optimizer.variables)
    update(step)
    assert any(not np.array_equal(a, b) for a, b in zip(weights, values(model.weights), strict=True))
    again = bench.step(task(Path(), PairFiles("", "", "", "another"), seed=2).planned.spec, pairs)
    assert again is step
    for kept, now in ((weights, values(model.weights)), (optimizer, values(step.optimizer.variables))):
        assert all(np.array_equal(a, b) for a, b in zip(kept, now, strict=True))
    for other in (
        task(Path(), NO_FILES, training(learning_rate=0.02)),
        task(Path(), NO_FILES, params={"filters": [2, 3]}),
    ):
        assert bench.model(other.planned.spec) is not model


def test_a_kept_network_is_not_taken_for_other_code(task: Callable[..., Task], tmp_path: Path) -> None:
    file, found = tmp_path / "net.py", []
    for kernel in (1, 3, 1):
        text = "import keras\n\ndef build():\n    image = keras.Input((None, None, 1))\n"
        file.write_text(text + f"    return keras.Model(image, keras.layers.Conv2D(1, {kernel})(image))\n")
        code = Planned(str(tmp_path), hashing.code_hash("net:build", tmp_path))
        found.append((file.read_text(), code))
    bench = NetworkCache(jit_compile=False)
    cell = task(Path(), NO_FILES, build="models.unet:build").planned.spec.model_copy(
        update={"build": "net:build", "params": {}}
    )
    counts = []
    for text, code in found:
        file.write_text(text)
        counts.append(bench.model(cell, code).count_params())
    assert counts == [1 + 1, 9 + 1, 1 + 1]
    file.write_text("")
    assert bench.model(cell, found[-1][1]).count_params() == 2  # what the id names, kept from before
    with pytest.raises(CodeChanged):
        bench.model(cell, found[1][1])


def test_values_are_copies() -> None:
    variable = keras.Variable(np.ones(3, np.float32))
    (kept,) = values([variable])
    variable.assign(np.zeros(3, np.float32))
    assert kept.tolist() == [1, 1, 1]
    kept[0] = 5  # may be written to


@pytest.mark.parametrize(
    ("build", "params", "says"),
    [
        ("models.nothing:build", {}, "models.nothing"),
        ("models.unet:make", {}, "make"),
        ("models.unet:build", {"filter": [2]}, "filter"),
        ("models.unet:build", {"filters": [0]}, "filters"),
    ],
)
def test_a_network_that_cannot_be_built_is_named_in_one_line(build: str, params: dict, says: str) -> None:
    with pytest.raises(BenchError) as caught:
        load_network(build, params)
    assert build in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bfloat16_is_a_policy_of_the_network_alone() -> None:
    network = load_network("models.unet:build", {"filters": [2, 4]}, "bfloat16")
    assert network.get_layer("last_conv").compute_dtype == "bfloat16"
    assert {str(variable.dtype) for variable in network.weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
