"""What an update costs with Keras' own batch normalization and Adam, and with those of this program, on one thread.

``python benchmarks/update.py unet 16 64``, or ``ddnet 8 64 '{"layers": 2}'``: network, batch,
side in pixels, parameters. The four kinds take turns; printed are medians of processor time.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import tensorflow as tf

from bench.training.adam import Adam
from bench.training.networks import load_network

ROUNDS = 5
ROUND_S = 3.0


def update(network: str, batch: int, side: int, params: dict[str, Any], ours: str) -> tuple[Any, int, float]:
    """Return a compiled update, its number of operations, and the seconds of processor time that tracing took."""
    model = load_network(f"models.{network}:build", params)
    for layer in model.layers if "norm" not in ours else ():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.__class__ = keras.layers.BatchNormalization  # what ``Moving`` is a subclass of
    optimizer = (Adam if "Adam" in ours else keras.optimizers.Adam)(1e-4)
    optimizer.build(model.trainable_variables)
    x, y = (tf.random.uniform((batch, side, side, 1)) for _ in range(2))

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    began = time.process_time()
    operations = len(step.get_concrete_function().graph.get_operations())
    return step, operations, time.process_time() - began


def cost(step: Callable[[], Any]) -> float:
    """Return the seconds of processor time of an update."""
    count, began, wall = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - wall < ROUND_S or not count:
        step()
        count += 1
    return (time.process_time() - began) / count


def main() -> None:
    """Print a row for each kind."""
    network, batch, side = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    params = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
    kinds = ("", "Adam", "norm", "norm and Adam")
    steps = {ours: update(network, batch, side, params, ours) for ours in kinds}
    for step, _, _ in steps.values():
        step()
    costs: dict[str, list[float]] = {ours: [] for ours in kinds}
    for _ in range(ROUNDS):
        for ours, (step, _, _) in steps.items():
            costs[ours].append(cost(step))
    print(f"{network}, batch {batch}, {side} px {params}")
    for ours, (_, operations, traced) in steps.items():
        one = statistics.median(costs[ours])
        print(
            f"ours: {ours or 'neither':14} {operations:6} operations, traced in {traced:5.1f} CPU-s, "
            f"{1000 * one:7.1f} CPU-ms an update, {batch / one:6.1f} slices per CPU-s"
        )


if __name__ == "__main__":
    main()
