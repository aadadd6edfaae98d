"""The executor of a Ray cluster: each cell is a task of Ray's core, tried again where a worker or a node is lost."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from bench import gpus
from bench.errors import BenchError, BenchErrors
from bench.events import Event, Message
from bench.execution import node
from bench.execution.engine import Engine, Gone
from bench.execution.machine import Machine
from bench.execution.node import Job, Stopped
from bench.words import count

RETRIES = 5  # of one cell, by Ray, where its worker or node is lost
REACH_S = 10.0
LEAVE_S = 10.0  # for cells at work to save, when the command stops
#: No statistics of use are sent anywhere; a task without a GPU keeps its environment, from which ``Worker`` takes GPUs.
VARIABLES = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


class RayCluster(Engine):
    """Cells as Ray tasks: ``num_cpus`` its threads, ``num_gpus`` a GPU or, by ``--slots-per-gpu``, a share."""

    name = "ray"

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._ray: Any = None  # the module, once it is connected

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._ray is not None:
            self._ray.shutdown()

    def connect(self) -> None:
        """Join the cluster at ``--address``, or start one of this machine.

        Raises:
            BenchError: Ray is not installed, or cannot be reached.
        """
        for name, value in VARIABLES.items():
            os.environ.setdefault(name, value)
        try:
            ray: Any = importlib.import_module("ray")
        except ImportError:
            raise BenchError(
                "the executor ray needs Ray", remedy="pip install 'ldct-denoising-benchmark[ray]'"
            ) from None
        _reach(self.machine.address)
        local: dict[str, Any] = {} if self.machine.address else {"include_dashboard": False}
        if not self.machine.address and gpus.is_none(self.machine.gpus):
            local["num_gpus"] = 0
        try:
            with _own_signals():
                ray.init(
                    address=self.machine.address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **local,
                )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            text = " ".join(str(error).split())[:200]
            where = self.machine.address or "this machine"
            raise BenchError(f"no Ray cluster at {where}: {text}", remedy="see --address") from None
        self._ray = ray
        self.gpu = ray.cluster_resources().get("GPU", 0) > 0 and not gpus.is_none(self.machine.gpus)

    def submit(self, jobs: Sequence[Job]) -> Generator[Event, None, dict[str, Any]]:
        """Give jobs to Ray, after a look from every node where they are the first."""
        nodes = [one for one in self._ray.nodes() if one["Alive"]]
        self._refuse(jobs[0], nodes)
        most = max(int(one["Resources"].get("CPU", 0)) for one in nodes)
        handles = {}
        for job in jobs:
            if job.task.threads > most:
                raise BenchError(
                    f"a cell takes {job.task.threads} threads, the largest node of the Ray cluster has {most} cores"
                )
            share = 1.0 if job.task.alone else 1 / self.machine.slots_per_gpu
            remote = self._ray.remote(
                num_cpus=job.task.threads,
                num_gpus=share if job.gpu else 0,
                max_retries=RETRIES,
                retry_exceptions=[Stopped],
            )(node.run)
            job.events.unlink(missing_ok=True)
            handles[job.id] = remote.remote(job)
        yield Message(
            f"{count(len(jobs), 'cell')} given to Ray on {count(len(nodes), 'node')}; keep this command running"
        )
        return handles

    def gone(self, handle: Any) -> Gone | None:
        """Return how a task is over; Ray has tried it again by itself."""
        ready, _ = self._ray.wait([handle], timeout=0)
        if not ready:
            return None
        try:
            self._ray.get(handle)
        except Exception as error:
            return Gone(f"{type(error).__name__}: {' '.join(str(error).split())[-300:]}", again=False)
        return Gone("Ray's task has returned", again=False)

    def leave(self, handles: Sequence[Any]) -> None:
        """End the tasks: they belong to this command."""
        for handle in handles:
            self._ray.cancel(handle)
        if handles:
            self._ray.wait(list(handles), num_returns=len(handles), timeout=LEAVE_S)

    def _refuse(self, job: Job, nodes: Sequence[Any]) -> None:
        """Raise ``BenchErrors`` with every node that cannot run cells: each says so by a small task of its own."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        look = self._ray.remote(num_cpus=0, max_retries=1)(node.refusal)
        looks = [
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(one["NodeID"], soft=True)).remote(
                job
            )
            for one in nodes
        ]
        try:
            answers = self._ray.get(looks)
        except Exception as error:
            raise BenchError(
                f"a node of the Ray cluster cannot run cells: {' '.join(str(error).split())[-300:]}",
                remedy=f"install the program of {socket.gethostname()} on every node",
            ) from None
        if refusals := list(dict.fromkeys(filter(None, answers))):
            raise BenchErrors([BenchError(why) for why in refusals])


def _reach(address: str) -> None:
    """Raise ``BenchError`` where nothing answers at an address: Ray itself tries for minutes, then ends the process."""
    if address in ("", "auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise BenchError(f"--address {address}: not HOST:PORT", remedy="for example 10.0.0.1:6379, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        message = f"no Ray cluster at {address}: {getattr(error, 'strerror', None) or error}"
        raise BenchError(message, remedy="ray start --head --port 6379 there, or another --address") from None


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's handler of SIGTERM, in place of which Ray sets its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
