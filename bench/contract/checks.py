"""The checks of a network: each returns what was seen, in words, or raises ``Broken`` with why and the remedy."""

from __future__ import annotations

import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench.contract import CHECKS
from bench.contract.subject import Subject, noise, run
from bench.errors import BenchError
from bench.training import flops

MULTIPLES = (2, 4, 8, 16, 32, 64)  # that are tried where odd sides fail
SAME = 1e-6  # root mean square in mu/mu_water, 0.001 HU: less is rounding
LONGEST = 240  # characters of a library's own words


class Broken(Exception):
    """A network does not keep its part: why, and the remedy, in one line."""


@dataclass(frozen=True)
class Verdict:
    """How one check ended, with what was seen or why it failed."""

    name: str
    passed: bool
    words: str


def built(subject: Subject) -> str:
    """Return that ``build`` gives a ``keras.Model`` of one image."""
    network = subject.network
    if isinstance(network.inputs, list) and len(network.inputs) != 1:
        raise Broken(f"it has {len(network.inputs)} inputs; it must take one image (batch, H, W, 1)")
    return f"{subject.build} returns a keras.Model of one image"


def shape(subject: Subject) -> str:
    """Return that the output has the input's shape, as one float32 image."""
    size = subject.size
    fault = _fault(subject, 2, size, size)
    if fault:
        raise Broken(f"{size} x {size} pixels: {fault}")
    return f"{size} x {size} pixels in and out"


def sizes(subject: Subject) -> str:
    """Return which sides it takes: any, or the multiples that its module states."""
    step = subject.multiple
    fault = _fault(subject, 1, *_odd(subject, step))
    rows, columns = _odd(subject, step)
    if not fault:
        stated = (
            f"; sides must be multiples of {step} (MULTIPLE of its module)"
            if step > 1
            else ": any size will do"
        )
        return f"{rows} x {columns} pixels too{stated}"
    works = next((n for n in MULTIPLES if n > step and not _fault(subject, 1, *_odd(subject, n))), None)
    remedy = (
        f"multiples of {works} work: write MULTIPLE = {works} in its module"
        if works
        else "let it begin with keras.Input((None, None, 1)) and compute no size in advance"
    )
    raise Broken(f"{rows} x {columns} pixels: {fault}; {remedy}")


def parameters(subject: Subject) -> str:
    """Return the number of parameters, all and trainable."""
    total = subject.network.count_params()
    trainable = sum(int(np.prod(weight.shape)) for weight in subject.network.trainable_weights)
    if not trainable:
        raise Broken(f"{total:,} parameters, none of them trainable: there is nothing to learn")
    return f"{total:,}, of which {trainable:,} trainable"


def finite(subject: Subject) -> str:
    """Return that air, water and noise give finite outputs."""
    size = subject.size
    images = {
        "air": np.zeros((1, size, size, 1), np.float32),
        "noise of -1200 to 2000 HU": noise(1, size, size),
    }
    images["water"] = np.ones_like(images["air"])
    for name, image in images.items():
        output = run(subject.network, image)
        if not np.isfinite(output).all():
            raise Broken(
                f"{int((~np.isfinite(output)).sum()):,} values of the output are not finite for an image of {name}"
            )
    return "outputs of air, water and noise are finite"


def repeats(subject: Subject) -> str:
    """Return that equal images give equal outputs, and that nothing draws from a generator outside the network."""
    image = noise(1, subject.size, subject.size)
    before = _numpy_state()
    first, second = run(subject.network, image), run(subject.network, image)
    if _numpy_state() != before:
        raise Broken("it draws from the global generator of NumPy; use a keras layer with a seed")
    if not np.array_equal(first, second, equal_nan=True):
        raise Broken(
            "equal images give other outputs each time: something is random at inference (training=False)"
        )
    subject.updated.step.loss.check(subject.updated.step.network)
    return "equal images give equal outputs, and no draw comes from a global generator"


def saves(subject: Subject) -> str:
    """Return that a ``.keras`` file of it gives the same network back."""
    network, image = subject.network, noise(1, subject.size, subject.size)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras on NumPy 2
        path = Path(folder, "network.keras")
        network.save(path)
        with zipfile.ZipFile(path) as archive:
            unknown = sorted(set(_unregistered(json.loads(archive.read("config.json")))))
        if unknown:
            remedy = "put @keras.saving.register_keras_serializable(package='mine') above it"
            raise Broken(f"{', '.join(unknown)} cannot be found again in another process; {remedy}")
        again = keras.saving.load_model(path, compile=False)
    pairs = zip(network.get_weights(), again.get_weights(), strict=True)
    if not all(np.array_equal(old, new, equal_nan=True) for old, new in pairs):
        raise Broken("the weights that come back from a .keras file are others")
    if not np.array_equal(run(network, image), run(again, image), equal_nan=True):
        raise Broken(
            "the network that comes back from a .keras file gives another output: get_config lacks something"
        )
    return "a .keras file gives the same network back"


def learns(subject: Subject) -> str:
    """Return the loss before and after one update, which must have moved it and left everything finite."""
    if not subject.network.trainable_weights:
        raise Broken("it has no trainable weights")
    done = subject.updated
    first, second = done.losses
    if not (np.isfinite([first, second]).all() and done.finite):
        raise Broken(
            f"after an update the loss is {second:.4g} and the weights are {'' if done.finite else 'not '}finite"
        )
    if not done.moved:
        raise Broken("an update changes no weight: no gradient reaches them")
    if first == second and np.array_equal(*done.outputs[:2]):
        raise Broken("an update changes weights, but not the output")
    verb = "lowers" if second < first else "changes" if second == first else "raises"
    return f"one update {verb} the loss, {first:.6g} to {second:.6g}"


def denoises(subject: Subject) -> str:
    """Return how far the output is from the input, which must not be returned unchanged."""
    done = subject.updated
    distances = [float(np.sqrt(np.mean(np.square(output - done.image)))) for output in done.outputs]
    if max(distances) < SAME:
        raise Broken("the output is the input, before and after updates: nothing is denoised")
    return f"after some updates the output is {1000 * distances[-1]:.2g} HU (RMS) from the input"


def check(name: str, subject: Subject) -> Verdict:
    """Return how a check ended; whatever the network raises is a failure in one line."""
    try:
        function: Callable[[Subject], str] = globals()[CHECKS[name]]
        return Verdict(name, True, function(subject))
    except Broken as error:
        return Verdict(name, False, str(error))
    except (Exception, SystemExit) as error:
        return Verdict(name, False, _line(error))


def run_all(subject: Subject) -> Iterator[Verdict]:
    """Yield how each check ended; none follows where the network cannot be built."""
    for name in CHECKS:
        verdict = check(name, subject)
        yield verdict
        if name == "builds" and not verdict.passed:
            return


def gflop(subject: Subject, side: int) -> float:
    """Return the cost of an image of ``side`` x ``side`` pixels, forward, in 10^9 floating-point operations."""
    step = subject.multiple
    return flops.forward(subject.network, -(-side // step) * step).flop / 1e9


def _numpy_state() -> tuple[object, ...]:
    """Return where NumPy's global generator stands."""
    state: Any = np.random.get_state()  # noqa: NPY002 - to see whether a network uses it
    return state[1].tobytes(), *state[2:]


def _odd(subject: Subject, step: int) -> tuple[int, int]:
    """Return rows and columns that are two odd multiples of ``step``, near the size that it is tried on."""
    times = max(1, subject.side // step) | 1
    return times * step, (times + 2) * step


def _fault(subject: Subject, batch: int, rows: int, columns: int) -> str:
    """Return why images of a size do not pass with their shape; empty where they do."""
    try:
        output = subject.network(noise(batch, rows, columns), training=False)
    except Exception as error:
        return _line(error)
    seen, expected = getattr(output, "shape", None), (batch, rows, columns, 1)
    if seen is None:
        return f"the output is a {type(output).__name__}, not one image"
    if tuple(seen) != expected:
        return f"the output has shape {tuple(seen)} where the input has {expected}"
    kind = keras.backend.standardize_dtype(output.dtype)
    return "" if kind == "float32" else f"the output is {kind}, not float32"


def _unregistered(value: Any) -> Iterator[str]:
    """Yield the classes of a saved network that neither Keras nor the registry of Keras knows."""
    if isinstance(value, dict):
        name, module = value.get("class_name"), str(value.get("module") or "")
        known = not module or module.split(".")[0] == "keras" or ">" in str(value.get("registered_name"))
        if isinstance(name, str) and "config" in value and not known:
            yield name
        for inner in value.values():
            yield from _unregistered(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _unregistered(inner)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, BenchError):
        return text
    text = text[:LONGEST] + ("..." if len(text) > LONGEST else "")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
