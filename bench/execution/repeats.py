"""A golden file of a lab's own: a run, and repeats of it in which a processor rounds otherwise: they give the bands.

Equal settings give equal bits on one machine, so a mere repeat says nothing about the next one. Each repeat here
changes what another processor or number of threads would: the order in which the libraries sum.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench import atomic, words
from bench.errors import BenchError
from bench.execution.threads import by_size
from bench.records import golden
from bench.records.store import Result, RunStore

KEPT = ("keras", "numpy", "numba", "tensorflow", "python", "cpu", "threads", "instructions")
MOST = 5  # the given run and the four other ways of ``processors``
CACHE_OF_NUMBA = "NUMBA_CACHE_DIR"  # a path of this machine, which no golden file keeps


class Processor(NamedTuple):
    """One way of running a profile: threads per cell, variables, and whether the pairs are built anew with them."""

    threads: int
    variables: Mapping[str, str]
    own_pairs: bool = False


def processors(size: int, folder: Path) -> dict[str, Processor]:
    """Return the ways of running slices of ``size`` pixels by name, the usual one first.

    A worker lets TensorFlow convolve with oneDNN; Eigen is what it does by itself on a processor without AVX-512. The
    last one stands for a processor of 2008, in every library that lets itself be told; ``folder`` takes what Numba
    compiles for it.
    """
    usual = by_size(size)
    other = 2 if usual == 1 else 1
    core = importlib.import_module("numpy._core._multiarray_umath")
    here = [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]
    old = {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": " ".join(here),
        "NUMBA_CPU_NAME": "x86-64",
        CACHE_OF_NUMBA: str(folder),
        "OPENBLAS_CORETYPE": "Nehalem",
    }
    name = words.count(usual, "thread")
    return {
        name: Processor(usual, {}),
        f"{name}, Eigen": Processor(usual, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
        words.count(other, "thread"): Processor(other, {}),
        f"{name}, oneDNN with AVX2": Processor(usual, {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
        f"{name}, SSE4.1": Processor(usual, old, own_pairs=True),
    }


def run(
    place: Path, name: str, processor: Processor, profile: str, cache: Path, options: Sequence[str] = ()
) -> RunStore:
    """Run a profile as one processor and return where its records are; an interrupted run goes on where it was.

    ``options`` are further ones of ``bench run``; without ``--only`` among them all cells run.

    Raises:
        BenchError: a cell did not finish.
    """
    folder = place / name.replace(" ", "-").replace(",", "")
    which = [] if "--only" in options else ["--all"]
    places = ["--runs", str(folder), "--reports", str(folder / "reports")]
    places += ["--cache", str(folder / "cache" if processor.own_pairs else cache)]
    start = [sys.executable, "-c", "from bench.cli import main; main()"]
    command = [
        *start,
        "run",
        *which,
        "--profile",
        profile,
        "--threads",
        str(processor.threads),
        *places,
        *options,
    ]
    with subprocess.Popen(command, env={**os.environ, **processor.variables}) as child:
        try:
            code = child.wait()
        except BaseException:
            child.terminate()  # its cells save their state
            child.wait()
            raise
    if code:
        raise BenchError(f"the repeat {name!r} ended with exit code {code}", file=folder, remedy="see above")
    return RunStore(folder / profile)


def described(name: str, results: Sequence[Result], processor: Processor | None = None) -> dict[str, Any]:
    """Return one run as a golden file names it: where and with what its first trained cell ran."""
    records = [result.record for result in results if result.record and result.record.spec.training]
    environment = records[0].environment if records else {}
    variables = {} if processor is None else dict(processor.variables)
    variables.pop(CACHE_OF_NUMBA, None)
    return {"run": name, **{k: v for k, v in environment.items() if k in KEPT}, "variables": variables}


def golden_of(
    store: RunStore, only: Collection[str], count: int, also: Sequence[Path], cache: Path, options: Sequence[str],
    tell: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Return the golden value of the run ``store``, of ``count - 1`` repeats of it, and of runs made elsewhere.

    The repeats lie in ``.repeats-PROFILE`` beside the run until all have ended, so that an interrupted one goes on.

    Args:
        store: A run whose cells have finished.
        only: These cells and their untreated inputs, as ``MODEL:CONDITION``; empty for all.
        count: The runs on this machine, the given one among them; at most ``MOST``.
        also: Folders of results made elsewhere; each holds a folder of this profile's name.
        cache: Where the pairs lie.
        options: Of ``bench run``, as ``--experiments FILE``.
        tell: Is given the name of each repeat before it begins.

    Raises:
        BenchError: a cell has not finished, or the runs make no golden value; as far as it can be known, before
            anything is trained.
    """

    def read(one: RunStore) -> list[Result]:
        return golden.chosen(one.read_all(one.read_plan()), only)

    profile, size = store.root.name, store.read_plan().cells[0].size
    runs = [read(store), *(read(RunStore(folder / profile)) for folder in also)]
    made = [described("as given", runs[0]), *(described("elsewhere", one) for one in runs[1:])]
    golden.make(runs, profile, {})
    place = store.root.parent.absolute() / f".repeats-{profile}"
    for cell in dict.fromkeys(f"{one.planned.spec.model}:{one.planned.condition}" for one in runs[0] if only):
        options = [*options, "--only", cell]
    for name, processor in list(processors(size, place / "numba").items())[1:count]:
        tell(f"repeat: {name}")
        runs.append(read(run(place, name, processor, profile, cache, options)))
        made.append(described(name, runs[-1], processor))
    value = golden.make(runs, profile, {"by": "bench verify --write", "runs": made})
    atomic.remove(place)
    return value
