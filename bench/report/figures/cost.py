"""Quality against cost: what a network adds to the input, against its parameters and the time that it takes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from bench.config.schema import INPUT
from bench.metrics import PSNR
from bench.records.store import Result
from bench.report import statistics
from bench.report.board import Scoreboard
from bench.report.render import plot, svg
from bench.report.values import Drawing, Figure
from bench.report.winners import gain

#: Name of a cost, heading and axis.
COSTS = (
    ("parameters", "Size of the network", "Parameters"),
    ("ms_per_slice", "Time to denoise", "Milliseconds per slice"),
    ("train_s", "Time to train", "Seconds per training"),
)


def figure(board: Scoreboard) -> Figure | None:
    """Return gain against each cost; None with fewer than two networks that have a gain on the same conditions."""
    gains, rows = _gains(board)
    if len(gains) < 2:
        return None
    drawings = []
    for name, title, axis in COSTS:
        costs = {model: cost for model in gains if (cost := _cost(board, rows, model, name)) is not None}
        if len(costs) > 1:
            caption = f"Mean gain in {board.label(PSNR)} over the untreated input against {axis.lower()}."
            drawings.append(Drawing(title, _svg(board, axis, costs, gains), caption))
    if not drawings:
        return None
    return Figure(
        name="cost-quality",
        title="Quality and cost",
        lead=f"Mean gain in {board.label(PSNR)} over the untreated input, over the {len(rows)} of "
        f"{len(board.rows)} conditions that all of these networks have finished, against what a network costs. "
        "Upper left is better. Times depend on the device, see Cost.",
        drawings=tuple(drawings),
    )


def _gains(board: Scoreboard) -> tuple[dict[str, float], list[int]]:
    """Return the mean gain of each network that has any, and the rows over which it is: those that all of them have."""
    by_row = [
        {model: more for model, group in row.groups.items() if (more := gain(row, group, PSNR)) is not None}
        for row in board.rows
    ]
    networks = [model for model in board.plan.models if any(model in gains for gains in by_row)]
    common = [at for at, gains in enumerate(by_row) if gains and all(model in gains for model in networks)]
    if not common:
        return {}, []
    return {model: statistics.mean(by_row[at][model] for at in common) for model in networks}, common


def _cost(board: Scoreboard, rows: Sequence[int], model: str, name: str) -> float | None:
    """Return the mean of a cost over the cells of a network; None where one does not have it."""
    results = [result for at in rows for result in board.rows[at].groups[model].results]
    values = [_of_cell(result, name) for result in results if model != INPUT]
    known = [value for value in values if value]
    return statistics.mean(known) if known and len(known) == len(values) else None


def _of_cell(result: Result, name: str) -> float | None:
    if result.record is None:
        return None
    total = result.record.parameters.get("total")
    return (float(total) if total else None) if name == "parameters" else result.record.timings.get(name)


def _svg(board: Scoreboard, axis: str, costs: Mapping[str, float], gains: Mapping[str, float]) -> str:
    heights = [gains[model] for model in costs]
    across = plot.logarithmic(costs.values(), axis, right=0.5)  # names stand right of their points
    drawing = plot.Plot(
        300,
        205,
        across,
        plot.linear(heights, f"Mean gain ({board.definition(PSNR).get('unit', '')})", span=0.5),
        "xy",
    )
    places = [drawing.at((cost, gains[model])) for model, cost in costs.items()]
    bases = apart([down for _, down in places], plot.SIZE + 2)
    for (model, cost), (right, _), base in zip(costs.items(), places, bases, strict=True):
        at = list(board.plan.models).index(model)
        drawing.marker((cost, gains[model]), svg.colour(at), plot.MARKERS[at % len(plot.MARKERS)], 4.2)
        drawing.text((right + 8, base + plot.SIZE / 3), board.names[model])
    return drawing.svg()


def apart(values: Sequence[float], gap: float) -> list[float]:
    """Return ``values`` moved as little as one pass can so that no two are closer than ``gap``, in their order."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    moved = list(values)
    for below, above in itertools.pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    shift = statistics.mean(moved) - statistics.mean(values) if moved else 0.0
    return [value - shift for value in moved]
