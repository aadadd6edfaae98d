"""Cells as tasks of a Ray cluster of two nodes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.events import CellEnded, CellStarted, EpochEnded, Event
from bench.execution import runner
from bench.execution.machine import Machine
from bench.records.store import RunStore
from tests import tiny

# Ray leaves sockets and files to the collector, and its own modules use what Python deprecates
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KILL_AT = 2  # epochs of both cells with a network
EXPERIMENTS = tiny.EXPERIMENTS.replace(
    "budget: {slices_seen: 96, checks: 2}}\n  long", "budget: {slices_seen: 960, checks: 10}}\n  long"
)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without cores, and two nodes of one core each."""
    pytest.importorskip("ray")
    for name, value in tiny.environment(RAY_USAGE_STATS_ENABLED="0", CUDA_VISIBLE_DEVICES="-1").items():
        monkeypatch.setenv(name, value)
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, num_gpus=0)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def results(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the scores and weights of each cell, and of the table without the seconds that they took."""
    store = RunStore(folder / "runs" / "tiny")
    files = [
        store.root / cell.id / name
        for cell in store.read_plan().cells
        for name in ("scores.csv", "weights.npz", "samples.npz")
    ]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files if path.exists()}
    table = pd.read_csv(folder / "reports" / "tiny" / "results.csv", dtype=str)
    return found | {"results.csv": table.drop(columns=["train_s", "ms_per_slice"]).to_csv().encode()}


def test_a_killed_node_changes_no_bit_of_the_table(cluster: Any, tmp_path: Path) -> None:
    shared, alone = tiny.write(tmp_path / "shared", experiments=EXPERIMENTS), tmp_path / "alone"
    only = ("input:noisy", "unet:sparse", "unet:noisy")
    machine = Machine(address=cluster.address)
    seen: list[Event] = []
    epoch: dict[str, int] = {}
    for event in runner.run(tiny.request(shared, only=only, executor="ray", machine=machine)):
        print(event)
        seen.append(event)
        if isinstance(event, EpochEnded):
            epoch[event.cell] = event.epoch
            if len(cluster.worker_nodes) == len(epoch) == 2 and min(epoch.values()) >= KILL_AT:
                cluster.remove_node(list(cluster.worker_nodes)[1], allow_graceful=False)
    starts = [event for event in seen if isinstance(event, CellStarted)]
    ends = [event for event in seen if isinstance(event, CellEnded)]
    assert len(ends) == 3
    assert {event.status for event in ends} == {"finished"}
    assert len(starts) > 3
    assert any(event.resumed > 0 for event in starts)
    epochs = [(event.cell, event.epoch) for event in seen if isinstance(event, EpochEnded)]
    # no finished work is repeated; the last event of the killed node may be lost
    assert 2 * 10 - 1 <= len(set(epochs)) == len(epochs)
    shutil.copytree(shared / "cache", alone / "cache")
    tiny.write(alone, experiments=EXPERIMENTS)
    for _ in runner.run(tiny.request(alone, only=only, workers=1)):
        pass
    assert results(shared) == results(alone)
    assert len(results(shared)) == 9


def test_a_node_with_another_version_of_the_program_is_named(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.execution import node

    shared = tiny.write(tmp_path)
    machine = Machine(address=cluster.address)
    monkeypatch.setattr(node, "program", lambda: "0" * 64)  # of another version than that on the nodes
    with pytest.raises(BenchError, match="has another version of this program in "):
        list(runner.run(tiny.request(shared, only=("input:noisy",), executor="ray", machine=machine)))
