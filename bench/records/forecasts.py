"""What a run was expected to take, frozen when it began (``runs/<profile>/forecast.json``), and what it has taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from bench import atomic
from bench.config.schema import Frozen, Positive
from bench.plan.forecast import CellForecast, Forecast
from bench.records.store import Result

NAME = "forecast.json"
MEASURED = ("train_s", "check_s", "score_s")  # timings of a record that a forecast is held against


class ForecastFile(Frozen):
    """The whole file: the forecast of each cell from the run that began it, and the cells at once of the last run."""

    schema_: Literal[1] = Field(1, alias="schema")
    at_once: Positive = 1
    cells: dict[str, CellForecast] = Field(default_factory=dict)  # by id


class Comparison(Frozen):
    """Forecast and outcome in seconds, summed over the finished cells of a network that have both."""

    model: str
    cells: int
    forecast_s: float
    took_s: float

    @property
    def ratio(self) -> float:
        """The outcome over the forecast."""
        return self.took_s / self.forecast_s


def read(run: Path) -> ForecastFile:
    """Return the frozen forecasts of a run folder; an empty file where there is none that can be read."""
    try:
        return ForecastFile.model_validate_json((run / NAME).read_bytes())
    except (OSError, ValidationError):
        return ForecastFile()


def freeze(run: Path, forecast: Forecast, *, anew: bool) -> ForecastFile:
    """Write the forecast of cells that are to run: those of earlier runs stay, unless all begins ``anew``."""
    earlier = read(run).cells
    cells = {**earlier, **forecast.cells} if anew else {**forecast.cells, **earlier}
    file = ForecastFile(at_once=forecast.at_once, cells=cells)
    atomic.write_json(run / NAME, file.model_dump(mode="json", by_alias=True))
    return file


def compare(results: Sequence[Result], forecasts: Mapping[str, CellForecast]) -> list[Comparison]:
    """Return forecast and outcome of each network, in the order of the plan; none of a network without both.

    The untreated input is left out: it takes seconds, most of them to start.
    """
    sums: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        took, expected = outcome(result), forecasts.get(result.planned.id)
        if took is not None and expected is not None and expected.seconds > 0:
            sums.setdefault(result.planned.spec.model, []).append((expected.seconds, took))
    return [_sum(model, pairs) for model, pairs in sums.items()]


def in_sum(comparisons: Sequence[Comparison]) -> Comparison | None:
    """Return forecast and outcome of all networks together; None where there are none."""
    if not comparisons:
        return None
    total = _sum("all", [(one.forecast_s, one.took_s) for one in comparisons])
    return total.model_copy(update={"cells": sum(one.cells for one in comparisons)})


def _sum(model: str, pairs: Sequence[tuple[float, float]]) -> Comparison:
    """Return the sum of pairs of forecast and outcome."""
    forecast_s, took_s = (math.fsum(column) for column in zip(*pairs, strict=True))
    return Comparison(model=model, cells=len(pairs), forecast_s=forecast_s, took_s=took_s)


def outcome(result: Result) -> float | None:
    """Return the seconds that a network has trained, been checked and been scored; None where no record says so."""
    record = result.record
    if result.planned.spec.training is None or record is None or record.status != "finished":
        return None
    if any(key not in record.timings for key in MEASURED):
        return None
    return math.fsum(record.timings[key] for key in MEASURED)


def left(results: Sequence[Result], file: ForecastFile) -> float | None:
    """Return the seconds until all cells have ended, with as many at once as in the last run; None where unknown.

    A cell's forecast counts by the share of its checks that are to come, and is corrected by what the finished cells of
    its network, or of all networks, have taken.
    """
    comparisons = compare(results, file.cells)
    by_model, total = {one.model: one.ratio for one in comparisons}, in_sum(comparisons)
    usual = total.ratio if total else 1.0
    costs = []
    for result in results:
        if result.record is not None:
            continue
        if (expected := file.cells.get(result.planned.id)) is None:
            return None
        training = result.planned.spec.training
        share = 1 - len(result.history) / training.epochs if training else 1.0
        costs.append(expected.seconds * share * by_model.get(result.planned.spec.model, usual))
    return max(math.fsum(costs) / file.at_once, *costs, 0.0) if costs else 0.0
