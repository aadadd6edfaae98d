"""What is known of a machine's speed: the kept figures of networks, and what they depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench import devices, environment, gpus
from bench.config.schema import TRAINING_VERSION
from bench.errors import BenchError
from bench.execution import threads
from bench.metrics import SCORING_VERSION
from bench.plan.cells import PlannedCell
from bench.plan.forecast import NetworkSpeed
from bench.records import speeds

if TYPE_CHECKING:
    from bench.execution.resolve import Request


def known(request: Request, cells: Sequence[PlannedCell]) -> tuple[Mapping[str, NetworkSpeed], str]:
    """Return the figures that are kept of the networks of ``cells`` by model, and what is wrong with their file."""
    try:
        kept = speeds.read(request.cache)
    except BenchError as error:
        return {}, str(error)
    trained = {cell.spec.model: cell.spec for cell in cells if cell.spec.training is not None}
    if not kept or not trained:
        return {}, ""
    on = here(request.threads or threads.by_size(cells[0].size), request.machine.gpus)
    return {m: kept[key] for m, cell in trained.items() if (key := speeds.key(cell, on)) in kept}, ""


def here(threads: int, names: str | None = None) -> dict[str, Any]:
    """Return all that a speed depends on beside the network: device, threads, backend and versions."""
    machine, (present, _) = environment.describe(), gpus.selected(names)
    keys = ("cpu", "cores", "keras", "tensorflow", "jax")
    return {
        **{name: machine.get(name) for name in keys},
        "device": present[0].name if present else "CPU",
        "backend": devices.backend(),
        "threads": threads,
        "program": environment.version("ldct-denoising-benchmark"),
        "training": TRAINING_VERSION,
        "scoring": SCORING_VERSION,
    }
