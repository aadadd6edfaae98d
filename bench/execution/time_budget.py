"""The time budget of a run, turned into slices seen once and then kept in its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bench import words
from bench.config.schema import Profile
from bench.data.pairs import space
from bench.data.pairs.pairs import PairFiles
from bench.errors import BenchError
from bench.execution.known_speeds import known
from bench.plan.budget import slices_within
from bench.plan.cells import Plan, TimeBudget
from bench.plan.forecast import forecast
from bench.records.store import RunStore

if TYPE_CHECKING:
    from bench.execution.resolve import Request

MOST = 1.1  # times the budget: so much may the rounding to whole updates add


def of_run(
    request: Request, profile: Profile, store: RunStore, files: Mapping[str, PairFiles], slices: int,
    planned: Callable[[TimeBudget | None], Plan],
) -> TimeBudget | None:  # fmt: skip
    """Return the budget that cells are planned with: the frozen one of the run's plan, else one resolved now.

    None: no time was asked for, neither on the command line nor by the profile.

    Args:
        request: Its ``budget`` is the one of the command line.
        profile: Its time counts where the command line has none.
        store: The run.
        files: The pairs, some of which may have to be built.
        slices: How many there are in all.
        planned: Returns the plan under a budget.

    Raises:
        BenchError: the run has another budget, speeds of this machine are not known, or the time is too short.
    """
    asked = request.budget or (profile.budget.time if profile.budget is not None else None)
    frozen = store.budget()
    if frozen is not None:
        text, seconds = words.span(asked) if asked else (frozen.words, frozen.seconds)
        if seconds == frozen.seconds:
            return frozen
        if not request.force:
            raise BenchError(
                f"this run has a budget of {frozen.words}, not of {text}", file=store.root / "plan.json",
                remedy="give that one, another --runs, or begin anew with --force",
            )  # fmt: skip
    return None if asked is None else _resolved(asked, request, profile, files, slices, planned)


def _resolved(
    asked: str, request: Request, profile: Profile, files: Mapping[str, PairFiles], slices: int,
    planned: Callable[[TimeBudget | None], Plan],
) -> TimeBudget:  # fmt: skip
    text, seconds = words.span(asked)
    # as many checks as with the budget, whatever the slices: they are what the forecast takes from this plan
    speeds, fault = known(request, planned(None).cells)
    draft = TimeBudget(words=text, seconds=seconds, slices_seen=1, forecast_s=0.0, device="", date="")
    cells, workers = planned(draft).cells, request.machine.workers
    unknown = sorted({cell.spec.model for cell in cells if cell.spec.training} - set(speeds))
    if unknown:
        message = fault or f"no measured speed of {', '.join(unknown)} on this machine with these threads"
        raise BenchError(f"budget {text}: {message}", remedy=f"run: bench speed --profile {request.profile}")
    building = space.missing(files, slices, profile.size).cpu_s / request.build_threads
    seen = slices_within(seconds - building, cells, speeds, workers)
    draft = draft.model_copy(update={"slices_seen": max(1, seen)})
    estimate = forecast(planned(draft).cells, speeds, workers)
    assert estimate is not None
    if seen < 1 or estimate.total + building > MOST * seconds:  # each check comes after one update at least
        needed = words.duration(estimate.total + building)
        message = f"budget {text} is too short: with an update before each check the run takes about {needed}"
        raise BenchError(message, remedy="give more time, or fewer checks in the profile's budget")
    first = min(speeds.values(), key=lambda speed: speed.date)
    return draft.model_copy(
        update={"forecast_s": estimate.total + building, "device": first.device, "date": first.date}
    )
