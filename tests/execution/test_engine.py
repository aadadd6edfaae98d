"""What every executor by an engine refuses before a cell is submitted; no engine is needed."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from bench.errors import BenchError
from bench.execution import ray_cluster
from bench.execution.executor import EXECUTORS
from bench.execution.machine import AUTO, Machine
from bench.execution.task import NetworkCheck


@pytest.mark.parametrize("name", ["ray", "slurm"])
@pytest.mark.parametrize(
    ("machine", "message"),
    [
        (Machine(gpus="0,2"), "--gpus names GPUs of this machine"),
        (Machine(slots_per_gpu=AUTO), "--slots-per-gpu auto is for the executor local"),
    ],
)
def test_options_of_one_machine_are_refused(name: str, machine: Machine, message: str, tmp_path: Any) -> None:
    with EXECUTORS[name](machine) as executor, pytest.raises(BenchError, match=message):
        executor.begin(NetworkCheck((), tmp_path / "log"), [1])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("head", "--address head: not HOST:PORT"),
        ("ray://head:10001", "not HOST:PORT"),
        ("127.0.0.1:1", r"no Ray cluster at 127\.0\.0\.1:1: Connection refused; ray start"),
        ("127.0.0.1:99999999", "no Ray cluster at "),
    ],
)
def test_an_address_at_which_nothing_answers_is_one_line(address: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        ray_cluster._reach(address)


def test_an_address_that_answers_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ray_cluster._reach(f"127.0.0.1:{server.getsockname()[1]}")
