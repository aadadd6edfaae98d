"""How fast this process trains and scores one network, and what its device allows; no data but random images."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from keras import ops

from bench import devices, environment
from bench.ct.units import MU_WATER
from bench.data.pairs.pairs import PairSet
from bench.errors import BenchError
from bench.network_code.importing import Planned
from bench.plan.cells import Cell, Training, batch_area
from bench.plan.forecast import NetworkSpeed
from bench.training import evaluate, flops
from bench.training.feed import fits
from bench.training.fit import FitTask, fit, fresh_state
from bench.training.networks import NetworkCache
from bench.training.order import SampleOrder
from bench.training.step import TrainingStep

SLICES = 8  # to train on
MOST_UPDATES = 5000  # of a measurement: their draws are made in advance
REPEATS = 3  # of what the device is measured by; the best counts, since others may use the machine too
SIDE = {"cpu": 1024, "gpu": 8192}  # of the matrices
COPIED = 1 << 28  # numbers of 4 bytes


def measure(
    cell: Cell, code: Planned, cache: NetworkCache, *, slices: Mapping[str, int], seconds: float, began: float
) -> NetworkSpeed:
    """Return the speed of the network of ``cell``: it is trained for about ``seconds`` on the program's own path.

    Args:
        cell: Its training counts, its slices do not.
        code: What the network is built from.
        cache: An empty one.
        slices: How many there are to train on and to score (as many at once as fit a batch); empty: unknown.
        seconds: To train after the first dispatch to the device.
        began: When the process was started, by ``time.monotonic``.
    """
    start_s = time.monotonic() - began
    assert cell.training is not None
    size, training = cell.dataset.size, cell.training
    batch = max(1, evaluate.PIXELS_PER_BATCH // size**2)
    pairs = _pairs(size, min(slices.get("test", batch), batch))
    streamed = not fits((slices.get("train", 0), size, size), devices.free_where_networks_lie())
    traced = time.monotonic()
    step = cache.step(cell, pairs, code)
    least = 2 * cache.updates_per_dispatch
    first = _train(step, training, pairs, least)
    trace_s, update_s = first.first - traced, first.update_s(cache.updates_per_dispatch)
    if update_s * cache.updates_per_dispatch < seconds:  # else that one dispatch was long enough
        dispatches = min(math.ceil(seconds / update_s), MOST_UPDATES) // cache.updates_per_dispatch
        second = _train(step, training, pairs, (1 + max(1, dispatches)) * cache.updates_per_dispatch)
        update_s = second.update_s(cache.updates_per_dispatch)
    area = batch_area(1, training.patch, size)
    work = flops.forward(step.network, training.patch or size)
    bytes_each = 2 if training.precision == "bfloat16" else 4
    device = devices.describe()["device"]
    scored = _scoring(step, pairs)
    return NetworkSpeed(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        device=device if device != "CPU" else f"{environment.describe()['cpu']} (CPU)",
        at_once=1,
        streamed=streamed,
        start_s=start_s,
        trace_s=trace_s,
        updates_per_s=1 / update_s,
        slices_per_s=batch_area(training.batch, training.patch, size) / update_s,
        **scored,
        parameters=step.network.count_params(),
        memory=devices.peak_memory(),
        flop_per_slice=flops.TRAINING * work.flop / area,
        bytes_per_slice=flops.PASSES * bytes_each * work.numbers / area,
        **_device(training.precision),
    )


def _pairs(size: int, test: int) -> PairSet:
    """Return random pairs in memory, ``size`` x ``size`` pixels: all of them train, ``test`` of them are scored."""
    count, rng = max(SLICES, test), np.random.default_rng(0)
    reference = rng.uniform(0, 2 * MU_WATER, (count, size, size)).astype(np.float32)
    degraded = reference + rng.normal(0, 0.1 * MU_WATER, reference.shape).astype(np.float32)
    scored, trained = np.arange(test), np.arange(SLICES)
    return PairSet(
        degraded=cast(np.memmap, degraded),
        reference=cast(np.memmap, reference),
        names=tuple(("random", f"{index:04d}") for index in range(count)),
        parts={"train": trained, "validation": scored, "test": scored},
        sha256={},
        pixel_cm=np.full(count, np.nan),
    )


class _Clock:
    """Notes when the first dispatch of a training was done and when the last: its hooks ``stop`` and ``validate``.

    Both are asked when the device is idle: the loss of a first update is looked at, and so are the last weights.
    """

    def __init__(self, updates: int) -> None:
        self.updates, self.first, self.last = updates, 0.0, 0.0

    def stop(self) -> bool:
        """Return that the training is to go on."""
        self.first = self.first or time.monotonic()
        return False

    def validate(self, model: keras.Model) -> float:
        """Return no PSNR."""
        self.last = time.monotonic()
        return 0.0

    def update_s(self, dispatched: int) -> float:
        """Return the seconds of an update after the first ``dispatched``."""
        return (self.last - self.first) / (self.updates - dispatched)


def _train(step: TrainingStep, training: Training, pairs: PairSet, updates: int) -> _Clock:
    """Train for so many updates as a cell does, from fresh weights, and return when."""
    clock, state = _Clock(updates), fresh_state(step, seed=1)
    once = training.model_copy(update={"epochs": 1, "updates_per_epoch": updates})
    names, size = pairs.part_names("train"), pairs.reference.shape[1]
    with tempfile.TemporaryDirectory() as folder:
        task = FitTask(
            cell="",
            training=once,
            order=SampleOrder.of(once, names, size, state.seed),
            validate=clock.validate,
            psnr_input=0.0,
            path=Path(folder, "state.npz"),
            emit=lambda event: None,
            stop=clock.stop,
            save_every_s=math.inf,
        )
        divergence = fit(step, state, task)
    if divergence is not None:
        raise BenchError(f"the network cannot be measured on random images: {divergence.message}")
    return clock


def _scoring(step: TrainingStep, pairs: PairSet) -> dict[str, float]:
    """Return the seconds of the first prediction, and per slice of inference, of a check and of scoring."""
    predict, count = evaluate.predictor(step.network), len(pairs.parts["test"])
    first, again = (evaluate.score(pairs, predict, lambda done, total: None).timings for _ in range(2))
    validation, began = evaluate.Validation(pairs, pairs.parts["validation"]), time.perf_counter()
    validation.mean_psnr(predict)
    check_s = (time.perf_counter() - began) / count
    inference_s = again["ms_per_slice"] / 1000
    return {
        "compile_s": max(0.0, first["score_s"] - again["score_s"]),
        "inference_s": inference_s,
        "check_s": check_s,
        "score_s": max(
            again["score_s"] / count - inference_s, inference_s
        ),  # the first batch is predicted twice
    }


def _device(precision: str) -> dict[str, float]:
    """Return the operations a second of a large matrix product in this precision, on a GPU also the bytes of a copy."""
    kind = "gpu" if devices.has_accelerator() else "cpu"
    side, dtype = SIDE[kind], precision if kind == "gpu" else "float32"
    matrix = ops.cast(np.full((side, side), 1 / side, np.float32), dtype)
    measured = {"flops": 2.0 * side**3 / _best(lambda x: ops.matmul(x, matrix), matrix)}
    if kind == "gpu":
        measured["bytes_per_s"] = 2 * 4 * COPIED / _best(lambda x: x + 1, ops.zeros(COPIED, "float32"))
    return measured


def _best(function: Any, start: Any, chained: int = 4) -> float:
    """Return the seconds of a call, the best of some rounds of ``chained`` calls, each on what the last one gave."""
    rounds = []
    for _ in range(1 + REPEATS):  # the first one compiles
        began, value = time.perf_counter(), start
        for _ in range(chained):
            value = function(value)
        np.asarray(ops.ravel(value[:1])[:1])  # waits for the device
        rounds.append((time.perf_counter() - began) / chained)
    return min(rounds[1:])
