"""Two commands with results of their own and one empty cache: the second waits, then uses what the first has built."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from tests import tiny

# As the command, but the first slice waits until the other command has been seen to wait
SLOW = """
import sys, time
from pathlib import Path
from bench.data.pairs.simulate import PairMaker
images = PairMaker.images
def waiting(self, batch):
    Path("building").touch()
    while not Path("go").exists():
        time.sleep(0.05)
    return images(self, batch)
PairMaker.images = waiting
from bench.cli import main
main()
"""
LIMIT_S = 120


def start(folder: Path, runs: str, code: str | None = None) -> subprocess.Popen[str]:
    command = tiny.command() if code is None else tiny.command(code)
    only = ["--only", "input:noisy", "--profile", "tiny", "--workers", "1"]
    return subprocess.Popen(
        [*command, "run", *only, "--runs", runs, "--reports", f"{runs}-reports", "--cache", "cache"],
        cwd=folder, env=tiny.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.integration
def test_jobs_that_share_a_cold_cache_wait_for_each_other(tmp_path: Path) -> None:
    folder = tiny.write(tmp_path)
    first = start(folder, "a", SLOW)
    timer = threading.Timer(LIMIT_S, first.kill)
    timer.start()
    try:
        while not (folder / "building").exists():
            assert first.poll() is None
            threading.Event().wait(0.05)
        with start(folder, "b") as second:
            assert second.stdout is not None
            lines = []
            for line in second.stdout:
                lines.append(line)
                if "waiting for the pairs: another bench process" in line:
                    assert f"(pid {first.pid} on " in line
                    (folder / "go").touch()
        (folder / "go").touch()
        said, _ = first.communicate()
    finally:
        timer.cancel()
        first.kill()
    assert (first.returncode, second.returncode) == (0, 0), said + "".join(lines)
    assert any("waiting for the pairs" in line for line in lines)
    assert not any("building phantom" in line for line in lines)  # the other has done it
    tables = [(folder / f"{name}-reports" / "tiny" / "slices.csv").read_bytes() for name in "ab"]
    assert tables[0] == tables[1]
