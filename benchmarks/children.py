"""A candidate's process as its parent sees it; the other side of ``candidate.py``."""

from __future__ import annotations

import json
import os
import queue
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
TRAINABLE = {"unet": 486_401, "dncnn": 556_097, "ddnet": 600_017}
GONE = "ended"  # in place of an answer


@dataclass(frozen=True)
class Job:
    """What a candidate trains: crops of side ``patch`` where that is not None; ``seconds`` are those of a round."""

    network: str
    size: int
    batch: int
    threads: int = 1
    seconds: float = 5.0
    rounds: int = 5
    precision: str = "float32"
    patch: int | None = None
    slices: int = 40  # pairs to draw from
    device: str = "cpu"

    @property
    def area(self) -> float:
        """How many slices a batch is worth by area."""
        return self.batch * ((self.patch or self.size) / self.size) ** 2


class Child:
    """A process that compiles one candidate and trains a round when it is told to."""

    def __init__(
        self, name: str, python: str, job: Job, environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        self.name, self.job = name, job
        self.first: dict[str, Any] | None = None
        self.rounds: list[dict[str, Any]] = []
        self._answers: queue.Queue[dict[str, Any] | str] = queue.Queue()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with open(log or os.devnull, "a", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [python, str(ROOT / "benchmarks" / "candidate.py"), name, json.dumps(job.__dict__)],
                env={**environment, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()

    def ready(self, seconds: float | None = None) -> bool:
        """Wait until it has compiled; return whether it has within so many seconds, else end it.

        Raises:
            ValueError: the network is not the one that is compared.
        """
        answer = self._answer(seconds)
        if answer is None:
            self.close()
            return False
        if answer["parameters"] not in (0, TRAINABLE[self.job.network]):
            raise ValueError(f"{self.name} has {answer['parameters']} parameters")
        self.first = answer
        return True

    def begin(self) -> None:
        """Let it train a round; ``end`` waits for it."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self, seconds: float | None = None) -> None:
        """Wait for the end of a round and keep what it took.

        Raises:
            TimeoutError: it has ended, or taken too long.
        """
        answer = self._answer(seconds)
        if answer is None:
            raise TimeoutError(self.name)
        self.rounds.append(answer)

    def speeds(self, clock: str) -> list[float]:
        """Return slices per second of a clock (``cpu`` or ``wall``), one number a round."""
        return [each["updates"] * self.job.area / each[clock] for each in self.rounds]

    def median(self, clock: str) -> float:
        """Return the median of ``speeds``."""
        return statistics.median(self.speeds(clock))

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _answer(self, seconds: float | None) -> dict[str, Any] | None:
        try:
            answer = self._answers.get(timeout=seconds if seconds is None else max(0.1, seconds))
        except queue.Empty:
            return None
        return None if isinstance(answer, str) else answer

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._answers.put(json.loads(line))
        self._answers.put(GONE)


class Deadline:
    """A number of seconds that several parts share."""

    def __init__(self, seconds: float) -> None:
        self.began, self.seconds = time.monotonic(), seconds

    def left(self, share: float = 1.0) -> float:
        """Return the seconds until this share of all of them is spent."""
        return self.began + share * self.seconds - time.monotonic()


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the ratios within a round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
