"""How long a run goes on, by what its cells cost: the forecast, corrected by what has been measured since it began."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.events import CellCost, CellEnded, CellsPlanned, CellStarted, Event, Progress
from bench.words import duration

SURE = 0.02  # of its updates a cell must have made before its speed counts


@dataclass
class _Cell:
    """A cell and how far it is: shares of its updates at its start, at its first and at its last sign of training."""

    cost: CellCost
    share: float
    began_at: float
    first: tuple[float, float] | None = None  # time and share: tracing is over
    last: tuple[float, float] = (0.0, 0.0)
    at_work: bool = False
    ended: float | None = None  # its seconds, at least


class Remaining:
    """Takes the events of a run and says how long it has taken and how long it goes on, never by the number of cells.

    The cost of a cell is that of its network: seconds per update, measured at cells that have ended, else at those that
    train (what they are yet to score is not in it); else the forecast, times what the measured networks have taken of
    theirs. The costs that are left are shared by as many cells as run at once, and no less than the longest of them.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._cells: dict[str, _Cell] = {}
        self._at_once = 1

    @property
    def is_known(self) -> bool:
        """Whether the cells of the run have been told."""
        return bool(self._cells)

    def note(self, event: Event) -> None:
        """Take an event."""
        now = self._clock()
        if isinstance(event, CellsPlanned):
            self._cells = {cost.cell: _Cell(cost, cost.done, cost.done) for cost in event.costs}
        elif isinstance(event, CellStarted) and event.cell in self._cells:
            cell = self._cells[event.cell]
            cell.at_work, cell.first = True, None
            cell.share = cell.began_at
            self._at_once = max(self._at_once, sum(one.at_work for one in self._cells.values()))
        elif isinstance(event, Progress) and event.stage == "train" and event.subject in self._cells:
            cell, share = self._cells[event.subject], event.done / max(1, event.total)
            cell.first, cell.last, cell.share = cell.first or (now, share), (now, share), share
        elif isinstance(event, CellEnded) and event.cell in self._cells and not event.crowded:
            cell = self._cells[event.cell]
            cell.at_work, cell.ended = False, event.seconds
            cell.share = 1.0 if event.status == "finished" else cell.share

    def seconds(self) -> tuple[float | None, list[str]]:
        """Return the seconds until the last cell ends, None where nothing is known, and the networks left out of it."""
        measured = dict(self._measured())
        trained = [cell.cost for cell in self._cells.values() if cell.cost.updates]
        forecasts = {cost.network: cost.seconds for cost in trained if cost.seconds is not None}
        both = [(measured[name], seconds) for name, seconds in forecasts.items() if name in measured]
        expected = math.fsum(pair[1] for pair in both)
        correction = math.fsum(pair[0] for pair in both) / expected if expected else 1.0
        costs, unknown = [], list[str]()
        for cell in self._cells.values():
            if cell.ended is not None:
                continue
            name, whole = cell.cost.network, measured.get(cell.cost.network)
            if whole is None and cell.cost.seconds is not None:
                whole = cell.cost.seconds * (correction if cell.cost.updates else 1.0)
            if whole is None:
                unknown += [name] if name not in unknown and cell.cost.updates else []
            else:
                costs.append(whole * (1 - cell.share))
        at_once = max(1, min(self._at_once, len(costs)))
        return (max(math.fsum(costs) / at_once, *costs, 0.0) if costs or not unknown else None), unknown

    def words(self) -> str:
        """Return a line: cells that have ended, time elapsed, time left and the clock time of the end."""
        ended = sum(cell.ended is not None for cell in self._cells.values())
        elapsed = f"{ended} of {len(self._cells)} cells in {duration(self._clock() - self._began)}"
        seconds, unknown = self.seconds()
        if seconds is None:
            return f"{elapsed}, time left not known yet"
        more = f" without {', '.join(unknown)}" if unknown else ""
        now = datetime.now()
        end = now + timedelta(seconds=seconds)
        days = (end.date() - now.date()).days
        at = f"{end:%H:%M}" if not days else f"{end:%H:%M} tomorrow" if days == 1 else f"{end:%Y-%m-%d %H:%M}"
        return f"{elapsed}, {duration(seconds)} left{more}, ends about {at}"

    def _measured(self) -> Iterator[tuple[str, float]]:
        """Yield the seconds of a whole cell of each network of which something was measured."""
        for network in {cell.cost.network for cell in self._cells.values()}:
            same = [cell for cell in self._cells.values() if cell.cost.network == network]
            whole = [(cell.ended, cell.share - cell.began_at) for cell in same if cell.ended is not None]
            if (done := math.fsum(share for _, share in whole)) > SURE:
                yield network, math.fsum(seconds or 0.0 for seconds, _ in whole) / done
                continue
            steps = [
                (cell.last[0] - cell.first[0], cell.last[1] - cell.first[1]) for cell in same if cell.first
            ]
            if (done := math.fsum(share for _, share in steps)) > SURE:
                yield network, math.fsum(seconds for seconds, _ in steps) / done
