"""Makes ``tests/golden/smoke.json``: the smoke profile on several threads and instruction sets, and bands from them.

Run it by hand, and only when the physics, training or scoring version has been raised or the profile changed:
``python tests/golden/make_smoke.py``. It takes five smoke runs; with ``--keep FOLDER`` an interrupted one continues.
Folders of runs made elsewhere (``runs/smoke`` of another processor, of the same commit) may be named: they widen the
bands to what that processor does. The file names every run. Nothing is written where a band holds the untreated input.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from numpy._core import _multiarray_umath as core

from bench import atomic
from bench.errors import BenchError
from bench.records import golden as verify
from bench.records.store import Result, RunStore

PROFILE = "smoke"
KEPT = ("keras", "numpy", "numba", "tensorflow", "python", "cpu", "threads", "instructions")


class Processor(NamedTuple):
    """One way of running the profile: threads per cell, variables, and whether the pairs are built anew with them."""

    threads: int
    variables: Mapping[str, str]
    own_pairs: bool = False


def processors(folder: Path) -> dict[str, Processor]:
    """Return the runs by name; ``folder`` takes what Numba compiles for another processor.

    A worker lets TensorFlow convolve with oneDNN; Eigen is what it does by itself on a processor without AVX-512. The
    last one stands for a processor of 2008, in every library that lets itself be told.
    """
    here = [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]
    old = {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": " ".join(here),
        "NUMBA_CPU_NAME": "x86-64",
        "NUMBA_CACHE_DIR": str(folder),
        "OPENBLAS_CORETYPE": "Nehalem",
    }
    return {
        "1 thread": Processor(1, {}),
        "2 threads": Processor(2, {}),
        "1 thread, Eigen": Processor(1, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
        "1 thread, oneDNN with AVX2": Processor(1, {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
        "1 thread, SSE4.1": Processor(1, old, own_pairs=True),
    }


def run(place: Path, name: str, processor: Processor) -> RunStore:
    """Run the profile as one processor and return where its records are."""
    folder = place / name.replace(" ", "-").replace(",", "")
    cache = folder if processor.own_pairs else place
    command = ["run", "--all", "--profile", PROFILE, "--threads", str(processor.threads)]
    places = ["--runs", str(folder), "--cache", str(cache / "cache"), "--reports", str(folder / "reports")]
    start = "from bench.cli import main; main()"
    environment = {**os.environ, **processor.variables}
    subprocess.run([sys.executable, "-c", start, *command, *places], env=environment, check=True)
    return RunStore(folder / PROFILE)


def described(results: list[Result]) -> dict[str, Any]:
    """Return where and with what the first trained cell ran."""
    records = [result.record for result in results if result.record and result.record.spec.training]
    return {key: value for key, value in records[0].environment.items() if key in KEPT} if records else {}


def main() -> None:
    """Run the profile as every processor and write the golden file, by default beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("others", nargs="*", type=Path, help="folders of runs made elsewhere, as runs/smoke")
    parser.add_argument("--into", type=Path, default=Path(__file__).with_name("smoke.json"))
    parser.add_argument("--keep", type=Path, help="where the runs stay, so that an interrupted one continues")
    parser.add_argument(
        "--only", action="append", metavar="PROCESSOR", help="one of the five runs; by default all"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = asked.keep or Path(name)
        each = processors(place.resolve() / "numba")
        unknown = set(asked.only or ()) - set(each)
        if unknown:
            raise BenchError(f"no processor {min(unknown)!r}", remedy=f"one of: {'; '.join(each)}")
        each = {name: one for name, one in each.items() if name in (asked.only or each)}
        stores = {name: run(place, name, processor) for name, processor in each.items()}
        stores |= {f"elsewhere {at}": RunStore(path) for at, path in enumerate(asked.others, start=1)}
        runs = {name: store.read_all(store.read_plan()) for name, store in stores.items()}
        made = [
            {
                "run": name,
                **described(results),
                "variables": dict(each[name].variables) if name in each else {},
            }
            for name, results in runs.items()
        ]
        for one in made:
            one["variables"].pop("NUMBA_CACHE_DIR", None)  # a path of this machine
        golden = verify.make(list(runs.values()), PROFILE, {"by": "tests/golden/make_smoke.py", "runs": made})
    atomic.write_json(asked.into, golden)
    print(f"wrote {asked.into}: {len(golden['cells'])} cells from {len(runs)} runs")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"make_smoke: {error}")
