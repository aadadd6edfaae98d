"""What a plan comes to on this machine: what each cell will do, time, disk, memory, and what its patients can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from bench.data.pairs import space
from bench.plan.forecast import Forecast, NetworkSpeed, forecast
from bench.records.store import Result
from bench.report import power
from bench.training.checkpoint import saved_updates

if TYPE_CHECKING:
    from bench.execution.resolve import ResolvedRun

Will = Literal["new", "goes on", "done", "failed", "diverged"]

NUMBER_BYTES = 4  # of a weight, whatever the precision that a network computes in
STATE_WEIGHTS = 4  # a saved state holds the weights, two moments of Adam and the best weights
PROCESS_BYTES = 0.9e9  # a worker with TensorFlow and no network (``bench.execution.places``)
FEWEST_PATIENTS = 2


@dataclass(frozen=True)
class Memory:
    """The bytes of one worker process at most: the program with its network, and the training pairs that it holds."""

    process: float
    pairs: float
    measured: bool  # by bench speed; else the process is estimated from the tensors of one batch

    @property
    def bytes(self) -> float:
        """Both."""
        return self.process + self.pairs


@dataclass(frozen=True)
class Difference:
    """The smallest PSNR difference in dB that ``patients`` could show, by a deviation ``sd`` of paired differences.

    ``pairs`` of networks of this run were measured for it; 0: it is assumed.
    """

    db: float
    patients: int
    sd: float
    pairs: int


@dataclass(frozen=True)
class Outlook:
    """A resolved plan with what is on disk of it."""

    resolved: ResolvedRun
    results: Sequence[Result]
    speeds: dict[str, NetworkSpeed]  # of the networks that were measured here
    fault: str  # why the speeds cannot be read

    @classmethod
    def of(cls, resolved: ResolvedRun) -> Outlook:
        """Return the outlook of a plan from the records of its run and the speeds in the cache."""
        from bench.execution.known_speeds import known

        speeds, fault = known(resolved.request, resolved.plan.cells)
        return cls(resolved, resolved.store.read_all(resolved.plan), dict(speeds), fault)

    @property
    def open(self) -> list[Result]:
        """The cells that a run would train and score now."""
        return [result for result in self.results if result.record is None]

    @cached_property
    def forecast(self) -> Forecast | None:
        """The time of the cells that have not ended, as many at once as asked for; None where it is not known."""
        workers = self.resolved.request.machine.workers
        return forecast([result.planned for result in self.open], self.speeds, workers)

    @cached_property
    def pairs(self) -> space.Missing:
        """The pairs that are to be built, with the second draws of the noise where a network trains on them."""
        slices, size = len(self.resolved.folds.refs), self.resolved.profile.size
        both = (self.resolved.files, self.resolved.second)
        return sum((space.missing(files, slices, size) for files in both), space.NOTHING)

    @property
    def building(self) -> float:
        """The seconds that building them takes, estimated."""
        return self.pairs.cpu_s / self.resolved.request.build_threads

    @property
    def weights(self) -> float | None:
        """The bytes of the weights that are to be written; None where a network's parameters are not known."""
        return self._of_weights(1, len(self.open))

    @property
    def states(self) -> float | None:
        """The bytes of the saved states of the cells at work: each ends with its cell."""
        return self._of_weights(STATE_WEIGHTS, self.at_once)

    @property
    def at_once(self) -> int:
        """The cells that run at once, where that is known; else one."""
        return self.forecast.at_once if self.forecast else self.resolved.request.machine.workers or 1

    @cached_property
    def memory(self) -> Memory | None:
        """The memory of the largest worker process; None where a network was not measured."""
        needs = []
        for cell in (result.planned for result in self.open if result.planned.spec.training is not None):
            speed, training = self.speeds.get(cell.spec.model), cell.spec.training
            if speed is None or training is None:
                return None
            slices = cell.spec.dataset.data.slices.get("train", 0)
            pairs = 0 if speed.streamed else 2 * space.PIXEL_BYTES * slices * cell.size**2
            batch = training.slices_seen(cell.size) / training.updates
            process = speed.memory or PROCESS_BYTES + batch * speed.bytes_per_slice
            needs.append(Memory(process, float(pairs), bool(speed.memory)))
        return max(needs, key=lambda need: need.bytes, default=None)

    @cached_property
    def difference(self) -> Difference | None:
        """What the test patients could show; None where they are unknown or fewer than two."""
        folds = self.resolved.plan.folds
        patients = sum(data.patients.get("test", 0) for data in folds)
        if not folds[0].patients_known or patients < FEWEST_PATIENTS:
            return None
        sd, pairs = power.paired_deviation(self.results) or (power.ASSUMED_DB, 0)
        return Difference(power.smallest_difference(patients, sd), patients, sd, pairs)

    def _of_weights(self, copies: int, cells: int) -> float | None:
        """Return the bytes of so many copies of the weights: of each open cell, or of the ``cells`` largest."""
        sizes = []
        for result in self.open:
            if result.planned.spec.training is not None:
                count = self._parameters(result.planned.spec.model)
                if not count:
                    return None
                sizes.append(copies * NUMBER_BYTES * count)
        return sum(sorted(sizes, reverse=True)[:cells])

    def _parameters(self, model: str) -> float:
        """Return how many numbers the weights of a network hold, by a record or by bench speed; 0: unknown."""
        for result in self.results:
            record = result.record
            if result.planned.spec.model == model and record and (total := record.parameters.get("total")):
                return float(total)
        return self.speeds[model].parameters if model in self.speeds else 0.0


def will(result: Result) -> tuple[Will, int]:
    """Return what a run does with a cell, and the update that it goes on from."""
    if result.record is not None:
        return ("done" if result.record.status == "finished" else result.record.status), 0
    updates = saved_updates(result.folder.state)
    return ("goes on", updates) if updates else ("new", 0)
