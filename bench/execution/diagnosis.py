"""What this machine and this installation offer a run, and what is wrong with them, with the remedy of each fault."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import atomic, compiled, devices, environment, gpus
from bench.errors import BenchError
from bench.names import nearest

LIMIT_S = 120.0  # of the backend's start and first product; a slow disk needs half a minute
LEAST_MEMORY, GOOD_MEMORY = devices.GIB, 3 * devices.GIB  # a worker of the smoke profile takes 0.7 GiB
LEAST_DISK, GOOD_DISK = 1 << 28, 5 * devices.GIB  # pairs and cells of the smoke profile take 60 MB
#: Extras of pyproject.toml by the library that each brings, and what it is for.
EXTRAS = {
    "gpu": ("nvidia-cudnn-cu12", "TensorFlow on a GPU"),
    "jax": ("jax", "KERAS_BACKEND=jax"),
    "dicom": ("python-gdcm", "compressed DICOM"),
    "fetch": ("idc-index", "bench data fetch"),
    "nifti": ("nibabel", "NIfTI"),
    "onnx": ("onnxruntime", "bench export FILE.onnx"),
    "ray": ("ray", "--executor ray"),
    "slurm": ("submitit", "--executor slurm"),
    "tensorboard": ("tensorboardX", "--tensorboard"),
    "docs": ("mkdocs-material", "mkdocs build"),
    "dev": ("pytest", "pytest --pyargs bench.contract"),
}
#: What the program itself reads; ``BENCH_DATA`` is what the packaged files name.
VARIABLES = (
    "BENCH_CACHE", "BENCH_DATA", "BENCH_GPUS", "BENCH_MASK_PATIENTS", "BENCH_SAVE_EVERY", "BENCH_SLOTS_PER_GPU",
    "BENCH_THREADS", "BENCH_TRACEBACK", "BENCH_WORKERS",
)  # fmt: skip
OTHERS = (
    "KERAS_BACKEND",
    "CUDA_VISIBLE_DEVICES",
    "TF_ENABLE_ONEDNN_OPTS",
    "ONEDNN_MAX_CPU_ISA",
    "NUMBA_CACHE_DIR",
)
PROBE = """\
import json
import numpy
import keras
from bench import devices
ones = keras.ops.convert_to_tensor(numpy.ones((64, 64), "float32"))
assert float(keras.ops.sum(keras.ops.matmul(ones, ones))) == 64.0**3
print("\\n" + json.dumps({**devices.describe(), "gpu": devices.has_accelerator()}))
"""


@dataclass(frozen=True)
class Finding:
    """A line on one topic; ``advice`` where something is wrong, ``fatal`` where no smoke run is possible."""

    topic: str
    words: str
    advice: str = ""
    fatal: bool = False


def diagnose(cache: Path, runs: Path, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """Yield what there is and what is wrong, topic by topic; the backend is tried in a process of its own."""
    python = f"{sys.version.split()[0]}, {environment.PROGRAM} {environment.program() or '(not installed)'}"
    yield Finding("python", python)
    yield from _backend(limit_s)
    yield _machine()
    for name, folder in (("cache", cache), ("runs", runs)):
        yield _disk(name, folder)
    if slow := compiled.remark():
        yield Finding("compiled loops", "no place to keep them", slow)
    yield _extras()
    yield from _variables(os.environ)


def _backend(limit_s: float) -> Iterator[Finding]:
    """Yield what the backend is and what it computes on, and the GPUs that the driver shows."""
    present, faults = gpus.selected(None)
    seen = _probe(limit_s)
    if isinstance(seen, Finding):
        yield seen
    else:
        name = seen["backend"]
        versions = f"keras {environment.version('keras')}, {name} {environment.version(name) or '?'}"
        yield Finding("backend", f"{versions}, computes on {seen['device']}")
    words = ", ".join(f"{gpu.words} {gpu.name} ({gpu.free} of {gpu.total} MiB free)" for gpu in present)
    advice = "; ".join(faults)
    if present and isinstance(seen, Mapping) and not seen["gpu"]:
        extra = (
            "pip install 'ldct-denoising-benchmark[gpu]'"
            if seen["backend"] == "tensorflow"
            else "pip install 'jax[cuda12]'"
        )
        advice = (
            advice
            or f"the driver shows a GPU that the backend cannot use: {extra}, or --gpus none for the CPU"
        )
    yield Finding("gpus", words or "none", advice)


def _probe(limit_s: float) -> dict[str, Any] | Finding:
    """Return what a process of its own says of the backend, or what is wrong with it."""
    name = devices.backend()
    remedy = (
        f"pip install {name}" if name in environment.BACKENDS else "KERAS_BACKEND may be tensorflow or jax"
    )
    variables = {**os.environ, **devices.environment_variables(1, None)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE], env=variables, capture_output=True, text=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        advice = "see whether another job keeps the GPU or the disk busy; --gpus none does without the GPU"
        return Finding("backend", f"{name} did not answer within {limit_s:g} s", advice, fatal=True)
    try:
        last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = [line for line in done.stderr.splitlines() if line.strip()]
        why = said[-1][:200] if said else f"exit code {done.returncode}"
        return Finding("backend", f"{name} does not start: {why}", remedy, fatal=True)
    return last


def _machine() -> Finding:
    free = devices.free_memory()
    words = f"{environment.cores()} cores"
    words += f", {free / devices.GIB:.1f} GiB of memory free" if free < sys.maxsize else ""
    if free < LEAST_MEMORY:
        return Finding("machine", words, "end other programs: a worker needs 0.7 GiB", fatal=True)
    return Finding("machine", words, "--workers 1 keeps to one cell at once" if free < GOOD_MEMORY else "")


def _disk(name: str, folder: Path) -> Finding:
    """Return the space for ``folder``, and whether it can be written."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    topic, option = f"disk of {name}", f"give another folder: --{name}"
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(topic, f"{there} cannot be written", option, fatal=True)
    free = shutil.disk_usage(there).free
    words = f"{atomic.in_words(free)} free ({folder})"
    if free < GOOD_DISK:
        return Finding(topic, words, f"{option} or make room", fatal=free < LEAST_DISK)
    return Finding(topic, words)


def _extras() -> Finding:
    known = {extra: environment.version(library) for extra, (library, _) in EXTRAS.items()}
    there = [f"{extra} ({EXTRAS[extra][0]} {version})" for extra, version in known.items() if version]
    absent = [f"{extra} for {EXTRAS[extra][1]}" for extra, version in known.items() if not version]
    more = f"; not installed: {', '.join(absent)}" if absent else ""
    return Finding("extras", f"installed: {', '.join(there) or 'none'}{more}")


def _variables(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the environment variables that count, and those that look like one of them."""
    counting = [name for name in variables if name.startswith("BENCH_") or name in OTHERS]
    for name in sorted(counting):
        value, close = variables[name], nearest(name, VARIABLES)
        advice = ""
        if name.startswith("BENCH_") and name not in VARIABLES and close:
            advice = f"the program reads no such variable: did you mean {close}?"
        elif name == "BENCH_DATA" and not Path(value).is_dir():
            advice = "no such folder: slices of the packaged collections are looked for below it"
        yield Finding("variable", f"{name}={value}", advice)


def files() -> Finding:
    """Return which two YAML files are in use in the current folder, and whether they can be read."""
    from bench.config import load

    try:
        used = load.load().files
    except BenchError as error:
        first = str(error).splitlines()[0]
        return Finding("files", "datasets.yaml or experiments.yaml is refused", first, fatal=True)
    return Finding("files", ", ".join(f"{name}: {file.path}" for name, file in used.items()))
