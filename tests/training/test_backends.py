"""TensorFlow and JAX, each in a process of its own: equal starts, equal first losses, near final scores.

``SCORE_BAND`` is about 60 times the largest difference per slice that was measured for this cell of 24 updates on
an x86-64 CPU (3e-6 dB, 3e-7, 1e-7, 1e-4 HU), and far below what another learning rate, order or loss does. It is no
promise for long trainings, in which rounding differences grow.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.config.schema import Decay, Halving, Steps
from bench.data.pairs.pairs import PairFiles
from bench.execution.task import Task

pytestmark = pytest.mark.integration

pytest.importorskip("jax")

SIZE = 32
SCORE_BAND = {"psnr.slice_max": 2e-4, "ssim.slice_max": 2e-5, "ssim.column": 2e-5, "rmse.hu": 0.006}
NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"build": "models.unet:build", "params": {}},
    "ddnet": {"build": "models.ddnet:build", "params": {"layers": 1}},
    "dncnn": {"build": "models.dncnn:build", "params": {"depth": 4}},
}
RATES = (
    1e-3,
    Decay.model_validate({"from": 1e-4, "to": 1e-5}),
    Halving(start=1e-3, halve_every=10),
    Steps(rates=[1e-3, 1e-4], epochs=[30, 20]),
)
SCRIPT = """
import hashlib, json, os, pickle, sys
if os.environ["KERAS_BACKEND"] == "jax":
    class Blocked:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "tensorflow":
                raise ImportError("TensorFlow is blocked in this test")
    sys.meta_path.insert(0, Blocked())
import keras
from bench.execution import cell
from bench.training import feed, initial_weights, networks, order, schedule
from bench.data.pairs.pairs import open_pairs
from bench.training.losses import LOSSES

with open(sys.argv[1], "rb") as file:
    tasks, whole, rates = pickle.load(file)

def first_loss(model, loss, x, y):
    # of the first update: forward with the statistics of the batch, before any gradient is applied
    if keras.backend.backend() == "tensorflow":
        return float(loss(y, model(x, training=True)))
    import jax
    forward = jax.jit(lambda *values: model.stateless_call(*values, training=True)[0])
    variables = ([v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables))
    return float(loss(y, forward(*variables, x)))

found = {"backend": keras.backend.backend(), "start": {}, "loss": {}}
for name, task in tasks.items():
    spec = task.planned.spec
    model = networks.load_network(spec.build, spec.params)
    weights = initial_weights.initial_weights(model, 1)
    model.set_weights(weights)
    found["start"][name] = hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()
    pairs = open_pairs(task.files, task.parts)
    rows, size = pairs.parts["train"], pairs.reference.shape[1]
    batches = feed.Resident((len(rows), size, size), size)
    batches.fill(pairs, rows)
    draws = order.SampleOrder.of(spec.training, pairs.part_names("train"), size, 1).draws(0, 1)
    found["loss"][name] = first_loss(model, LOSSES[spec.training.loss], *batches(draws))
schedules = [schedule.schedule(rate, 50, 1000) for rate in rates]
found["rates"] = [[float(at(step)) for step in (0, 1, 500, 599, 600, 1000)] for at in schedules]
compiled = found["backend"] == "jax"
several = networks.NetworkCache(jit_compile=compiled, updates_per_dispatch=4 if compiled else 1)  # 6 an epoch
record = cell.run(whole, several, lambda event: None)
found["status"], found["environment"] = record.status, record.environment["backend"]
found["tensorflow"] = "tensorflow" in sys.modules
print("RESULT" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def tasks(
    task: Callable[..., Task], training: Callable[..., Any], pair_files: Callable[..., PairFiles],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Task]:  # fmt: skip
    root = tmp_path_factory.mktemp("backends")
    files = pair_files(root / "pairs", size=SIZE)
    settings = training(batch=2, loss="half_sse")
    networks = {name: task(root / name, files, settings, **network) for name, network in NETWORKS.items()}
    rate = Decay.model_validate({"from": 1e-2, "to": 1e-3})
    cell = training(learning_rate=rate, epochs=4, updates_per_epoch=6, loss="half_sse")
    whole = {f"{name}-cell": task(root / f"{name}-cell", files, cell) for name in ("tensorflow", "jax")}
    return {**networks, **whole}


@pytest.fixture(scope="module")
def found(tasks: dict[str, Task], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each backend answers; the two processes run beside each other."""
    root = tmp_path_factory.mktemp("answers")
    running = {}
    for backend in ("tensorflow", "jax"):
        path = root / f"{backend}.pickle"
        networks = {name: tasks[name] for name in NETWORKS}
        path.write_bytes(pickle.dumps((networks, tasks[f"{backend}-cell"], RATES)))
        environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
        running[backend] = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SCRIPT, str(path)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    answers = {}
    try:
        for backend, process in running.items():
            out, err = process.communicate(timeout=240)
            assert process.returncode == 0, err[-3000:]
            answers[backend] = json.loads(out.rpartition("RESULT")[2])
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
                process.communicate()
    return answers


def test_each_process_used_its_backend_and_jax_needs_no_tensorflow(found: dict[str, dict[str, Any]]) -> None:
    assert {name: answer["backend"] for name, answer in found.items()} == {
        "tensorflow": "tensorflow",
        "jax": "jax",
    }
    assert found["tensorflow"]["tensorflow"]
    assert not found["jax"]["tensorflow"]


@pytest.mark.parametrize("network", NETWORKS)
def test_equal_weights_give_equal_first_losses(found: dict[str, dict[str, Any]], network: str) -> None:
    ours, theirs = (found[backend]["loss"][network] for backend in ("tensorflow", "jax"))
    assert found["tensorflow"]["start"][network] == found["jax"]["start"][network]
    assert ours > 0
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_learning_rates_are_equal(found: dict[str, dict[str, Any]]) -> None:
    for ours, theirs in zip(found["tensorflow"]["rates"], found["jax"]["rates"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)
    assert found["jax"]["rates"][3] == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 1e-4, 1e-4])


def test_a_whole_cell_ends_with_scores_within_the_band(
    found: dict[str, dict[str, Any]], tasks: dict[str, Task]
) -> None:
    stores = [tasks[f"{backend}-cell"].store for backend in ("tensorflow", "jax")]
    assert [answer["status"] for answer in found.values()] == ["finished", "finished"]
    assert found["jax"]["environment"] == "jax"
    ours, theirs = (store.read_scores() for store in stores)
    assert len(ours) == 5
    assert [(row["patient"], row["slice"]) for row in ours] == [
        (row["patient"], row["slice"]) for row in theirs
    ]
    for metric, band in SCORE_BAND.items():
        difference = np.array([float(row[metric]) for row in ours]) - [float(row[metric]) for row in theirs]
        assert np.abs(difference).max() < band, metric
    history = [store.read_history() for store in stores]
    assert [[row["updates"] for row in rows] for rows in history] == [[6, 12, 18, 24]] * 2
    assert history[0][0]["loss"] == pytest.approx(
        history[1][0]["loss"], rel=1e-4
    )  # the mean of six real updates
    assert history[0][0]["psnr"] != history[0][-1]["psnr"]  # it did learn something
