"""One candidate of a comparison in a process of its own, which trains a round whenever it reads a line.

``python candidate.py NAME JOB``: NAME is one of ``CANDIDATES``, JOB the ``Job`` of ``children.py`` as JSON. Answers
are lines of JSON. Each candidate imports only its own libraries.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from children import Job

Between = Callable[..., None]  # what happens after each round; takes what is told of it beside its time
Run = Callable[[int, int, Between], None]  # updates a round, rounds
Said = dict[str, Any]  # what is told of a candidate beside its speed


def images(job: Job, batch: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch of random images and references, float32 (B, h, w, 1)."""
    rng, side = np.random.default_rng(1), job.patch or job.size
    x, y = (rng.random((batch or job.batch, side, side, 1), np.float32) for _ in range(2))
    return x, y


def _looped(step: Callable[[], Any]) -> Run:
    def run(updates: int, rounds: int, between: Between) -> None:
        for _ in range(rounds):
            _updates(step, updates)
            between()

    return run


def _updates(step: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        last = step()
    float(last)  # all updates are done when their last loss is known


def _kernels(step: Callable[[], Any], updates: int = 10) -> list[tuple[str, float]]:
    """Return what took longest on the device, by XLA's names without numbers: (name, ms an update)."""
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, create_perfetto_trace=True):
            _updates(step, updates)
        (trace,) = Path(folder).rglob("perfetto_trace.json.gz")
        events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    devices = {e["pid"] for e in events if e.get("name") == "process_name" and "GPU" in e["args"]["name"]}
    totals: Counter[str] = Counter()
    for event in events:
        if event.get("ph") == "X" and event["pid"] in devices:
            totals[re.sub(r"[._]?\d+", "", event["name"])] += event["dur"] / 1e3 / updates
    return totals.most_common(25)


def _compiled(job: Job) -> Any:
    import keras

    from bench import devices
    from bench.training.networks import load_network

    model = load_network(f"models.{job.network}:build", {}, job.precision)
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss="mse", jit_compile=devices.has_accelerator())
    return model


def _parameters(model: Any) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def _memory() -> Said:
    """Return the most memory that JAX has held on its device, in MB."""
    import jax

    return {"MB": ((jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)) / 1e6}


def ours(job: Job) -> tuple[Run, Callable[[], Said]]:
    """The whole path of this program."""
    import keras
    from own_training import OwnTraining, pairs_in_memory

    crops = {"patch": job.patch, "patches_per_slice": 16} if job.patch else {}
    pairs = pairs_in_memory(job.slices, job.size)
    training = OwnTraining(job.network, job.size, job.batch, pairs, job.precision, **crops)
    memory = _memory if keras.backend.backend() == "jax" else dict
    return training.run, lambda: {"parameters": training.parameters, **memory()}


def bare(job: Job) -> tuple[Run, Callable[[], Said]]:
    """The training step of Keras, compiled, on one batch of tensors; nothing else."""
    import keras

    return (_bare_jax if keras.backend.backend() == "jax" else _bare_tensorflow)(_compiled(job), job)


def _bare_tensorflow(model: Any, job: Job) -> tuple[Run, Callable[[], Said]]:
    import tensorflow as tf

    data = tuple(tf.constant(each) for each in images(job))
    function = tf.function(model.train_step, jit_compile=model.jit_compile)
    return _looped(lambda: function(data)["loss"]), lambda: {"parameters": _parameters(model)}


def _bare_jax(model: Any, job: Job) -> tuple[Run, Callable[[], Said]]:
    import jax
    from keras import ops

    def loss(trained: Any, others: Any, x: Any, y: Any) -> tuple[Any, Any]:
        output, others = model.stateless_call(trained, others, x, training=True)
        return ops.mean(ops.square(ops.cast(output, "float32") - y)), others

    def update(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        trained, others, adam = state
        (value, others), slopes = jax.value_and_grad(loss, has_aux=True)(trained, others, x, y)
        trained, adam = model.optimizer.stateless_apply(adam, slopes, trained)
        return (trained, others, adam), value

    groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    state = tuple([variable.value for variable in group] for group in groups)
    data = [jax.device_put(each) for each in images(job)]
    step = jax.jit(update, donate_argnums=0).lower(state, *data).compile()
    costs = step.cost_analysis() or {}
    costs = costs[0] if isinstance(costs, list) else costs
    said = {
        "parameters": _parameters(model),
        "GFLOP a slice": costs.get("flops", 0) / job.area / 1e9,
        "GB a slice": costs.get("bytes accessed", 0) / job.area / 1e9,
    }

    def advance() -> Any:
        nonlocal state
        state, value = step(state, *data)
        return value

    def run(updates: int, rounds: int, between: Between) -> None:
        for left in reversed(range(rounds)):
            _updates(advance, updates)
            between(**({"kernels": _kernels(advance)} if rounds > job.rounds and not left else {}))

    return run, lambda: {**said, **_memory()}


def gather(job: Job) -> tuple[Run, Callable[[], Said]]:
    """A batch cut, turned and scaled out of pairs on the device by JAX, and no network: what data alone cost."""
    import jax
    import jax.numpy as jnp

    side, rng = job.patch or job.size, np.random.default_rng(1)
    pairs = [
        jax.device_put(each[..., 0]) for each in images(Job(**job.__dict__ | {"patch": None}), job.slices)
    ]
    turns = [lambda image, k=k: jnp.rot90(image[:, ::-1] if k >= 4 else image, k % 4) for k in range(8)]

    def crop(array: Any, draw: Any) -> Any:
        image = jax.lax.dynamic_slice(array, (draw[0], draw[2], draw[3]), (1, side, side))[0]
        return jax.lax.switch(draw[1], turns, image) / 0.2

    @jax.jit
    def batch(x: Any, y: Any, draws: Any) -> Any:
        both = [jax.vmap(crop, (None, 0))(array, draws) for array in (x, y)]
        return both, both[0][0, 0, 0]

    ends = (job.slices, 8, job.size - side + 1, job.size - side + 1)
    draws = jnp.asarray(rng.integers(0, ends, (job.batch, 4), np.int32))
    return _looped(lambda: batch(*pairs, draws)[1]), lambda: {"parameters": 0, **_memory()}


def tensors(job: Job) -> tuple[Run, Callable[[], Said]]:
    """``fit`` of Keras on tensors of a fixed batch through tf.data."""
    import keras
    import tensorflow as tf

    model = _compiled(job)
    data = tf.data.Dataset.from_tensor_slices(images(job, job.slices)).repeat()
    data = data.batch(job.batch, drop_remainder=True)

    def run(updates: int, rounds: int, between: Between) -> None:
        after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: between())
        model.fit(data, steps_per_epoch=updates, epochs=rounds, verbose=0, shuffle=False, callbacks=[after])

    return run, lambda: {"parameters": _parameters(model)}


def tf1(job: Job) -> tuple[Run, Callable[[], Said]]:
    """A graph of TensorFlow 1 with feed_dict and fused batch norm."""
    from tf1_networks import Session

    session = Session(job.network, job.batch, job.size, job.threads)
    data = images(job)
    return _looped(lambda: session.step(*data)), lambda: {"parameters": session.parameters}


def torch_eager(job: Job, compiled: bool = False) -> tuple[Run, Callable[[], Said]]:
    """PyTorch, channels_last; in bfloat16 by autocast, else with TF32 where the device has it."""
    import torch
    from torch_networks import NETWORKS, parameters

    torch.set_num_threads(job.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    last = {"memory_format": torch.channels_last}
    model = NETWORKS[job.network]().to(job.device, **last)
    x, y = (
        torch.from_numpy(each).permute(0, 3, 1, 2).to(job.device).contiguous(**last) for each in images(job)
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=job.device == "cuda")
    forward = torch.compile(model) if compiled else model

    def step() -> Any:
        optimizer.zero_grad()
        with torch.autocast(job.device, torch.bfloat16, enabled=job.precision == "bfloat16"):
            output = forward(x)
        loss = torch.nn.functional.mse_loss(output.float(), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def said() -> Said:
        most = torch.cuda.max_memory_allocated() / 1e6 if job.device == "cuda" else 0
        return {"parameters": parameters(model), "MB": most}

    return _looped(step), said


def torch_compile(job: Job) -> tuple[Run, Callable[[], Said]]:
    """PyTorch, channels_last, ``torch.compile``."""
    return torch_eager(job, compiled=True)


CANDIDATES = {
    "ours": ours,
    "bare": bare,
    "gather": gather,
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
    """Build, compile, and train a round whenever a line comes; the first also finds how many updates fill it."""
    name, job = sys.argv[1], Job(**json.loads(sys.argv[2]))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    if job.device == "cpu" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(
            0, sorted(os.sched_getaffinity(0))[-job.threads :]
        )  # the first core is everybody's
    clock = Clock()

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers)
        if not sys.stdin.readline():
            raise SystemExit
        clock.start()

    run, said = CANDIDATES[name](job)
    run(2, 1, lambda **more: None)
    answer(compile=clock.read()["wall"], **said())
    updates, took = 1, 0.0
    rounds: list[float] = []
    while took < 0.6 * job.seconds:  # alone on the device: while it compiled, others may have as well
        updates = max(2, min(10 * updates, round(updates * job.seconds / took))) if took else 2
        run(updates, 2, lambda **more: (rounds.append(clock.read()["wall"]), clock.start()))
        took = rounds[-1]
    warm = False

    def between(**more: Any) -> None:
        nonlocal warm
        if warm:
            answer(updates=updates, **clock.read(), **more)
        warm = True
        clock.start()

    run(updates, job.rounds + 1, between)


if __name__ == "__main__":
    main()
