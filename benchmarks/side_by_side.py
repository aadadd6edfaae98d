"""Threads of one cell, and cells side by side, on this machine's CPU: processor seconds, wall seconds, switches.

``python benchmarks/side_by_side.py threads [REPEATS]``: one thread against two, UNet and DD-Net, 64, 128 and 256 px.
``python benchmarks/side_by_side.py waiting [REPEATS]``: what two threads of a small UNet cost beside a busy process,
with the variables that say how threads wait.

Each figure is of a process of its own, whose environment is a worker's (``bench/devices.py``); tracing is left out.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

from tabulate import tabulate

BATCH = {"unet": 4, "ddnet": 1, "small unet": 4}
PARAMS = {"small unet": {"filters": [8, 16]}}
SECONDS = 4.0
UPDATES = 16  # in one call of ``fit``
WAITING: dict[str, dict[str, str]] = {
    "as before: two inter-op threads": {"TF_NUM_INTEROP_THREADS": "2"},
    "one inter-op thread": {"TF_NUM_INTEROP_THREADS": "1"},
    "and no spinning of TensorFlow's pools": {"TF_NUM_INTEROP_THREADS": "1", "NO_SPINNING": "1"},
}


def step_costs(network: str, side: int) -> dict[str, float]:
    """Return what one update costs in this process: milliseconds of wall, user and system, and switches."""
    import keras
    import numpy as np

    from bench.training.networks import load_network

    if "NO_SPINNING" in os.environ:
        _no_spinning()
    keras.utils.set_random_seed(1)
    model = load_network(f"models.{network.split()[-1]}:build", PARAMS.get(network, {}))
    model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="mse")
    images = np.random.default_rng(1).random((UPDATES * BATCH[network], side, side, 1), np.float32)
    fit = {"batch_size": BATCH[network], "verbose": 0, "shuffle": False}
    model.fit(images[: 2 * BATCH[network]], images[: 2 * BATCH[network]], **fit)
    before, began, updates = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter(), 0
    while (wall := time.perf_counter() - began) < SECONDS:
        model.fit(images, images, **fit)
        updates += UPDATES
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": 1e3 * wall / updates,
        "user": 1e3 * (after.ru_utime - before.ru_utime) / updates,
        "system": 1e3 * (after.ru_stime - before.ru_stime) / updates,
        "voluntary": (after.ru_nvcsw - before.ru_nvcsw) / updates,
        "involuntary": (after.ru_nivcsw - before.ru_nivcsw) / updates,
    }


def _no_spinning() -> None:
    """Let threads that wait for work sleep at once: a switch of TensorFlow that has no public name."""
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.eager import context

    experimental = config_pb2.ConfigProto.Experimental(disable_thread_spinning=True)
    context.context()._config = config_pb2.ConfigProto(experimental=experimental)


def of_process(network: str, side: int, threads: int, changes: Mapping[str, str] = {}) -> dict[str, float]:
    """Return ``step_costs`` of a process with a worker's environment."""
    from bench import devices

    worker = {**devices.environment_at_start(), **devices.environment_variables(threads, None)}
    command = [sys.executable, __file__, "steps", network, str(side)]
    done = subprocess.run(
        command, env={**os.environ, **worker, **changes}, capture_output=True, text=True, check=True
    )
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return costs


def median(costs: list[dict[str, float]]) -> list[float]:
    """Return the median of each cost over the repeats."""
    return [statistics.median(one[key] for one in costs) for key in costs[0]]


def threads(repeats: int) -> None:
    """Print one thread against two, interleaved."""
    rows = []
    for network in ("unet", "ddnet"):
        for side in (64, 128, 256):
            costs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
            for _ in range(repeats):
                for count, each in costs.items():
                    each.append(of_process(network, side, count))
            rows += [(network, side, count, *median(each)) for count, each in costs.items()]
            print(rows[-2:], flush=True)
    header = (
        "network",
        "size",
        "threads",
        *(f"{k}, ms" for k in ("wall", "user", "system")),
        "vol.",
        "invol.",
    )
    print(tabulate(rows, header, tablefmt="github", floatfmt=".3g"))


def waiting(repeats: int) -> None:
    """Print what two threads of a UNet of two levels at 64 pixels cost beside a busy process, by variables."""
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in WAITING}
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        for _ in range(repeats):
            for name, changes in WAITING.items():
                costs[name].append(of_process("small unet", 64, 2, changes))
                print(name, costs[name][-1], flush=True)
    finally:
        busy.kill()
        busy.wait()
    rows = [(name, *median(each)) for name, each in costs.items()]
    header = ("variables", "wall, ms", "user, ms", "system, ms", "voluntary", "involuntary")
    print(tabulate(rows, header, tablefmt="github", floatfmt=".3g"))


def main() -> None:
    """Measure what the command line names."""
    what, *more = sys.argv[1:]
    if what == "steps":
        print(json.dumps(step_costs(more[0], int(more[1]))))
    else:
        {"threads": threads, "waiting": waiting}[what](int(more[0]) if more else 1)


if __name__ == "__main__":
    main()
