"""``bench speed``: what this machine makes of each network of a profile, and how long the whole of it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from bench.cli.console import DONE, SOME_FAILED, leave, result, say
from bench.cli.options import inputs, places
from bench.cli.text import folded
from bench.words import count, duration

if TYPE_CHECKING:
    from bench.execution.resolve import Request
    from bench.execution.speed import Measured
    from bench.plan.forecast import Forecast

COLUMNS: dict[str, Any] = {
    "disable_numparse": True,
    "colalign": ("left", *["right"] * 6),
    "maxcolwidths": [12],  # of a model's name
}
HEADS = ("network", "start", "updates/s", "slices/s", "ratio", "predict", "score")


@click.command()
@inputs
@click.option(
    "--seconds", type=click.FloatRange(0.1, 600), default=5.0, show_default=True, help="Per network."
)
@click.option("--only", multiple=True, metavar="MODEL", help="These networks only; may be repeated.")
@places
def speed(request: Request, seconds: float, only: Sequence[str]) -> None:
    """Measure the speed of this machine, and forecast the run.

    Each network of the profile is trained for some seconds on random images, as
    many at once as in a run; its slices need not be there. The figures are kept
    in the cache, where bench plan reads them. Exit 1 where one cannot be measured.
    """
    from bench.execution import speed as measuring

    measured = result(measuring.run(request, seconds, only))
    say(of_speeds(measured))
    leave(SOME_FAILED if measured.faults else DONE)


def of_speeds(measured: Measured) -> str:
    """Return the figures of each network, what limits it, and the forecast; at most 80 columns."""
    from tabulate import tabulate

    speeds = measured.speeds
    rows = [
        (
            model,
            duration(one.start_s + one.trace_s),
            f"{one.updates_per_s:.3g}",
            f"{one.slices_per_s:.3g}",
            f"{one.ratio:.0%}",
            f"{1000 * one.inference_s:.3g} ms",
            f"{1000 * one.score_s:.3g} ms",
        )
        for model, one in speeds.items()
    ]
    first = next(iter(speeds.values()))
    at_once = f"{count(first.at_once, 'cell')} at once with {count(measured.threads, 'thread')} each"
    bandwidth = f", {first.bytes_per_s / 1e9:,.0f} GB/s" if first.bytes_per_s else ""
    lines = [
        f"{first.device}: {first.flops / 1e9:,.0f} GFLOP/s in a matrix product{bandwidth}; {at_once}",
        "",
        *tabulate(rows, HEADS, "simple", **COLUMNS).splitlines(),
        "",
        "Start: until the first update. Ratio: of the training to what the device allows by its own matrix product, "
        "on a GPU also by a copy. Predict and score: of a slice.",
        *(f"{model}: limited by {one.limit}" for model, one in speeds.items()),
    ]
    if any(one.streamed for one in speeds.values()):
        lines.append(
            "remark: the training slices do not fit the memory; reading them from the disk is not measured"
        )
    return "\n".join(map(folded, [*lines, *_forecast(measured)]))


def _forecast(measured: Measured) -> list[str]:
    if measured.unknown:
        return [f"forecast for --all: not without the slices ({measured.unknown})"]
    estimate: Forecast | None = measured.forecast
    if estimate is None:
        return ["forecast for --all: not before all networks of the profile are measured"]
    parts = "; ".join(
        f"{name} {duration(seconds)}"
        for name, seconds in (
            ("training", estimate.training), ("checks", estimate.checks), ("scoring", estimate.scoring),
            ("start-up and tracing", estimate.start_up),
        )
    )  # fmt: skip
    return [
        f"forecast for --all: {duration(estimate.total)} with {count(estimate.at_once, 'cell')} at once, without the "
        f"building of pairs. All cells together: {parts}; most is {estimate.limit}",
    ]
