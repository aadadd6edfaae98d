"""How long a run takes, from what a machine was measured to do: arithmetic over the cells of a plan."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from bench.config.schema import Frozen, Positive
from bench.plan.cells import PlannedCell

Some = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LIMIT = 0.5  # from this share of the time on, one cause is named as what limits a network


class NetworkSpeed(Frozen):
    """What one network does on a machine, measured while ``at_once`` cells ran: values of one of them, in seconds.

    ``trace_s`` is from its building to the end of its first update, ``compile_s`` before its first prediction, both on
    top of the usual time. ``check_s`` and ``score_s`` contain ``inference_s``. Operations are floating-point
    operations: ``flop_per_slice`` of training, counted by the layers' shapes; ``flops`` and ``bytes_per_s`` (0: not
    measured) are the device's own at a large matrix product and at a copy.
    """

    date: str  # of the measurement, ISO 8601
    device: str
    at_once: Positive
    streamed: bool  # the pairs do not fit the device: each batch is read from the disk, which is not measured
    start_s: float  # of a worker process, with the imports of its backend
    trace_s: float
    updates_per_s: Some
    slices_per_s: Some  # of training, crops counted by area
    compile_s: float
    inference_s: float  # per slice, as those below
    check_s: float
    score_s: float
    flop_per_slice: float
    bytes_per_slice: float  # of training, each tensor written and read once in every direction
    flops: Some
    bytes_per_s: float = 0.0
    parameters: float = 0.0  # numbers in the weights; 0: not counted
    memory: float = 0.0  # bytes that a worker process took at most, its pairs apart; 0: not measured

    @property
    def arithmetic(self) -> float:
        """The share of an update that its multiplications and additions take at the device's peak."""
        return self.flop_per_slice * self.slices_per_s / self.flops

    @property
    def traffic(self) -> float:
        """The share of an update that its tensors' way to memory and back takes, estimated; 0 where not measured."""
        return self.bytes_per_slice * self.slices_per_s / self.bytes_per_s if self.bytes_per_s else 0.0

    @property
    def ratio(self) -> float:
        """The speed of training over what the device allows: by arithmetic or by memory, whichever takes longer."""
        return max(self.arithmetic, self.traffic)

    @property
    def limit(self) -> str:
        """What limits the training, in a few words."""
        name, share = max(
            ("arithmetic", self.arithmetic), ("memory", self.traffic), key=lambda cause: cause[1]
        )
        explained = f"{name} at the device's best explains {share:.0%} of the time"
        if share >= LIMIT:
            return f"{name} ({explained})"
        return f"small operations{'' if self.bytes_per_s else ' or memory'} (estimated: {explained})"


def mean(speeds: Sequence[NetworkSpeed]) -> NetworkSpeed:
    """Return the mean of what the processes that ran at once have measured."""
    values = {
        name: statistics.fmean(getattr(speed, name) for speed in speeds)
        for name, field in NetworkSpeed.model_fields.items()
        if field.annotation is float
    }
    return speeds[0].model_copy(update={**values, "at_once": len(speeds)})


class CellForecast(Frozen):
    """The seconds of one cell; ``start_up`` is its share of tracing and compiling, which cells of one network share."""

    training: float = 0.0
    checks: float = 0.0
    scoring: float = 0.0
    start_up: float = 0.0

    @property
    def seconds(self) -> float:
        """The whole of it."""
        return math.fsum((self.training, self.checks, self.scoring, self.start_up))


class Forecast(Frozen):
    """The seconds of the cells of a plan, each cell by itself, and of the whole run with ``at_once`` at a time."""

    total: float
    at_once: int
    start: float  # of each worker process
    cells: dict[str, CellForecast]  # by id

    @property
    def training(self) -> float:
        """The training of all cells."""
        return math.fsum(cell.training for cell in self.cells.values())

    @property
    def checks(self) -> float:
        """The checks of all cells on validation slices."""
        return math.fsum(cell.checks for cell in self.cells.values())

    @property
    def scoring(self) -> float:
        """The scoring of all cells."""
        return math.fsum(cell.scoring for cell in self.cells.values())

    @property
    def start_up(self) -> float:
        """The start of all worker processes, and their tracing."""
        return math.fsum(cell.start_up for cell in self.cells.values()) + self.start * self.at_once

    @property
    def limit(self) -> str:
        """Which part takes the longest, in a few words."""
        parts = {
            "training": self.training, "checks on validation slices": self.checks, "scoring": self.scoring,
            "start-up and tracing": self.start_up,
        }  # fmt: skip
        name = max(parts, key=parts.__getitem__)
        return f"{name}, {parts[name] / (sum(parts.values()) or 1.0):.0%} of the time"


def forecast(
    cells: Sequence[PlannedCell], speeds: Mapping[str, NetworkSpeed], workers: int = 0
) -> Forecast | None:
    """Return how long ``cells`` take by the speed of each model; None where a network was not measured.

    Pairs are taken to be there, no two networks to be traced at once by a worker, and the work to be shared evenly, but
    a run takes no less than its longest cell. ``workers`` cells run at once (0: as many as were measured at once); no
    cell is taken to be faster or slower for that.
    """
    trained = [cell for cell in cells if cell.spec.training is not None]
    if not trained or any(cell.spec.model not in speeds for cell in trained):
        return None
    used = {cell.spec.model: speeds[cell.spec.model] for cell in trained}
    at_once = min(len(cells), workers or max(speed.at_once for speed in used.values()))
    counts = Counter(cell.spec.model for cell in trained)
    each, longest = dict[str, CellForecast](), 0.0
    for cell in cells:
        speed = used.get(cell.spec.model)
        each[cell.id] = parts = _of_cell(
            cell, used, min(1.0, at_once / counts[cell.spec.model]) if speed else 0.0
        )
        traced = speed.trace_s + speed.compile_s if speed else 0.0
        longest = max(longest, parts.seconds - parts.start_up + traced)
    start = max(speed.start_s for speed in used.values())
    shared = math.fsum(parts.seconds for parts in each.values()) / at_once
    return Forecast(total=start + max(shared, longest), at_once=at_once, start=start, cells=each)


def _of_cell(cell: PlannedCell, used: Mapping[str, NetworkSpeed], traced: float) -> CellForecast:
    """Return the parts of one cell; ``traced`` is the share of the cells of its network that are traced."""
    slices, training = cell.spec.dataset.data.slices, cell.spec.training
    if training is None:
        metrics = min(speed.score_s - speed.inference_s for speed in used.values())
        return CellForecast(scoring=slices.get("test", 0) * metrics)
    speed = used[cell.spec.model]
    return CellForecast(
        training=training.slices_seen(cell.size) / speed.slices_per_s,
        checks=training.epochs * slices.get("validation", 0) * speed.check_s,
        scoring=slices.get("test", 0) * speed.score_s,
        start_up=traced * (speed.trace_s + speed.compile_s),
    )
