"""From a length of time to slices seen: how long each cell may train so that the whole run ends in time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.plan.cells import PlannedCell
from bench.plan.forecast import NetworkSpeed, forecast


def slices_within(
    seconds: float, cells: Sequence[PlannedCell], speeds: Mapping[str, NetworkSpeed], workers: int = 0
) -> int:
    """Return how many slices every cell may see so that ``cells`` end within ``seconds`` by their forecast.

    The number is the same for every network, crops counted by area, as in the published comparison: what a slow network
    needs is taken from all. Start, tracing, checks and scoring are as long as they are and come off first. 0 or less:
    they alone take longer.

    Two limits are linear in the number: the work of all cells over those that run at once, and the longest cell.

    Raises:
        ValueError: a network was not measured, or there is none.
    """
    whole = forecast(cells, speeds, workers)
    if whole is None:
        raise ValueError("a network was not measured")
    trained = [cell for cell in cells if cell.spec.training is not None]
    per_slice = {cell.id: 1 / speeds[cell.spec.model].slices_per_s for cell in trained}
    left = seconds - whole.start
    fixed = math.fsum(parts.seconds - parts.training for parts in whole.cells.values())
    of_all = (left * whole.at_once - fixed) / math.fsum(per_slice.values())
    of_longest = []
    for cell in trained:
        parts, speed = whole.cells[cell.id], speeds[cell.spec.model]
        alone = parts.checks + parts.scoring + speed.trace_s + speed.compile_s
        of_longest.append((left - alone) / per_slice[cell.id])
    return math.floor(min(of_all, *of_longest))
