"""A worker process through errors, a divergence and a kill: run once for the module, examined by each test.

Each start of a process costs seconds for its libraries, so the network checks are part of the same story, and so
does each network that is traced: all cells train one.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import devices, environment
from bench.data.pairs.pairs import PairFiles
from bench.events import CellEnded, EpochEnded, Event, Message
from bench.execution.task import Network, NetworkCheck, NetworkFault, Task
from bench.execution.worker import Worker
from bench.network_code import hashing
from bench.network_code.importing import Planned
from bench.records.record import Record

EPOCHS = 8
NETWORK = """
import keras

def build():
    image = keras.Input((None, None, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3, padding="same")(image))
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(x))
"""


def run(worker: Worker, task: Task) -> Iterator[Event]:
    worker.give(task)
    while worker.task is not None:
        yield from worker.receive()


@dataclass
class Story:
    """Tasks by name, the events of each and the process it ran in."""

    root: Path
    tasks: dict[str, Task]
    events: dict[str, list[Event]] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    faults: dict[str, list[NetworkFault]] = field(default_factory=dict)

    def check(self, name: str, worker: Worker, networks: Iterable[Network], log: Path) -> None:
        worker.begin(NetworkCheck(tuple(networks), log), threads=1)
        self.pids[name] = worker._process.pid
        self.faults[name] = worker.checked().faults

    def tell(self, name: str, worker: Worker, kill_after: int | None = None) -> None:
        events = self.events[name] = []
        for event in run(worker, self.tasks[name.partition(" ")[0]]):
            events.append(event)
            self.pids.setdefault(name, worker._process.pid if worker._process else -1)
            if kill_after is not None and isinstance(event, EpochEnded) and event.epoch == kill_after:
                os.kill(worker._process.pid, signal.SIGKILL)

    def record(self, name: str) -> Record:
        found = self.tasks[name].store.read_record()
        assert found is not None
        return found

    def ended(self, name: str) -> CellEnded:
        last = self.events[name][-1]
        assert isinstance(last, CellEnded)
        assert last.cell == self.tasks[name.partition(" ")[0]].planned.id
        assert sum(isinstance(event, CellEnded) for event in self.events[name]) == 1
        return last

    def files(self, name: str) -> tuple[bytes, dict[str, bytes]]:
        store = self.tasks[name].store
        with np.load(store.weights) as file:
            arrays = {key: file[key].tobytes() for key in file.files}
        return (store.folder / "scores.csv").read_bytes(), arrays


UNBUILDABLE = {
    "exits": "raise SystemExit('away')",
    "none": "def build(): pass",
    "smaller": "import keras\n\ndef build():\n    x = keras.Input((None, None, 1))\n"
    "    return keras.Model(x, keras.layers.MaxPooling2D(2)(x))",
}


def some_networks(base: Path) -> tuple[Network, ...]:
    """Two networks of the program and three of a person; four cannot be built, and one not for its last size."""
    (base / "models").mkdir(parents=True)
    for name, text in UNBUILDABLE.items():
        (base / "models" / f"{name}.py").write_text(text)

    def network(name: str, **params: Any) -> Network:
        return Network(name, f"models.{name}:build", params, "float32", (16, 32), Planned(str(base)))

    some = (network("unet", momentum=99), network("dncnn", depth=3), *map(network, UNBUILDABLE))
    return (*some, replace(network("unet", filters=[2, 2, 2]), sides=(22,)))


def own_network(base: Path) -> tuple[Path, Network]:
    """The file of a person's network, and the network as it is planned from it."""
    base.mkdir()
    file = base / "network.py"
    file.write_text(NETWORK)
    sources = hashing.code_sources("network:build", base)
    code = Planned(str(base), hashing.hash_of(sources), hashing.file_hashes(sources))
    return file, Network("network", "network:build", {}, "float32", (16,), code)


def plant_nan(degraded: dict[Any, np.ndarray], reference: dict[Any, np.ndarray]) -> None:
    for image in degraded.values():
        image[3, 3] = np.nan


@pytest.fixture(scope="module")
def story(
    task: Callable[..., Task], training: Callable[..., Any], pair_files: Callable[..., PairFiles],
    tmp_path_factory: pytest.TempPathFactory,
) -> Story:  # fmt: skip
    root = tmp_path_factory.mktemp("story")
    files = pair_files(root / "pairs")
    nan = pair_files(root / "nan", "broken", plant_nan)

    def brighter(degraded: dict[Any, np.ndarray], reference: dict[Any, np.ndarray]) -> None:
        for image in degraded.values():
            image *= 1.1

    other = pair_files(root / "other", "brighter", brighter)
    network = root / "network.py"
    network.write_text(NETWORK)
    settings = training(epochs=EPOCHS, schedule_epochs=EPOCHS)
    hashes = hashing.file_hashes(hashing.code_sources("network:build", root))

    def own(name: str, pairs: PairFiles = files, seed: int = 1) -> Task:
        asked = task(root / name, pairs, settings, build="network:build", params={}, base=root, seed=seed)
        return replace(asked, code=replace(asked.code, files=hashes))

    tasks = {
        "missing": own("missing", replace(files, folder=str(root / "nowhere"))),
        "bug": task(root / "bug", files, settings, params={"filters": "no list"}),
        "first": own("first"),
        "nan": own("nan-cell", nan),
        "second": own("second", other, seed=2),
        "killed": own("killed"),
        "edited": own("edited"),
        "fresh": own("fresh", other, seed=2),
    }
    (root / "dies.py").write_text("import os\nos._exit(7)\n")
    dies = Network("dies", "dies:build", {}, "float32", (16,), Planned(str(root)))
    own_file, planned = own_network(root / "own")
    told = Story(root, tasks)
    with Worker() as worker:
        told.check("some", worker, some_networks(root / "some"), root / "some.txt")
        told.asked_twice = worker.checked().faults  # type: ignore[attr-defined]
        for name in ("missing", "bug", "first", "nan", "second"):
            told.tell(name, worker)
        told.tell("killed", worker, kill_after=3)
        told.failed = told.record("killed")  # type: ignore[attr-defined]
        network.write_text(NETWORK.replace("Conv2D(1, 3", "Conv2D(1, 1"))
        told.tell("edited", worker)
        told.left = sorted(path.name for path in (root / "edited").iterdir())  # type: ignore[attr-defined]
        network.write_text(NETWORK)
        for name in ("fresh", "killed again", "edited again"):
            told.tell(name, worker)
        told.check("as planned", worker, [planned], root / "own.txt")
        own_file.write_text(NETWORK.replace("Conv2D(1, 3", "Conv2D(1, 1"))
        told.check("edited", worker, [planned], root / "own.txt")
        told.check("dies", worker, [dies], root / "dies.txt")
    return told


@pytest.mark.integration
def test_an_error_is_a_failed_record_with_one_line_and_a_traceback_in_the_log(story: Story) -> None:
    ended, record = story.ended("bug"), story.record("bug")
    assert ended.status == record.status == "failed"
    assert record.started <= record.ended and record.program == environment.version(environment.PROGRAM)
    (attempt,) = record.attempts
    assert attempt.message == ended.message
    assert "\n" not in ended.message
    assert "filters must be a list" in ended.message
    log = story.tasks["bug"].store.log.read_text()
    assert log.count("Traceback (most recent call last)") >= 1
    assert "BenchError" in log


@pytest.mark.integration
def test_missing_pairs_leave_the_cell_open(story: Story) -> None:
    ended = story.ended("missing")
    assert (ended.status, story.tasks["missing"].store.read_record()) == ("failed", None)
    assert "not built" in ended.message


@pytest.mark.integration
def test_a_divergence_is_recorded_and_the_run_goes_on(story: Story) -> None:
    ended, (attempt,) = story.ended("nan"), story.record("nan").attempts
    assert ended.status == attempt.ended == "diverged"
    assert attempt.epoch == 1
    assert ended.message == attempt.message == "loss is not finite at epoch 1, update 1"
    assert story.ended("second").status == "finished"
    assert story.ended("second").message == ""
    for record in (
        story.record("nan"),
        story.record("second"),
    ):  # of a cell that diverged, and of one that finished
        began, ended_at = map(datetime.fromisoformat, (record.started, record.ended))
        assert timedelta() <= ended_at - began < timedelta(hours=1) and began.utcoffset() == timedelta()


@pytest.mark.integration
def test_a_network_edited_since_the_plan_fails_by_name_and_its_cell_stays_open(story: Story) -> None:
    ended = story.ended("edited")
    place = Path(story.tasks["edited"].code.base, "network.py")
    assert (ended.status, ended.message) == (
        "failed",
        f"{place} has changed since the plan was made; run again",
    )
    assert story.left == ["log.txt"]  # type: ignore[attr-defined]
    assert story.ended("edited again").status == "finished"  # the edit is undone: the plan's code again
    assert len(story.record("edited").attempts) == 1


@pytest.mark.integration
def test_cells_share_a_process_until_it_dies(story: Story) -> None:
    early = {story.pids[name] for name in ("some", "missing", "bug", "first", "nan", "second", "killed")}
    late = {story.pids[name] for name in ("fresh", "killed again", "edited again", "as planned", "dies")}
    assert len(early) == len(late) == 1
    assert early != late
    assert os.getpid() not in early | late


@pytest.mark.integration
def test_a_killed_worker_costs_its_cell_only(story: Story) -> None:
    ended = story.ended("killed")
    assert ended.status == "failed"
    assert "killed" in ended.message
    assert "--retry-failed" in ended.message
    assert any(
        isinstance(event, Message) and "started again" in event.text for event in story.events["killed"]
    )
    record: Record = story.failed  # type: ignore[attr-defined]
    (attempt,) = record.attempts
    assert (record.status, attempt.ended, attempt.message) == ("failed", "failed", ended.message)
    assert 3 <= attempt.epochs < EPOCHS
    assert attempt.updates == 4 * attempt.epochs
    assert story.ended("fresh").status == "finished"


@pytest.mark.integration
def test_a_cell_after_others_equals_one_in_a_fresh_process(story: Story) -> None:
    assert story.files("second") == story.files("fresh")
    assert story.files("second") != story.files("first")


@pytest.mark.integration
def test_a_killed_training_continues_to_equal_weights_and_scores(story: Story) -> None:
    assert story.files("killed") == story.files("first")
    done = [event.epoch for event in story.events["killed again"] if isinstance(event, EpochEnded)]
    record = story.record("killed")
    assert [attempt.ended for attempt in record.attempts] == ["failed", "finished"]
    assert done == list(range(record.attempts[0].epochs + 1, EPOCHS + 1))
    assert record.attempts[0].seed == record.attempts[1].seed == 1


@pytest.mark.integration
def test_no_process_is_left(story: Story) -> None:
    for pid in set(story.pids.values()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.integration
def test_networks_are_built_before_any_cell_and_all_that_cannot_be_are_named(story: Story) -> None:
    found = dict(enumerate(story.faults["some"]))
    assert [name for name, _ in found.values()] == ["unet", *UNBUILDABLE, "unet"]
    said = [message for _, message in found.values()]
    assert "momentum must be a number in [0, 1), not 99" in said[0]
    assert "away" in said[1]
    assert "build returns NoneType, not a keras.Model" in said[2]
    assert "makes (1, 8, 8, 1) of an image of shape (1, 16, 16, 1)" in said[3]
    assert "takes no image of 22 x 22 pixels" in said[4]
    assert not any("\n" in message for message in said)
    assert "Traceback" in (story.root / "some.txt").read_text()
    assert story.asked_twice == []  # type: ignore[attr-defined]


@pytest.mark.integration
def test_a_network_edited_while_the_pairs_were_built_is_found_before_any_cell(story: Story) -> None:
    file = story.root / "own" / "network.py"
    assert story.faults["as planned"] == []
    assert story.faults["edited"] == [("network", f"{file} has changed since the plan was made; run again")]


@pytest.mark.integration
def test_a_worker_that_dies_while_it_builds_says_so_for_each_network(story: Story) -> None:
    ((model, message),) = story.faults["dies"]
    assert model == "dies"
    assert "died while it built the networks (exit code 7)" in message


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as started:
        yield started


def test_a_worker_that_died_between_cells_is_replaced(worker: Worker) -> None:
    worker._start(1)
    first = worker._process
    first.kill()
    first.join()
    worker._start(1)
    assert worker._process.is_alive()
    assert worker._process.pid != first.pid
    assert worker._start(1) is worker._pipe


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_worker_starts_with_variables_that_its_parent_does_not_keep(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "environment_at_start", lambda: {"MALLOC_TOP_PAD_": "12345"})
    monkeypatch.delenv("MALLOC_TOP_PAD_", raising=False)
    worker._start(1)
    # Until the child has replaced its image, its environment reads as empty.
    deadline = time.monotonic() + 60
    while (
        not (started := Path(f"/proc/{worker._process.pid}/environ").read_bytes())
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert b"MALLOC_TOP_PAD_=12345" in started.split(b"\0")
    assert "MALLOC_TOP_PAD_" not in os.environ


def test_a_broken_pipe_names_the_signal(worker: Worker) -> None:
    worker._start(1)
    worker._process.terminate()
    assert worker._end() == "SIGTERM"
    assert worker._process is None


@pytest.mark.integration
def test_the_log_belongs_to_the_cell(story: Story) -> None:
    logs = {name: story.tasks[name].store.log.read_text() for name in story.tasks}
    assert "filters must be a list" not in "".join(text for name, text in logs.items() if name != "bug")
    assert all(Path(story.tasks[name].store.folder, "log.txt").exists() for name in story.tasks)
