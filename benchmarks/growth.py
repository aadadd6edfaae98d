"""How cost grows: pairs with slices, size and views; ``plan``, ``status`` and ``report`` with the number of cells.

``PYTHONPATH=. python benchmarks/growth.py [build | cells ...] [--cells 24,240,2400] [--test-slices 24]``
(both parts unless said). Cost is processor-seconds with one thread; an exponent k means cost ~ n^k. ``all`` is the
least-squares slope of log cost over log n, ``last`` that between the two largest n, which start-up weighs on least.
Workers are measured by ``side_by_side.py``. Records are made by hand, so nothing is trained.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tabulate import tabulate

from bench.data.pairs.build import build
from bench.execution.resolve import ResolvedRun, resolve
from bench.metrics import METRICS
from bench.records.record import Attempt
from tests import records_factory, tiny

SHAPES = {
    24: (2, 3, 4),
    240: (5, 8, 6),
    2400: (12, 20, 10),
    25_000: (100, 50, 5),
}  # networks, conditions, seeds
VIEWS = 720
PATIENTS = 12


def files(
    *, slices: int, size: int, views: int = VIEWS, networks: int = 1, conditions: int = 6, seeds: int = 1
) -> tuple[str, str]:
    """Return both YAML files: a phantom of so many slices, and so many networks, conditions and seeds on it."""
    noises = {f"dose_{k:02d}": {"photons": 7e4 * (k + 1)} for k in range(conditions)}
    recipe = {"learning_rate": 1e-3, "epochs": 2, "batch": 4, "passes": 1, "loss": "mse"}
    model = {"build": "models.unet:build", "recipes": {"study": recipe}}
    patients = [f"P{k:03d}" for k in range(1, PATIENTS + 1)]
    datasets = {
        "schema": 1,
        "sources": {"phantom": {"kind": "phantom", "patients": PATIENTS, "slices": slices // PATIENTS,
                                "title": "Phantom", "licence": "none", "citation": "none"}},
        "geometry": {"preset": "parallel360", "views": views},
        "conditions": noises,
        "splits": {"phantom": {"rule": "patients", "test": patients[:6], "validation": patients[6:8]}},
    }  # fmt: skip
    experiments = {
        "schema": 1,
        "models": {f"net{k:03d}": model for k in range(networks)},
        "experiments": {
            "default": {
                "models": [f"net{k:03d}" for k in range(networks)],
                "conditions": list(noises),
                "seeds": list(range(1, seeds + 1)),
            }
        },
        "profiles": {
            "grown": {
                "source": "phantom",
                "split": "phantom",
                "size": size,
                "budget": {"slices_seen": 100, "checks": 2},
            }
        },
    }
    return yaml.safe_dump(datasets), yaml.safe_dump(experiments)


def resolved(folder: Path, **counts: int) -> ResolvedRun:
    """Return the plan of both files, written into ``folder``."""
    tiny.write(folder, *files(**counts))
    return resolve(tiny.request(folder, "grown"))


def build_seconds(**counts: int) -> float:
    """Return the processor-seconds that all pairs of a phantom take."""
    with tempfile.TemporaryDirectory() as folder:
        run = resolved(Path(folder), **counts)
        began = time.process_time()
        for _ in build(run.reader, run.folds, run.files, run.acquisition, threads=1):
            pass
        return time.process_time() - began


def exponents(counts: list[float], costs: list[float]) -> tuple[float, float]:
    """Return the slope of log cost over log count: over all points, and between the last two."""
    x, y = np.log(counts), np.log(costs)
    return float(np.polyfit(x, y, 1)[0]), float((y[-1] - y[-2]) / (x[-1] - x[-2]))


def building() -> Iterator[list[Any]]:
    """Yield for slices, size and views the counts, the CPU-seconds and the exponents."""
    build_seconds(slices=12, size=32, views=24)  # compile
    start = {"slices": 96, "size": 64, "views": VIEWS}
    for key, counts in (
        ("slices", [24, 48, 96, 192]),
        ("size", [64, 128, 256]),
        ("views", [90, 180, 360, 720]),
    ):
        fixed = start | (
            {"slices": 24} if key == "size" else {"size": 128, "slices": 24} if key == "views" else {}
        )
        costs = [build_seconds(**fixed | {key: count}) for count in counts]
        rest = ", ".join(f"{value} {name}" for name, value in fixed.items() if name != key)
        yield [key, rest, _joined(counts, "d"), _joined(costs, ".2f"), *exponents(counts, costs)]


def fill(run: ResolvedRun, test_slices: int) -> None:
    """Write plan and records as if every cell had been trained: the networks differ, patients and seeds scatter."""
    run.store.write_plan(run.plan)
    names = [(f"P{row % 6 + 1:03d}", f"z{row:04d}") for row in range(test_slices)]
    image = np.zeros((1, run.profile.size, run.profile.size))
    for number, cell in enumerate(run.plan.cells):
        rng = np.random.default_rng(number)
        values = 30 + number % 7 + 0.3 * rng.standard_normal(test_slices)
        store = run.store.cell(cell.id)
        store.write_scores(records_factory.scores(names, **dict.fromkeys(METRICS, values.tolist())))
        store.write_samples(["/".join(names[0])], dict.fromkeys(("input", "output", "reference"), image))
        trained = (
            () if cell.spec.training is None else (Attempt(seed=1, updates=2, epochs=2, ended="finished"),)
        )
        store.write_record(
            records_factory.record(cell, attempts=trained, data={"degraded": "0", "reference": "0"})
        )


def command(folder: Path, *words: str) -> tuple[float, float]:
    """Return the processor-seconds and the largest memory in MB of one command of ``bench``."""
    command = [*tiny.command(MEASURED), *words]
    process = subprocess.Popen(
        command, env=tiny.environment(), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"bench {' '.join(words)} has failed: {said}")
    return used.ru_utime + used.ru_stime, float(said.split()[-2]) / 1024


# the system's own count of a process would begin with the memory of its parent
MEASURED = """
import atexit, re, sys
from pathlib import Path
atexit.register(lambda: print(re.search("VmHWM.*", Path("/proc/self/status").read_text())[0], file=sys.stderr))
from bench.cli import main
main()
"""
COMMANDS = {
    "plan": (
        "--datasets",
        "datasets.yaml",
        "--experiments",
        "experiments.yaml",
        "--runs",
        "runs",
        "--cache",
        "cache",
    ),
    "status": ("--runs", "runs"),
    "report": ("--runs", "runs", "--reports", "reports"),
}


def cells(numbers: list[int], test_slices: int) -> Iterator[list[Any]]:
    """Yield for each command the cells, the CPU-seconds, the exponents and the memory."""
    counts: list[int] = []
    used: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for number in numbers:
        networks, conditions, seeds = SHAPES[number]
        folder = Path(tempfile.mkdtemp())
        try:
            run = resolved(folder, slices=24, size=32, networks=networks, conditions=conditions, seeds=seeds)
            fill(run, test_slices)
            counts.append(len(run.plan.cells))
            for name, words in COMMANDS.items():
                used[name].append(command(folder, name, "--profile", "grown", *words))
                print(f"{name}, {counts[-1]} cells: {used[name][-1]}", file=sys.stderr, flush=True)
        finally:
            shutil.rmtree(folder)
    for name, both in used.items():
        costs, memory = zip(*both, strict=True)
        slopes = exponents(counts, list(costs)) if len(counts) > 1 else (None, None)
        yield [name, _joined(counts, "d"), _joined(costs, ".1f"), *slopes, _joined(memory, ".0f")]


def _joined(values: Any, form: str) -> str:
    return " / ".join(format(value, form) for value in values)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["build", "cells"])
    parser.add_argument(
        "--cells", type=lambda text: [int(one) for one in text.split(",")], default=[24, 240, 2400]
    )
    parser.add_argument("--test-slices", type=int, default=24)
    options = parser.parse_args()
    if "build" in options.parts:
        header = ("grows", "fixed, 6 conditions", "n", "CPU-s", "exponent, all", "last")
        print(tabulate(building(), header, tablefmt="github", floatfmt=".2f"), flush=True)
    if "cells" in options.parts:
        header = (
            "bench",
            f"cells, {options.test_slices} test slices",
            "CPU-s",
            "exponent, all",
            "last",
            "MB",
        )
        print(tabulate(cells(options.cells, options.test_slices), header, tablefmt="github", floatfmt=".2f"))


if __name__ == "__main__":
    main()
