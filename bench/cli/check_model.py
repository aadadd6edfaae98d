"""``bench check-model``: whether a network keeps its part, what it costs, and about how long its cells take."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.console import DONE, SOME_FAILED, leave, say
from bench.cli.options import inputs, json_option
from bench.errors import BenchError
from bench.words import duration

if TYPE_CHECKING:
    from bench.config import load, schema
    from bench.contract.checks import Verdict
    from bench.contract.subject import Subject
    from bench.execution.resolve import Request
    from bench.plan.cells import PlannedCell

SIDE = 64  # chosen: quick, and enough for four halvings
FULL = 512


@click.command("check-model")
@click.argument("name", metavar="NAME|MODULE:FUNCTION")
@inputs
@click.option(
    "--side", type=click.IntRange(min=8), default=SIDE, show_default=True, help="Of the images, in pixels."
)
@json_option
def check_model(request: Request, name: str, side: int, as_json: bool) -> None:
    """Check that a network can be trained here, and what it costs.

    NAME is a model of experiments.yaml, or the file models/NAME.py. A line per
    check; exit 1 where one fails. The profile gives the parameters and the size
    that cost and forecast are for; its slices need not be there.
    """
    from bench import devices, environment
    from bench.config import load

    config = load.load(request.datasets, request.experiments)
    profile = load.profile(config, request.profile)
    os.environ.update(
        devices.environment_variables(environment.cores(), None)
    )  # before a backend is imported
    with _native_words_muted():
        passed = _checked(config, profile, request, name, side, as_json)
    leave(DONE if passed else SOME_FAILED)


@contextmanager
def _native_words_muted() -> Iterator[None]:
    """Keep what a backend's libraries write to file descriptor 2 from the terminal; a fault is still one line."""
    if os.environ.get("BENCH_TRACEBACK"):
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _checked(
    config: load.Config, profile: schema.Profile, request: Request, name: str, side: int, as_json: bool
) -> bool:
    """Say how each check ends, and the cost of a network that passes all; return whether it does."""
    from bench.contract import checks

    subject = _subject(config, profile, name, side)
    verdicts = []
    for verdict in checks.run_all(subject):
        verdicts.append(verdict)
        if not as_json:
            say(f"{'ok    ' if verdict.passed else 'failed'}  {verdict.name}: {verdict.words}")
    passed = all(verdict.passed for verdict in verdicts)
    cost = {side: checks.gflop(subject, side) for side in (profile.size, FULL)} if passed else {}
    cells = _cells(request, name) if passed else ""
    if as_json:
        _say_json(name, subject, verdicts, cost)
    elif passed:
        say("\n".join(_cost(subject, request, cost, cells)))
    return passed


def _subject(config: load.Config, profile: schema.Profile, name: str, side: int) -> Subject:
    """Return the network called ``name``: with a profile's parameters, by its entry, by its file or by its function.

    Raises:
        BenchError: there is none; the nearest name is told.
    """
    from bench.config.precedence import settings
    from bench.contract.subject import Subject
    from bench.names import suggestion
    from bench.network_code import locate

    models = config.experiments.models
    if name in models:
        model, params = models[name], models[name].params
        recipe = model.recipes.get(profile.recipe, next(iter(model.recipes.values())))
        in_use = settings(profile, name, model, recipe, config.builds[name].parameters)
        params = {key: setting.value for key, setting in in_use.params.items()}
        precision = str(in_use.recipe["precision"].value)
        return Subject(model.build, params, config.base, side, precision)
    build = name if ":" in name else f"{locate.NETWORKS}.{name}:build"
    if ":" not in name and locate.find(f"{locate.NETWORKS}.{name}", config.base) is None:
        known = suggestion(name, models)
        file = Path(locate.NETWORKS, f"{name}.py")
        raise BenchError(f"neither a model of experiments.yaml nor a file {file}", key=name, remedy=known)
    return Subject(build, {}, config.base, side)


def _cells(request: Request, name: str) -> Sequence[PlannedCell] | str:
    """Return the cells of a model in its profile, or why they cannot be counted."""
    from bench.execution import resolve

    try:
        plan = resolve.resolve(request, timed=False).plan
    except BenchError as error:
        return str(error)
    cells = [cell for cell in plan.cells if cell.spec.model == name]
    return cells or f"it is in no experiment of profile {request.profile}"


def _cost(
    subject: Subject, request: Request, cost: dict[int, float], cells: Sequence[PlannedCell] | str
) -> list[str]:
    sides = ", ".join(f"{gflop:.3g} GFLOP a slice of {side} x {side}" for side, gflop in cost.items())
    lines = [f"cost: {sides}, forward"]
    if isinstance(cells, str):
        return [*lines, f"forecast: none ({cells.splitlines()[0]})"]
    from bench.execution import known_speeds
    from bench.plan.forecast import forecast

    measured, _ = known_speeds.known(request, cells)
    known = forecast(cells, measured, request.machine.workers) if measured else None
    each = max(cell.spec.training.slices_seen(cell.size) for cell in cells if cell.spec.training)
    if known is not None:
        return [*lines, f"forecast: {duration(known.total)} for its {len(cells)} cells, by bench speed"]
    seconds = each * subject.updated.update_s * (cells[0].size / subject.size) ** 2
    return [
        *lines,
        f"forecast: roughly {duration(seconds)} to train a cell of profile {request.profile}, {each:,.0f} slices seen",
        f"better: bench speed --profile {request.profile} --only {cells[0].spec.model}",
    ]


def _say_json(name: str, subject: Subject, verdicts: Sequence[Verdict], cost: dict[int, float]) -> None:
    from bench.cli import documents

    say(
        documents.text(
            {
                "schema": documents.SCHEMA,
                "kind": "check-model",
                "model": name,
                "build": subject.build,
                "params": subject.params,
                "checks": [{"name": one.name, "passed": one.passed, "words": one.words} for one in verdicts],
                "gflop": {str(side): value for side, value in cost.items()},
            }
        )
    )
