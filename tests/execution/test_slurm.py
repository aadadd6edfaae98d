"""Cells as jobs of submitit: run by its engine of local processes, and what Slurm would be told."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.events import CellEnded, CellStarted, Event, Message
from bench.execution import engine, node, runner, slurm
from bench.execution.event_file import EventFile
from bench.execution.machine import Machine
from bench.execution.node import Job
from bench.execution.task import Task
from tests import tiny

submitit = pytest.importorskip("submitit")
LOCAL = Machine(slurm=("cluster=local",))


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Message)]


@pytest.fixture
def job(task: Any, pair_files: Any, tmp_path: Path) -> Job:
    """The job of a row without a network."""
    work: Task = task(
        tmp_path / "runs" / "cell", pair_files(tmp_path / "pairs"), build=None, params={}, seed=0
    )
    return node.job(work, 1, 1, gpu=False, machine=LOCAL)


# --- real processes ---------------------------------------------------------------------------------


@pytest.mark.integration
def test_rows_without_a_network_run_as_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command does it, in processes of submitit: the results are those of the executor of one machine."""
    for name, value in tiny.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(engine, "POLL_S", 0.1)
    request = tiny.request(tiny.write(tmp_path), only=("input:noisy",), executor="slurm", machine=LOCAL)
    events = list(runner.run(request))
    kinds = [type(event) for event in events if isinstance(event, CellStarted | CellEnded)]
    assert kinds == [CellStarted, CellEnded]
    assert any(text.startswith("1 cell submitted") for text in texts(events))
    store = runner.resolve(request).store
    ids = [cell.id for cell in store.read_plan().cells if cell.id.startswith("input-noisy")]
    jobs = json.loads((store.root / ".slurm" / "jobs.json").read_text())
    assert list(jobs) == ids
    scores = (store.root / ids[0] / "scores.csv").read_bytes()
    alone = tiny.request(tmp_path, only=("input:noisy",), runs=tmp_path / "alone", workers=1)
    list(runner.run(alone))
    assert (tmp_path / "alone" / "tiny" / ids[0] / "scores.csv").read_bytes() == scores


# --- what is told to Slurm, and what its answers mean -----------------------------------------------


class FakeHandle:
    """A job whose end a test plants: ``state`` once it is done."""

    def __init__(self, state: str, number: int) -> None:
        self.state, self.job_id = state, f"7_{number}"
        self.paths = type("Paths", (), {"stderr": "err"})

    def done(self) -> bool:
        return self.state != "RUNNING"


def planted(
    monkeypatch: pytest.MonkeyPatch, job: Job, states: list[str], finishes: bool = False
) -> tuple[list[Event], int]:
    """Follow a job whose submissions end one after another in ``states``; after the last the cell may have ended."""
    left, submissions = list(states), []

    def submit(self: Any, folder: Path, jobs: Any) -> list[FakeHandle]:
        submissions.append(jobs)
        state = left.pop(0)
        if finishes and not left:
            EventFile(job.events).append(CellEnded(job.id, "finished", "", 1.0))
        return [FakeHandle(state, len(submissions)) for _ in jobs]

    monkeypatch.setattr(engine, "POLL_S", 0.0)
    monkeypatch.setattr(slurm.Slurm, "_submit", submit)
    monkeypatch.setattr(slurm.Slurm, "_queued", lambda *_: None)
    events = list(slurm.Slurm(Machine()).run([job.task]))
    return events, len(submissions)


@pytest.mark.parametrize("state", ["PREEMPTED", "NODE_FAIL", "FAILED", "TIMEOUT"])
def test_a_lost_job_is_submitted_again(monkeypatch: pytest.MonkeyPatch, job: Job, state: str) -> None:
    events, submissions = planted(monkeypatch, job, [state, state, "COMPLETED"], finishes=True)
    assert submissions == 3
    assert events[-1] == CellEnded(job.id, "finished", "", 1.0)
    assert sum("is submitted again" in text for text in texts(events)) == 2


def test_a_job_that_stays_preempted_is_lost_though_submitit_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handle, now = FakeHandle("PREEMPTED", 1), [0.0]
    monkeypatch.setattr(FakeHandle, "done", lambda self: False)
    monkeypatch.setattr(slurm.time, "monotonic", lambda: now[0])
    executor = slurm.Slurm(Machine())
    assert executor.gone(handle) is None
    handle.state, now[0] = "PENDING", slurm.PREEMPTED_S  # Slurm has queued it again
    assert executor.gone(handle) is None
    handle.state = "PREEMPTED"
    assert executor.gone(handle) is None
    now[0] += slurm.PREEMPTED_S
    assert executor.gone(handle) == ("PREEMPTED, see err", True)


def test_a_job_that_is_lost_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    events, submissions = planted(monkeypatch, job, ["NODE_FAIL"] * 9)
    assert submissions == slurm.Slurm.tries
    assert events[-1] == CellEnded(
        job.id, "failed", "its job ended without a result: NODE_FAIL, see err", 0.0
    )
    assert job.task.store.read_record() is None  # it stays open


def test_a_job_that_a_person_cancels_stays_so(monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    events, submissions = planted(monkeypatch, job, ["CANCELLED by 1000", "COMPLETED"])
    assert submissions == 1
    assert isinstance(events[-1], CellEnded)
    assert "CANCELLED by 1000" in events[-1].message


def test_jobs_of_an_earlier_command_are_waited_for(monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    job.events.parent.mkdir(parents=True)
    EventFile(job.events).append(CellEnded(job.id, "finished", "", 1.0))
    monkeypatch.setattr(engine, "POLL_S", 0.0)
    monkeypatch.setattr(slurm.Slurm, "_submit", lambda *_: pytest.fail("submitted twice"))
    monkeypatch.setattr(slurm.Slurm, "_queued", lambda *_: FakeHandle("RUNNING", 1))
    events = list(slurm.Slurm(Machine()).run([job.task]))
    assert texts(events) == ["1 cell in the queue already"]
    assert isinstance(events[-1], CellEnded)


SBATCH = """#!{python}
import pathlib, sys
pathlib.Path({log!r}).write_text(pathlib.Path(sys.argv[1]).read_text())
print("Submitted batch job 4711")
"""


def test_what_sbatch_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Any, shared_files: Any
) -> None:
    """A fake ``sbatch`` notes its script; a real Slurm was not at hand."""
    log = tmp_path / "script"
    for name in ("sbatch", "srun"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(SBATCH.format(python=sys.executable, log=str(log)))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    options = ("partition=gpu", "account=lab", "time=90", "gpus_per_node=1", "setup=module load cuda")
    machine = Machine(slurm=options, workers=1)
    cells = slurm.Slurm(machine)
    cells.connect()
    assert cells.gpu
    works = [replace(task(tmp_path / "runs" / name, shared_files), threads=2) for name in "ab"]
    jobs = [node.job(work, 1, 2, gpu=True, machine=machine) for work in works]
    handles = cells._submit(tmp_path / "jobs", jobs)
    assert [handle.job_id for handle in handles] == ["4711_0", "4711_1"]
    script = log.read_text()
    for line in (
        "partition=gpu",
        "account=lab",
        "time=90",
        "gpus-per-node=1",
        "cpus-per-task=2",
        "array=0-1%1",
    ):
        assert f"#SBATCH --{line}\n" in script
    assert "\nmodule load cuda\n" in script
    cells._submit(tmp_path / "jobs", [replace(jobs[0], gpu=False)])
    assert "gpu" not in log.read_text().replace("partition=gpu", "")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("partition", "--slurm partition: not KEY=VALUE; for example"),
        ("time=8h", "--slurm time=8h: not a number; time in minutes"),
    ],
)
def test_settings_that_mean_nothing_are_one_line(setting: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        slurm.Slurm(Machine(slurm=(setting,)))


def test_a_key_that_submitit_does_not_know_is_one_line(tmp_path: Path, job: Job) -> None:
    with pytest.raises(BenchError, match=r"Slurm takes no jobs: .*colour"):
        slurm.Slurm(Machine(slurm=("cluster=local", "colour=blue")))._submit(tmp_path, [job])


def test_without_slurm_it_is_one_line(tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match=r"Slurm takes no jobs: .*srun.*; see --slurm"):
        slurm.Slurm(Machine())._submit(tmp_path, [job])


# --- the node ---------------------------------------------------------------------------------------


def test_a_node_refuses_another_program_and_folders_that_it_does_not_see(job: Job) -> None:
    assert node.refusal(job) == ""
    assert "another version of this program" in node.refusal(replace(job, program="0"))
    Path(job.task.files.folder).rename(job.task.files.folder + "-away")
    assert node.refusal(job).endswith(
        f"{job.task.files.folder}; name a folder that all nodes share with --cache"
    )
    job.task.store.folder.rmdir()
    assert f"does not see {job.task.store.folder.parent}; " in node.refusal(job)
    assert node.refusal(job).endswith("with --runs")
    node.run(job)
    assert [type(event) for event in EventFile(job.events).read_new()] == [CellStarted, CellEnded]
    assert job.task.store.read_record() is None


def test_what_is_queued_again_is_the_same_cell_after_its_worker_has_ended(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As submitit does it when the time of a job is over."""
    closed = []

    class Worker:
        def leave(self, seconds: float) -> None:
            closed.append(self)

    worker = Worker()
    monkeypatch.setattr(node, "_workers", [worker])
    first = submitit.helpers.DelayedSubmission(slurm.Cells(), job)
    again = first._checkpoint_function()
    assert closed == [worker]
    assert (type(again.function), again.args) == (slurm.Cells, (job,))


def test_a_stopped_job_ends_with_the_code_of_what_can_be_continued(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = CellEnded(job.id, node.STATUS_STOPPED, "", 1.0)
    monkeypatch.setattr(node, "_ended", lambda *_: stopped)
    with pytest.raises(SystemExit, match=r"^75$"):
        slurm.Cells()(job)
    assert not any(isinstance(event, CellEnded) for event in EventFile(job.events).read_new())


def test_events_come_over_a_file_as_they_are_and_half_a_line_waits(tmp_path: Path) -> None:
    written, read = EventFile(tmp_path / "new" / "events"), EventFile(tmp_path / "new" / "events")
    assert read.read_new() == []
    events = [CellStarted("a", 1, 2, 3), Message('"a"\n'), CellEnded("a", "failed", "why", 0.5, True)]
    for event in events[:2]:
        written.append(event)
    assert read.read_new() == events[:2]
    with open(written.path, "a") as file:
        file.write('{"kind": "CellEn')
    assert read.read_new() == []
    with open(written.path, "a") as file:
        file.write("\n[1]\n")
    written.append(events[2])
    assert read.read_new() == events[2:]
