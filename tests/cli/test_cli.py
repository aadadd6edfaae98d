"""The commands as a person meets them: exit codes, one clear line on stderr, and interruptions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import atomic, cli, gpus
from bench.cli.display import text_of
from bench.config.packaged import packaged
from bench.execution import resolve, runner
from bench.execution.machine import AUTO, Machine
from bench.records import golden as golden_runs
from tests import tiny

RUN = ("run", "--all", "--profile", "tiny")
STOPPED = "bench: interrupted; the same command continues from what is finished\n"
USAGE = """\
Usage: bench run [OPTIONS] [PROFILE] [MODEL:CONDITION ...]
Try 'bench run --help' for help.

Error: say what: --all, or MODEL:CONDITION (several may follow), or a profile
"""


@dataclass
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


Bench = Callable[..., Outcome]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with both files in it."""
    monkeypatch.chdir(tiny.write(tmp_path))
    for name in (
        "TINY_ABSENT",
        "BENCH_DATA",
        "BENCH_CACHE",
        "BENCH_THREADS",
        "BENCH_GPUS",
        "BENCH_TRACEBACK",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpus, "_read", lambda: ([], []))
    return tmp_path


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    """Run ``main`` in this process."""
    run = tiny.command_here(monkeypatch, capfd)
    return lambda *arguments: Outcome(*run(*arguments))


@pytest.fixture
def finished(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with a finished run, made without training."""
    tiny.finish(here, monkeypatch)
    tiny.use_fake_executor(monkeypatch)
    return here


def one_line(outcome: Outcome, text: str) -> None:
    """Check that the command ended with 2, this one line and nothing else."""
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"bench: {text}\n"


# --- bad input ---


def test_run_without_a_word_is_a_usage_error(here: Path, bench: Bench) -> None:
    done = bench("run")
    assert (done.code, done.out, done.err) == (2, "", USAGE)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("run", "--all", "--only", "unet:noisy"), "--all and single cells were given: one of the two"),
        (("run", "tiny", "small", "unet:noisy"), "one profile at a time, not tiny and small"),
        (("run", "tiny", "--profile", "small"), "one profile at a time, not small and tiny"),
        (("report", "tiny", "--profile", "small"), "one profile at a time, not small and tiny"),
    ],
)
def test_words_that_contradict_are_a_usage_error(
    here: Path, bench: Bench, arguments: tuple[str, ...], text: str
) -> None:
    done = bench(*arguments)
    assert (done.code, done.out, done.err.splitlines()[-1]) == (2, "", f"Error: {text}")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("run", "--all", "--profile", "tinny"),
            "experiments.yaml: unknown profile 'tinny'; did you mean tiny?",
        ),
        (("plan", "--profile", "tinny"), "experiments.yaml: unknown profile 'tinny'; did you mean tiny?"),
        (
            ("run", *RUN[2:], "--only", "umet:noisy"),
            "--only umet:noisy: unknown model 'umet'; did you mean unet?",
        ),
        (
            ("run", *RUN[2:], "--only", "unet:nosy"),
            "--only unet:nosy: unknown condition 'nosy'; did you mean noisy?",
        ),
        (
            ("run", *RUN[2:], "--only", "unet"),
            "--only unet: must be MODEL:CONDITION; for example unet:sparse",
        ),
        (
            ("run", "--all", "--profile", "away"),
            "datasets.yaml:5: sources.away.path: TINY_ABSENT is not set; "
            "ask a friend; or try --profile smoke, which needs no data",
        ),
        ((*RUN, "--datasets", "no.yaml"), "no.yaml: no such file"),
        (
            ("status", "--profile", "tiny"),
            "runs/tiny/plan.json: no run here yet; run: bench run --all --profile tiny",
        ),
        (
            ("report", "--profile", "tiny"),
            "runs/tiny/plan.json: no run here yet; run: bench run --all --profile tiny",
        ),
        (("verify", "--golden", "no.json"), "no.json: no such file; name one with --golden"),
        ((*RUN, "--runs", "datasets.yaml"), None),
        (("data", "build", "--profile", "tiny", "--cache", "datasets.yaml"), None),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    here: Path, bench: Bench, arguments: tuple[str, ...], text: str | None
) -> None:
    done = bench(*arguments)
    if text is None:
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.startswith("bench: datasets.yaml/")
        assert "a folder of the path is a file" in done.err or "Not a directory" in done.err
    else:
        one_line(done, text)
    assert sorted(path.name for path in here.iterdir()) == ["datasets.yaml", "experiments.yaml"]


def test_all_faults_of_a_file_are_told_one_line_each(here: Path, bench: Bench) -> None:
    text = tiny.EXPERIMENTS.replace("epochs: 2", "epochs: no").replace("models: [unet]", "models: [umet]")
    tiny.write(here, experiments=text)
    done = bench(*RUN)
    lines = done.err.splitlines()
    assert (done.code, done.out, len(lines)) == (2, "", 2)
    assert lines[0].startswith("bench: experiments.yaml:8: models.unet.recipes.study.epochs: ")
    assert lines[1].startswith("bench: experiments.yaml:10: experiments.default.models")
    assert lines[1].endswith("did you mean unet?")


def test_default_profile_without_its_data_says_how_to_get_it(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    done = bench("run", "--all")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    for part in (
        "home/bench-data/qin-lung-ct is no folder",
        "bench data fetch qin-lung-ct",
        "try --profile smoke",
    ):
        assert part in done.err
    assert (
        len(done.err.replace(str(tmp_path), "").replace(str(packaged("datasets.yaml").parent), "")) <= 3 * 80
    )
    assert list(tmp_path.iterdir()) == []


def test_run_held_by_another_process_is_one_line(here: Path, bench: Bench) -> None:
    with atomic.lock(here / "runs" / "tiny" / ".lock"):
        done = bench(*RUN)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"another bench process (pid {os.getpid()} " in done.err
    assert done.err.endswith("wait for it or give another --runs\n")


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a disk that nobody may write")
def test_runs_folder_that_cannot_be_written_is_one_line(here: Path, bench: Bench) -> None:
    done = bench(*RUN, "--runs", "/proc/runs")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("bench: /proc/runs")


@pytest.mark.parametrize(
    ("file", "commands"),
    [
        (
            "*noisy*/record.json",
            (RUN, ("status",), ("report",), ("plan",), ("verify", "--golden", "golden.json")),
        ),
        ("*noisy*/scores.csv", (RUN, ("status",), ("report",), ("verify", "--golden", "golden.json"))),
        ("*noisy*/samples.npz", (RUN, ("report",))),
        ("plan.json", (("status",), ("report",), ("verify", "--golden", "golden.json"))),
    ],
)
def test_broken_results_are_one_line(
    finished: Path, bench: Bench, file: str, commands: tuple[tuple[str, ...], ...]
) -> None:
    for path in (finished / "runs" / "tiny").glob(file):
        path.write_bytes(b"\xff\x00broken")
    for command in commands:
        done = bench(*command, *(() if command is RUN else ("--profile", "tiny")))
        assert done.code == 2, (command, done)
        assert done.err.count("\n") == 1
        assert done.err.startswith("bench: runs/tiny/")
        assert file.rpartition("/")[2] in done.err


def test_unforeseen_fault_is_one_line_and_a_traceback_on_demand(
    here: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("planted\nfault")

    monkeypatch.setattr(resolve, "resolve", fail)
    one_line(bench("plan"), "internal error: ZeroDivisionError: planted fault; BENCH_TRACEBACK=1 shows where")
    monkeypatch.setenv("BENCH_TRACEBACK", "1")
    monkeypatch.setattr(sys, "argv", ["bench", "plan"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


# --- good input ---


def test_second_run_does_nothing(finished: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    done = bench(*RUN)
    assert (done.code, done.err, fake.started) == (0, "", 0)
    dated, *end = done.out.split("\n\n")
    lines = [line[20:] for line in dated.splitlines()]
    results = [f"results.{suffix}" for suffix in ("md", "html", "csv", "tex")]
    tables = [
        f"wrote reports/tiny/{name}" for name in (*results, "slices.csv", "numbers.tex", "tex", "figures")
    ]
    assert [line.partition(" (SHA-256 ")[0] for line in lines[:2]] == [
        "datasets.yaml: datasets.yaml",
        "experiments.yaml: experiments.yaml",
    ]
    assert lines[2:] == ["nothing to do: all 4 cells have ended", *tables, "4 cells finished"]
    assert all((finished / line.removeprefix("wrote ")).stat().st_size for line in tables)
    table, page = end
    assert [line.split()[0] for line in table.splitlines()[2:-1]] == ["sparse", "noisy"]
    assert page == "page: reports/tiny/results.html\n"


@pytest.mark.parametrize(
    "words", [("tiny",), ("--profile", "tiny", "unet:noisy"), ("tiny", "unet:noisy"), ("unet:noisy", "tiny")]
)
def test_profile_and_cells_may_be_plain_words(
    finished: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    assert bench("run", *words, "--force").code == 0
    assert len(fake.ran) == (1 if "unet:noisy" in words else 4)


def test_the_page_is_opened_where_asked(
    finished: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert bench("report", "tiny", "--open").code == 0
    assert opened == [(finished / "reports/tiny/results.html").as_uri()]


def test_quiet_is_the_table_alone(finished: Path, bench: Bench) -> None:
    loud, quiet = (bench("run", "tiny", *more).out for more in ((), ("-q",)))
    assert quiet == "\n" + loud.partition("\n\n")[2]


def test_force_runs_again(finished: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tiny.use_fake_executor(monkeypatch)
    assert bench("run", "--profile", "tiny", "--only", "unet:noisy", "unet:sparse", "--force").code == 0
    assert [name[:11] for name in fake.ran] == ["unet-sparse", "unet-noisy-"]


def test_failed_cell_ends_with_1_after_all_others(
    finished: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tiny.use_fake_executor(monkeypatch, failing=["unet-sparse"])
    done = bench(*RUN, "--force")
    assert (done.code, done.err, len(fake.ran)) == (1, "", tiny.CELLS)
    assert "unet-sparse-s1 failed after 1.0 s: planted failure" in done.out
    assert "3 cells finished, 1 did not; try --retry-failed\n\n" in done.out
    assert bench(*RUN).code == 1  # it still has not finished
    assert bench("status", "--profile", "tiny").code == 0
    assert bench("report", "--profile", "tiny").code == 0


def test_verify_is_green_then_red(finished: Path, bench: Bench) -> None:
    arguments = ("verify", "--profile", "tiny", "--golden", "golden.json")
    done = bench(*arguments)
    green = "green: 4 cells reproduced; farthest: input:sparse:s0 psnr.slice_max at +0 bands\n"
    assert (done.code, done.out, done.err) == (0, green, "")
    path = next((finished / "runs" / "tiny").glob("unet-noisy*")) / "scores.csv"
    path.write_text(path.read_text().replace("P001,z000,1.5", "P001,z000,1.6"))
    done = bench(*arguments)
    assert (done.code, done.err) == (1, "")
    assert done.out == (
        f"training: {golden_runs.CAUSES['training']}\n"
        "  red: unet:noisy:s1: psnr.slice_max: golden 3 +- 0.005, found 3.025 (+5 bands)\n"
        "1 value is not reproduced; likely training\n"
    )


# --- real processes ---


def test_reader_that_goes_away_is_no_fault(here: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for arguments in (("plan", "--profile", "tiny"), ("--help",)):
        done = subprocess.run(
            [*tiny.command(), *arguments],
            cwd=here,
            env=tiny.environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
        )
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writer)


class Running:
    """A ``bench`` process in a process group of its own, as a terminal would start it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = tiny.in_session(folder, *arguments, stderr=subprocess.PIPE)
        self.lines: list[str] = []

    def wait_for(self, text: str) -> str:
        """Return the first line of stdout with ``text`` in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return line
        raise AssertionError(f"no {text!r} in {self.lines}; {self.process.communicate()[1]}")

    def descendants(self) -> set[int]:
        """Return the ids of all processes of the session besides the first."""
        found = subprocess.run(
            ["ps", "-o", "pid=", "-s", str(self.process.pid)], capture_output=True, text=True
        )
        return {int(pid) for pid in found.stdout.split()} - {self.process.pid}

    def wait_for_worker(self) -> None:
        """Return as soon as a worker process is there; multiprocessing's tracker of resources is started before."""
        deadline = time.monotonic() + 60
        while len(self.descendants()) < 2:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def end(self) -> tuple[int, str]:
        """Wait for the end and return the exit code and stderr."""
        out, err = self.process.communicate(timeout=60)
        self.lines += out.splitlines()
        return self.process.returncode, err


def gone(session: Running) -> bool:
    """Whether no process of the session is left, given a moment."""
    for _ in range(50):
        if not session.descendants():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start ``bench`` in a folder with both files; whatever is left of it at the end is killed."""
    tiny.write(tmp_path, tiny.DATASETS.replace("slices: 4,", "slices: 8,"))
    sessions: list[Running] = []

    def run(*arguments: str) -> Running:
        sessions.append(Running(tmp_path, *arguments, "--threads", "1"))
        return sessions[-1]

    yield run
    for session in sessions:
        for pid in {*session.descendants(), session.process.pid}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        session.process.communicate()


@pytest.mark.integration
def test_interrupted_build_continues(start: Callable[..., Running]) -> None:
    command = ("data", "build", "--profile", "tiny")
    first = start(*command)
    first.wait_for(" 0 of 40")
    first.wait_for("building phantom: ")
    os.killpg(first.process.pid, signal.SIGINT)
    assert first.end() == (130, STOPPED)
    second = start(*command)
    line = second.wait_for("building phantom: ")
    assert 0 < int(line.split(": ")[1].split()[0]) < 40
    assert second.end() == (0, "")


@pytest.mark.integration
def test_interrupted_training_ends_its_workers_and_continues(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write(tmp_path)
    command = ("run", "--profile", "long", "--only", "unet:noisy", "unet:sparse", "--workers", "2")
    first = start(*command)
    first.wait_for_worker()
    time.sleep(0.5)
    os.killpg(first.process.pid, signal.SIGINT)  # while the worker loads its first modules
    assert first.end() == (130, STOPPED)
    assert gone(first)
    second = start(*command)
    second.wait_for_worker()
    second.process.send_signal(signal.SIGTERM)  # to the parent, while the worker is started
    assert second.end() == (75, STOPPED)
    assert gone(second)
    third = start(*command)
    third.wait_for("unet-noisy-s1 epoch 2/")
    assert len(third.descendants()) == 3  # two workers and multiprocessing's tracker of resources
    os.killpg(third.process.pid, signal.SIGINT)  # Ctrl-C reaches every process of the terminal
    assert third.end() == (130, cli.STOPPING + STOPPED)
    assert gone(third)
    for name in ("unet-noisy-s1", "unet-sparse-s1"):  # how far each has come
        assert (
            sum(name in line and "stopped after" in line and "updates" in line for line in third.lines) == 1
        )
    tiny.use_fake_executor(monkeypatch)  # what the state is worth to another worker is in test_worker
    monkeypatch.setattr(runner, "_audited", tiny.unaudited)
    cache = tmp_path / ".bench-cache"
    events = runner.run(tiny.request(tmp_path, "long", only=("unet:noisy",), cache=cache))
    line = next(text for event in events if (text := text_of(event) or "").startswith("[1/1]"))
    events.close()
    assert int(line.split("continued after epoch ")[1]) >= 2


def test_a_gpu_that_is_not_there_is_one_line_before_anything_is_built(here: Path, bench: Bench) -> None:
    done = bench("run", "--all", "--profile", "tiny", "--gpus", "5")
    assert done.code == 2
    assert done.err == "bench: --gpus: there is no GPU '5'; visible: none; or --gpus none for the CPU\n"
    assert not list(here.rglob("*.npy"))


@pytest.mark.integration
def test_what_is_asked_of_the_machine_reaches_the_executor(
    here: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[Machine] = []

    class Noting(tiny.FakeExecutor):
        def __init__(self, machine: Machine) -> None:
            kinds.append(machine)

    tiny.use_executor(monkeypatch, Noting)
    command = ("run", "--all", "--force", "--profile", "tiny")
    monkeypatch.setenv("BENCH_GPUS", "1")
    assert bench(*command).code == 0
    given = ("--gpus", "0,2", "--slots-per-gpu", "auto", "--gpu-free", "0.3", "--no-wait", "--workers", "3")
    assert bench(*command, *given, "--stall-limit", "5", "--cell-limit", "1.5").code == 0
    assert kinds == [
        Machine(gpus="1"),
        Machine(3, "0,2", slots_per_gpu=AUTO, gpu_free=0.3, wait=False, stall_limit=5, cell_limit=1.5),
    ]
    assert bench(*command, "--slots-per-gpu", "0").code == 2
