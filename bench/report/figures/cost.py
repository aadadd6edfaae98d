"""Quality against cost: what a network adds to the input, against its parameters and the time that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.config.schema import INPUT
from bench.metrics import PSNR
from bench.records.store import Result
from bench.report import statistics
from bench.report.board import Scoreboard
from bench.report.render import svg
from bench.report.values import Drawing, Figure
from bench.report.winners import gain

#: Name of a cost, heading and axis.
COSTS = (
    ("parameters", "Size of the network", "Parameters"),
    ("ms_per_slice", "Time to denoise", "Milliseconds per slice"),
    ("train_s", "Time to train", "Training, seconds per condition"),
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
            drawings.append(Drawing(title, _svg(board, name, axis, costs, gains), caption))
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


def _svg(
    board: Scoreboard, name: str, axis: str, costs: Mapping[str, float], gains: Mapping[str, float]
) -> str:
    from matplotlib.ticker import LogLocator, NullLocator

    with svg.canvas(f"cost-{name}", 4.4, 2.9) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        low, high = min(costs.values()), max(costs.values())
        room = max(high / low, 3.0)
        axes.set_xlim(low / room**0.15, high * room**0.55)  # labels stand right of their points
        ends = min(gains[m] for m in costs), max(gains[m] for m in costs)
        span = max(ends[1] - ends[0], 0.5)
        axes.set_ylim(ends[0] - 0.2 * span, ends[1] + 0.2 * span)
        heights = apart([gains[model] for model in costs], 0.11 * 1.4 * span)
        for (model, cost), height in zip(costs.items(), heights, strict=True):
            at = list(board.plan.models).index(model)
            paint = svg.PALETTE[at % len(svg.PALETTE)]
            axes.plot(cost, gains[model], color=paint, marker=svg.MARKERS[at % len(svg.MARKERS)], markersize=7)
            axes.annotate(board.names[model], (cost, height), xytext=(8, 0), textcoords="offset points",
                          va="center", color=svg.INK)  # fmt: skip
        svg.dress(axes, axis, f"Mean gain ({board.definition(PSNR).get('unit', '')})", grid="both")
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0,) if high / low > 30 else (1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        return svg.text(figure)


def apart(values: Sequence[float], gap: float) -> list[float]:
    """Return ``values`` moved as little as one pass can so that no two are closer than ``gap``, in their order."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    moved = list(values)
    for below, above in zip(order, order[1:], strict=False):
        moved[above] = max(moved[above], moved[below] + gap)
    shift = statistics.mean(moved) - statistics.mean(values) if moved else 0.0
    return [value - shift for value in moved]
