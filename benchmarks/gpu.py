"""Training speed on one GPU beside PyTorch and the device's floor, then a small table trained for the time left.

``PYTHONPATH=. KERAS_BACKEND=jax python benchmarks/gpu.py [--seconds 540] [--size 512] [--slices FOLDER] [--out DIR]``

Candidates (``candidate.py``) are processes that compile a few at the same time and are measured one after another, in
rounds that alternate. After each part ``gpu.json`` and ``gpu.md`` are written, so what was measured is never lost;
a candidate that has not compiled in its part's time is ended and has no figure.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from children import ROOT, Child, Deadline, Job, ratio
from gpu_table import SmallTable
from tabulate import tabulate

from bench import devices, environment, gpus

BATCHES = {
    "unet": (30, None),
    "ddnet": (5, None),
    "dncnn": (4, None),
    "dncnn crops": (128, 32),
}  # batch, crop
# Slices a second of 512 x 512 on an H200: each tensor read and written once (4.3 TB/s), or the multiplications.
FLOOR = {
    ("unet", "bfloat16"): 7700, ("unet", "float32"): 3850, ("ddnet", "bfloat16"): 1790, ("ddnet", "float32"): 895,
    ("dncnn", "bfloat16"): 490, ("dncnn", "float32"): 247,
}  # fmt: skip
CARDS = {"H200": 1.0, "H100": 0.75}  # share of the H200's floor
SHARES = {
    "bfloat16": 0.45,
    "float32": 0.72,
}  # of all seconds, by which a precision's candidates must have compiled
ONLY = 0.42  # the share where there is one precision
ROUNDS, PAIRS = 3, 256
AT_ONCE = 6  # candidates that compile: they choose their kernels by trying them on the device that all share
TWICE = "unet, two at once"


class Results:
    """What is known so far, in a JSON file and a page."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.values = folder, {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, part: str, value: Any, text: str) -> None:
        """Write a part beside the earlier ones, and show it."""
        self.values[part] = value
        (self.folder / "gpu.json").write_text(json.dumps(self.values, indent=1))
        with open(self.folder / "gpu.md", "a", encoding="utf-8") as page:
            page.write(f"## {part}\n\n{text}\n\n")
        print(f"\n{part}\n\n{text}", flush=True)


def machine() -> dict[str, Any]:
    """Return card, versions and whether there is a GPU; asked in a process of its own, which holds no memory."""
    code = "import jax, json; print(json.dumps([jax.__version__, jax.devices()[0].device_kind, jax.default_backend()]))"
    version, card, platform = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    known = {key: value for key, value in environment.describe().items() if isinstance(value, str)}
    return {
        "card": card,
        "gpu": platform == "gpu",
        **known,
        "jax": version,
        "gpus": [str(g) for g in gpus.visible()],
    }


def candidates(options: argparse.Namespace, precision: str, gpu: bool) -> list[tuple[str, str, str]]:
    """Return (label, candidate, network) of a precision; the first one has the bare step, the data and two at once."""
    first = precision == options.formats[0]
    peers = ["torch.compile" if gpu or options.compile else "PyTorch"] if options.torch else []
    names = [*options.candidates, *peers] if first else ["ours", *peers]
    chosen = [
        # torch.compile of PyTorch 2.11 fails on DD-Net: a stride of a convolution's gradient is not as it expects
        (label, "PyTorch" if label == "ddnet" and name == "torch.compile" else name, label.split()[0])
        for label in sorted(options.networks, key="ddnet".__ne__)  # takes longest
        for name in names
        if f"{label}:{name}" not in options.skip
    ]
    second = [(TWICE, "ours", "unet")] if "unet" in options.networks and first else []
    return chosen + second


def start(options: argparse.Namespace, precision: str, gpu: bool, log: Path) -> dict[tuple[str, str], Child]:
    """Return the processes of a precision that have compiled in time, by label and candidate."""
    variables = (
        os.environ | devices.environment_variables(options.threads, None) | devices.environment_at_start()
    )
    variables |= {"JAX_COMPILATION_CACHE_DIR": str(log.parent / "compiled")}
    if not gpu:
        variables |= {"JAX_PLATFORMS": "cpu"}

    def one(label: str, name: str, network: str) -> Child | None:
        batch, patch = BATCHES["unet" if label == TWICE else label]
        batch = batch if gpu else max(1, batch // 8)
        job = Job(
            network, options.size, batch, options.threads, options.round, ROUNDS + 1, precision, patch,
            PAIRS if gpu else 40, "cuda" if gpu else "cpu",
        )  # fmt: skip
        python = options.torch if name in ("torch.compile", "PyTorch") else sys.executable
        share = SHARES[precision] if len(options.formats) > 1 else ONLY
        if options.deadline.left(share) <= 0:
            return None
        child = Child(name, python, job, variables, log)
        return child if child.ready(options.deadline.left(share)) else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        chosen = candidates(options, precision, gpu)
        done = zip(chosen, pool.map(one, *zip(*chosen, strict=True)), strict=True)
        return {(label, name): child for (label, name, _), child in done if child is not None}


def rounds(children: dict[tuple[str, str], Child], deadline: Deadline) -> None:
    """Measure all that are ready in turn; the two UNets also at the same time. What fails is ended."""
    twice = children.get((TWICE, "ours"))
    for number in range(ROUNDS):
        for key, child in list(children.items()):
            if child is twice or (number and deadline.left() < 30):
                continue
            _round([child], deadline)
            if not child.rounds:
                children.pop(key).close()


def together(children: dict[tuple[str, str], Child], deadline: Deadline) -> dict[str, float]:
    """Return slices a second of one UNet and of each of two on the same device."""
    pair = [children.get(key) for key in (("unet", "ours"), (TWICE, "ours"))]
    if None in pair or not pair[0].rounds:
        return {}
    alone = pair[0].median("wall")
    _round([pair[1]], deadline)  # finds its number of updates and warms up
    for child in pair:
        child.rounds.clear()
    _round(pair, deadline)
    both = [child.median("wall") for child in pair if child.rounds]
    return {"alone": alone, "two together": sum(both)} if len(both) == 2 else {}


def _round(children: list[Child], deadline: Deadline) -> None:
    try:
        for child in children:
            child.begin()
        for child in children:
            child.end(min(60.0, deadline.left()))
    except (TimeoutError, BrokenPipeError):
        return


def rows(
    children: Mapping[tuple[str, str], Child], precision: str, card: str, size: int
) -> list[dict[str, Any]]:
    """Return a row for each network: its speeds, ratios, memory and share of the floor."""
    factor = next((share for name, share in CARDS.items() if name in card), None) if size == 512 else None
    table = []
    for label in [label for label in BATCHES if any(key[0] == label for key in children)]:
        of = {name: child for (own, name), child in children.items() if own == label and child.rounds}
        row: dict[str, Any] = {"network": label, "numbers": precision}
        row["batch"] = next(iter(children[key] for key in children if key[0] == label)).job.batch
        for name in ("ours", "torch.compile", "PyTorch", "bare", "gather"):
            if name in of:
                row[f"{name}, slices/s"] = of[name].median("wall")
                if name not in ("ours", "gather") and "ours" in of:
                    row[f"ours/{name}"] = ratio(of["ours"].speeds("wall"), of[name].speeds("wall"))
                row |= {f"{name}, GB": of[name].first["MB"] / 1e3} if of[name].first.get("MB") else {}
                row |= {f"{name}, s to compile": of[name].first["compile"]}
        row |= (
            {key: value for key, value in of["bare"].first.items() if "slice" in key} if "bare" in of else {}
        )
        floor = FLOOR.get((label.split()[0], precision))
        if factor and floor and "ours" in of:
            row |= {
                "floor, slices/s": floor * factor,
                "share of floor": of["ours"].median("wall") / floor / factor,
            }
        table.append(row)
    return table


def precision_part(
    options: argparse.Namespace, precision: str, known: dict[str, Any], results: Results
) -> dict[str, float]:
    """Measure one number format; return slices a second of our path by network."""
    deadline: Deadline = options.deadline
    children = start(options, precision, known["gpu"], results.folder / "log.txt")
    try:
        rounds(children, deadline)
        table = rows(children, precision, known["card"], options.size)
        results.add(f"{precision}, {options.size} x {options.size}", table, transposed(table))
        for (label, name), child in children.items():
            if name == "bare" and known["gpu"]:
                _kernels(label, child, deadline, results)
        if two := together(children, deadline):
            two["ratio"] = two["two together"] / two["alone"]
            results.add("two UNets on one device", two, tabulate([two], "keys", "github", floatfmt=".3g"))
    finally:
        for child in children.values():
            child.close()
    return {row["network"]: row["ours, slices/s"] for row in table if "ours, slices/s" in row}


def _kernels(label: str, child: Child, deadline: Deadline, results: Results) -> None:
    """Let a bare step train its last round, of which it tells the kernels; its speed does not count."""
    _round([child], deadline)
    kernels = child.rounds[-1].get("kernels", [])
    text = tabulate(kernels, ["kernel", "ms an update"], "github", floatfmt=".3g")
    results.add(f"where {label} spends its time", kernels, text)


def transposed(table: list[dict[str, Any]]) -> str:
    """Return a table with a column for each network."""
    keys = list(dict.fromkeys(key for row in table for key in row))
    lines = [[key, *(_text(row.get(key)) for row in table)] for key in keys[1:]]
    return tabulate(lines, ["", *(row["network"] for row in table)], tablefmt="github")


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "-" if value is None else str(value)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    own = sys.executable if importlib.util.find_spec("torch") else None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=540, help="for everything")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--round", type=float, default=3.0, help="seconds of one measurement")
    parser.add_argument("--threads", type=int, default=1, help="of each candidate on the CPU")
    parser.add_argument(
        "--networks", type=lambda text: text.split(","), default=list(BATCHES), help="/".join(BATCHES)
    )
    parser.add_argument(
        "--formats", type=lambda text: text.split(","), default=list(SHARES), help="/".join(SHARES)
    )
    parser.add_argument(
        "--candidates", type=lambda text: text.split(","), default=["ours", "bare", "gather"],
        help="ours/bare/gather, beside PyTorch",
    )  # fmt: skip
    parser.add_argument("--skip", type=lambda text: text.split(","), default=[], help="NETWORK:CANDIDATE,...")
    parser.add_argument(
        "--table",
        type=lambda text: [name for name in text.split(",") if name != "none"],
        default=["unet", "ddnet", "dncnn"],
        help="networks of the table, or none",
    )
    parser.add_argument("--torch", metavar="PYTHON", default=own, help="an interpreter that has PyTorch")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile on a CPU too, which takes minutes"
    )
    parser.add_argument(
        "--slices", type=Path, default=ROOT.parent / "shared/real-ct/slices", help="a folder of .npz"
    )
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "reports/gpu")))
    return parser.parse_args()


def main() -> None:
    """Measure, part by part, and write what is known after each."""
    os.environ["KERAS_BACKEND"] = "jax"  # of the small table too
    options = arguments()
    options.deadline = Deadline(options.seconds)
    results, known = Results(options.out), machine()
    results.add("machine", known, tabulate(known.items(), tablefmt="github"))
    table = SmallTable(options.out / "work", options.slices, options.size, options.formats[0])
    build = table.build() if options.table else None  # beside the compiling
    speeds: dict[str, float] = {}
    try:
        for precision in options.formats:
            speeds = precision_part(options, precision, known, results) | speeds  # the first format's count
        speeds |= {"dncnn": speeds["dncnn crops"]} if "dncnn crops" in speeds else {}  # as its recipe has it
        chosen = {name: speed for name, speed in speeds.items() if name in options.table}
        if build is not None:
            results.add("small table", *table.run(build, chosen, options.deadline))
    finally:
        if build is not None:
            build.kill()
        shutil.rmtree(table.folder, ignore_errors=True)
        shutil.rmtree(options.out / "compiled", ignore_errors=True)


if __name__ == "__main__":
    main()
