"""One candidate of ``training_cpu.py`` in a process of its own, which trains a round whenever it reads a line.

``python candidate.py NAME NETWORK SIZE BATCH THREADS SECONDS ROUNDS``; NAME is one of ``CANDIDATES``. Answers are
lines of JSON. No library is imported before the threads are set, and each candidate imports only its own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SLICES = 40  # of random pairs
Between = Callable[[], None]
Run = Callable[[int, int, Between], None]  # updates a round, rounds, what happens after each round


def images(batch: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch of random images and references, float32 (B, H, W, 1)."""
    rng = np.random.default_rng(1)
    x, y = (rng.random((batch, size, size, 1), np.float32) for _ in range(2))
    return x, y


def _looped(step: Callable[[], Any]) -> Run:
    def run(updates: int, rounds: int, between: Between) -> None:
        for _ in range(rounds):
            for _ in range(updates):
                last = step()
            np.asarray(last)  # all updates are done when their last loss is known
            between()

    return run


def _compiled(network: str) -> Any:
    import keras

    from bench.training.networks import load_network

    model = load_network(f"models.{network}:build", {})
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss="mse", jit_compile=False)
    return model


def _parameters(model: Any) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def ours(network: str, size: int, batch: int, threads: int) -> tuple[Run, Callable[[], int]]:
    """The whole path of this program."""
    from own_training import OwnTraining, pairs_in_memory

    training = OwnTraining(network, size, batch, pairs_in_memory(SLICES, size))
    return training.run, lambda: training.parameters


def bare(network: str, size: int, batch: int, threads: int) -> tuple[Run, Callable[[], int]]:
    """The training step of Keras, compiled, on one batch of tensors; nothing else."""
    import tensorflow as tf

    model = _compiled(network)
    data = tuple(tf.constant(each) for each in images(batch, size))
    function = tf.function(model.train_step)
    return _looped(lambda: function(data)["loss"]), lambda: _parameters(model)


def tensors(network: str, size: int, batch: int, threads: int) -> tuple[Run, Callable[[], int]]:
    """``fit`` of Keras on tensors of a fixed batch through tf.data."""
    import keras
    import tensorflow as tf

    model = _compiled(network)
    data = tf.data.Dataset.from_tensor_slices(images(SLICES, size)).repeat().batch(batch, drop_remainder=True)

    def run(updates: int, rounds: int, between: Between) -> None:
        after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: between())
        model.fit(data, steps_per_epoch=updates, epochs=rounds, verbose=0, shuffle=False, callbacks=[after])

    return run, lambda: _parameters(model)


def tf1(network: str, size: int, batch: int, threads: int) -> tuple[Run, Callable[[], int]]:
    """A graph of TensorFlow 1 with feed_dict and fused batch norm."""
    from tf1_networks import Session

    session = Session(network, batch, size, threads)
    data = images(batch, size)
    return _looped(lambda: session.step(*data)), lambda: session.parameters


def torch_eager(
    network: str, size: int, batch: int, threads: int, compiled: bool = False
) -> tuple[Run, Callable[[], int]]:
    """PyTorch, channels_last."""
    import torch
    from torch_networks import NETWORKS, parameters

    torch.set_num_threads(threads)
    model = NETWORKS[network]().to(memory_format=torch.channels_last)
    x, y = (
        torch.from_numpy(each).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        for each in images(batch, size)
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    forward = torch.compile(model) if compiled else model

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return _looped(step), lambda: parameters(model)


def torch_compile(network: str, size: int, batch: int, threads: int) -> tuple[Run, Callable[[], int]]:
    """PyTorch, channels_last, ``torch.compile``."""
    return torch_eager(network, size, batch, threads, compiled=True)


CANDIDATES = {
    "ours": ours,
    "bare": bare,
    "fit on tensors": tensors,
    "TF1 graph": tf1,
    "PyTorch": torch_eager,
    "torch.compile": torch_compile,
}


class Clock:
    """What a round took."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin a round."""
        self.used, self.began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()

    def read(self) -> dict[str, float]:
        """Return seconds of wall, processor and system, and context switches since the round began."""
        now, before, seconds = (
            resource.getrusage(resource.RUSAGE_SELF),
            self.used,
            time.perf_counter() - self.began,
        )
        system = now.ru_stime - before.ru_stime
        return {
            "wall": seconds,
            "cpu": now.ru_utime - before.ru_utime + system,
            "system": system,
            "switches": now.ru_nvcsw + now.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw,
        }


def main() -> None:
    """Build, find out how many updates fill a round, and serve rounds until they are over."""
    name, network, *numbers = sys.argv[1:]
    size, batch, threads, seconds, rounds = map(int, numbers)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    clock = Clock()
    run, parameters = CANDIDATES[name](network, size, batch, threads)
    trial: list[float] = []

    def tried() -> None:
        trial.append(clock.read()["wall"])
        clock.start()

    run(2, 3, tried)  # the first round compiles
    updates = max(2, round(seconds / (trial[-1] / 2)))
    first = {"updates": updates, "parameters": parameters(), "compile": trial[0]}

    def between() -> None:
        """Answer with the round that is over and wait for the next; the first one only warms up."""
        answer = clock.read() | first if not warm else clock.read()
        warm.append(True)
        print(json.dumps(answer), file=answers)
        if not sys.stdin.readline():
            raise SystemExit
        clock.start()

    warm: list[bool] = []
    run(updates, rounds + 1, between)


if __name__ == "__main__":
    main()
