"""Training speed on a CPU beside what else there is, on the same networks and batches, in one run.

``PYTHONPATH=. python benchmarks/training_cpu.py [--sizes 64,128,256] [--threads 1] [--torch PYTHON] [--compile] ...``

Every candidate is a process of its own, compiled once, that trains a round when it is told to; the rounds of all
candidates alternate, so that other work on the machine meets them alike, and every ratio is the median of the
ratios within a round. Slices per processor-second count all threads of the candidate, system time included.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from children import Child, Job, ratio
from tabulate import tabulate

from bench import devices, environment

BATCHES = {"unet": 16, "ddnet": 8, "dncnn": 4}  # of 64 x 64 pixels; fewer of larger slices
PEERS = ("fit on tensors", "TF1 graph", "PyTorch", "torch.compile")
PLAIN = ", no oneDNN"  # said of a candidate that runs with TF_ENABLE_ONEDNN_OPTS=0
VECTORS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")


def child(name: str, python: str, options: argparse.Namespace, network: str, size: int) -> Child:
    """Return a candidate that is ready; its process has the environment of a worker."""
    variables = os.environ | devices.environment_variables(options.threads, None)
    variables |= devices.environment_at_start()
    variables["TF_ENABLE_ONEDNN_OPTS"] = "0" if name.endswith(PLAIN) else "1"
    job = Job(network, size, batch_of(network, size), options.threads, options.seconds, options.repeats)
    started = Child(name.removesuffix(PLAIN), python, job, variables, options.log)
    started.name = name
    if not started.ready():
        raise SystemExit(f"{name} has ended; --log FILE shows why")
    return started


def batch_of(network: str, size: int) -> int:
    """Return the batch of a network at a size."""
    return max(1, BATCHES[network] * 64 // size)


def names(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield each candidate with the Python that runs it."""
    for name in (
        "ours",
        "bare",
        "fit on tensors",
        "TF1 graph",
        *(f"{n}{PLAIN}" for n in ("ours", "bare", "TF1 graph")),
    ):
        yield name, sys.executable
    if options.torch:
        yield "PyTorch", options.torch
        if options.compile:
            yield "torch.compile", options.torch


def measure(options: argparse.Namespace, network: str, size: int) -> list[tuple[Any, ...]]:
    """Return a row for each candidate: speeds by processor and wall, against the best peer and the bare step."""
    children: list[Child] = []
    try:
        for name, python in names(options):
            if not options.only or name in options.only:
                children.append(child(name, python, options, network, size))
        for _ in range(options.repeats):
            for one in children:
                one.begin()
                one.end()
    finally:
        for one in children:
            one.close()
    peers = [one for one in children if one.name.removesuffix(PLAIN) in PEERS]
    bare = next((one for one in children if one.name == "bare"), None)
    rows = []
    for one in children:
        row: list[Any] = [network, size, one.job.batch, options.threads, one.name]
        for clock in ("cpu", "wall"):
            best = max(peers, key=lambda peer, clock=clock: peer.median(clock), default=None)
            row.append(one.median(clock))
            row += [rival and ratio(one.speeds(clock), rival.speeds(clock)) for rival in (best, bare)]
        row.append(100 * statistics.median(each["system"] / each["cpu"] for each in one.rounds))
        row.append(statistics.median(each["switches"] / each["updates"] for each in one.rounds))
        rows.append(tuple(row))
    return rows


HEADER = (
    "network", "size", "batch", "threads", "candidate", "slices/CPU-s", "of best peer", "of bare step",
    "slices/s", "of best peer", "of bare step", "system, % of CPU", "switches an update",
)  # fmt: skip


def machine(python: str | None) -> str:
    """Return processor, instruction set, versions and load of this machine in a line."""
    known = environment.describe()
    flags = set(_cpuinfo().split())
    words = [
        f"{known['cpu']}, {known['cores']} cores",
        " ".join(flag for flag in VECTORS if flag in flags),
        *(f"{name} {known[name]}" for name in ("numpy", "keras", "tensorflow") if name in known),
    ]
    if python:
        code = "import torch; print(torch.__version__)"
        words.append("torch " + subprocess.check_output([python, "-c", code], text=True).strip())
    return ", ".join([*words, "load average " + " ".join(f"{one:.1f}" for one in os.getloadavg())])


def _cpuinfo() -> str:
    lines = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if Path("/proc/cpuinfo").exists()
        else []
    )
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    own = sys.executable if importlib.util.find_spec("torch") else None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=lambda text: text.split(","), default=list(BATCHES))
    parser.add_argument(
        "--sizes", type=lambda text: [int(one) for one in text.split(",")], default=[64, 128, 256]
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5, help="of one round")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of each candidate")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[], help="candidates, by their names"
    )
    parser.add_argument("--torch", metavar="PYTHON", default=own, help="an interpreter that has PyTorch")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile too, which takes minutes to compile"
    )
    parser.add_argument("--log", type=Path, help="a file for what the candidates print")
    return parser.parse_args()


def main() -> None:
    """Measure and print a table for each network and size."""
    options = arguments()
    print(machine(options.torch))
    if not options.torch:
        print("PyTorch is left out: this interpreter has none; name one that does with --torch PYTHON")
    for size in options.sizes:
        for network in options.networks:
            rows = measure(options, network, size)
            digits = ("", "", "", "", "", ".3g", ".2f", ".2f", ".3g", ".2f", ".2f", ".0f", ".0f")
            print(f"\n{tabulate(rows, HEADER, tablefmt='github', floatfmt=digits)}", flush=True)
    print("\nload average at the end " + " ".join(f"{one:.1f}" for one in os.getloadavg()))


if __name__ == "__main__":
    main()
