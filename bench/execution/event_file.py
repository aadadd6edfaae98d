"""The events of a cell that runs elsewhere: lines of a file in the shared folder, which the waiting command follows."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from bench.events import CellEnded, CellStarted, EpochEnded, Event, Message, Progress

KINDS = {kind.__name__: kind for kind in (Progress, CellStarted, EpochEnded, CellEnded, Message)}
PROGRESS_S = 2.0  # at most one step of progress in so long


class EventFile:
    """One process appends, another reads what is new; both by opening the file anew, as network disks need it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._progress = 0.0  # when one was written last

    def append(self, event: Event) -> None:
        """Write ``event`` as a line of JSON, a step of progress only now and then."""
        if isinstance(event, Progress):
            if time.monotonic() - self._progress < PROGRESS_S:
                return
            self._progress = time.monotonic()
        line = json.dumps({"kind": type(event).__name__, **asdict(event)}) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(line)

    def read_new(self) -> list[Event]:
        """Return the events since the last call; a line that is not whole yet, or not of this program, is left out."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._offset)
                new = file.read()
        except FileNotFoundError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        events: list[Event] = []
        for line in whole.splitlines():
            try:
                values = json.loads(line)
                events.append(KINDS[values.pop("kind")](**values))
            except (ValueError, KeyError, TypeError):
                continue  # two tries of a job at once; the record is what counts
        return events
