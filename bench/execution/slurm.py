"""The executor of a Slurm cluster, by submitit: each cell is a task of a job array."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import atomic
from bench.errors import BenchError
from bench.events import Event, Message
from bench.execution import node
from bench.execution.engine import Engine, Gone
from bench.execution.machine import AUTO, Machine
from bench.execution.node import Job, Stopped
from bench.execution.stopping import TO_BE_CONTINUED
from bench.words import count

TIMEOUTS = 100  # of one job, after each of which it is queued again
#: Shared by submitit's engines, with the type it asks for; other keys are Slurm's own.
SHARED = {"timeout_min": int, "mem_gb": float, "cpus_per_task": int, "gpus_per_node": int}
ALIASES = {"time": "timeout_min"}
DEFAULTS = {"timeout_min": 480, "name": "bench"}  # minutes: a cell that takes longer is queued again
CANCELLED = "CANCELLED"  # by a person: that is to stay
PREEMPTED = (
    "PREEMPTED"  # for good where pre-emption cancels; submitit takes it for a job that is queued again
)
UNKNOWN = "UNKNOWN"  # Slurm has forgotten it, or has just got it: the lock of the cell keeps two jobs from it
PREEMPTED_S = 300.0  # in which Slurm has queued it again, where it does


class Cells:
    """What submitit calls on a node: a cell, which is queued again from its saved state when its time is over."""

    def __call__(self, job: Job) -> None:
        """Run the cell; the exit code says that it can be continued."""
        try:
            node.run(job)
        except Stopped:
            sys.exit(TO_BE_CONTINUED)

    def checkpoint(self, job: Job) -> Any:
        """Return what is to be queued again, after the cell has ended here."""
        from submitit.helpers import DelayedSubmission

        node.stop()
        return DelayedSubmission(self, job)


class Slurm(Engine):
    """Cells as tasks of job arrays, one for each number of threads; ``--slurm`` says the rest to ``sbatch``."""

    name = "slurm"

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._parameters, self._cluster = _parameters(machine)
        self._processes: list[Any] = []  # of this machine, in place of Slurm
        self._preempted: dict[str, float] = {}  # since when, by the number of a job

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for process in self._processes if kind is None and not self._stopped else ():
            process.wait()  # it has nothing left to do; the system forgets it

    def connect(self) -> None:
        """Find submitit.

        Raises:
            BenchError: it is not installed.
        """
        try:
            import submitit  # noqa: F401
        except ImportError:
            raise BenchError(
                "the executor slurm needs submitit", remedy="pip install 'ldct-denoising-benchmark[slurm]'"
            ) from None
        if self.machine.slots_per_gpu not in (1, AUTO):  # AUTO is refused for every engine
            raise BenchError("--slots-per-gpu: Slurm gives each cell its own GPU", remedy="leave it out")
        self.gpu = any(map(_is_of_gpus, self._parameters.items()))

    def submit(self, jobs: Sequence[Job]) -> Generator[Event, None, dict[str, Any]]:
        """Submit the jobs that are not in the queue already, where an earlier command has left them."""
        folder = jobs[0].task.store.folder.parent / ".slurm"
        known = _read(folder / "jobs.json")
        handles = {job.id: handle for job in jobs if (handle := self._queued(folder, known.get(job.id)))}
        if handles:
            yield Message(f"{count(len(handles), 'cell')} in the queue already")
        new = [job for job in jobs if job.id not in handles]
        for _, group in groupby(new, key=lambda job: (job.gpu, job.task.threads)):
            alike = list(group)
            for job in alike:
                job.events.unlink(missing_ok=True)
            submitted = self._submit(folder, alike)
            handles |= dict(zip((job.id for job in alike), submitted, strict=True))
            known |= {job.id: str(handle.job_id) for job, handle in zip(alike, submitted, strict=True)}
            atomic.write_json(folder / "jobs.json", known)
        if new:
            stay = "jobs go on when this command is stopped, and the same command waits for them again"
            yield Message(f"{count(len(new), 'cell')} submitted; {stay}")
        return handles

    def gone(self, handle: Any) -> Gone | None:
        """Return how a job is over; one that a person has cancelled is not submitted again."""
        done, state = handle.done(), str(handle.state)
        if not done and not state.startswith(PREEMPTED):
            self._preempted.pop(str(handle.job_id), None)
            return None
        since = self._preempted.setdefault(str(handle.job_id), time.monotonic())
        if not done and time.monotonic() - since < PREEMPTED_S:
            return None
        return Gone(f"{state}, see {handle.paths.stderr}", again=not state.startswith(CANCELLED))

    def leave(self, handles: Sequence[Any]) -> None:
        """Leave the jobs to Slurm: they go on."""

    def _submit(self, folder: Path, jobs: Sequence[Job]) -> list[Any]:
        import submitit

        limits = {f"{self._cluster}_max_num_timeout": TIMEOUTS}
        own = {
            key: value
            for key, value in self._parameters.items()
            if jobs[0].gpu or not _is_of_gpus((key, value))
        }
        try:
            executor = submitit.AutoExecutor(folder=folder, cluster=self._cluster, **limits)
            executor.update_parameters(**{"cpus_per_task": jobs[0].task.threads, **own})
            with executor.batch():
                submitted = [executor.submit(Cells(), job) for job in jobs]
        except (subprocess.SubprocessError, RuntimeError, ValueError, NameError, AssertionError) as error:
            text = " ".join(str(error).split())[:300]
            raise BenchError(
                f"Slurm takes no jobs: {text}", remedy="see --slurm and docs/clusters.md"
            ) from None
        if self._cluster == "local":
            self._processes += submitted
        return submitted

    def _queued(self, folder: Path, number: str | None) -> Any:
        """Return the job of an earlier command that waits or runs still; None: there is none."""
        if number is None or self._cluster != "slurm":
            return None
        from submitit.slurm.slurm import SlurmJob

        earlier: Any = SlurmJob(folder=folder, job_id=number)
        over = earlier.done() or str(earlier.state).startswith((PREEMPTED, UNKNOWN))
        return None if over else earlier


def _parameters(machine: Machine) -> tuple[dict[str, Any], str]:
    """Return what submitit is told, and its engine: ``--slurm cluster=local`` is processes of this machine.

    Raises:
        BenchError: not KEY=VALUE, or not a number where one is due.
    """
    parameters: dict[str, Any] = dict(DEFAULTS)
    cluster = "slurm"
    for setting in machine.slurm:
        key, equals, value = setting.partition("=")
        if not equals or not key or not value:
            raise BenchError(f"--slurm {setting}: not KEY=VALUE", remedy="for example --slurm partition=gpu")
        key = ALIASES.get(key, key)
        if key == "cluster":
            cluster = value
        elif key in SHARED:
            try:
                parameters[key] = SHARED[key](value)
            except ValueError:
                remedy = "time in minutes, for example --slurm time=480" if key == "timeout_min" else ""
                raise BenchError(f"--slurm {setting}: not a number", remedy=remedy or None) from None
        elif key == "setup":
            parameters.setdefault("slurm_setup", []).append(value)
        else:
            parameters[f"slurm_{key}"] = int(value) if value.isdecimal() else value
    if machine.workers:
        parameters.setdefault("slurm_array_parallelism", machine.workers)
    return parameters, cluster


def _is_of_gpus(parameter: tuple[str, Any]) -> bool:
    """Return whether a parameter asks for GPUs: rows without a network go without it."""
    key, value = parameter
    return "gpu" in key or (key == "slurm_gres" and "gpu" in str(value))


def _read(path: Path) -> dict[str, str]:
    """Return the number of the job of each cell; empty where none was submitted."""
    try:
        known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return known
    except (OSError, ValueError):
        return {}
