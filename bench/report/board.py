"""What every section of the report is drawn from: the plan and its records as the rows of one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from bench.config.schema import INPUT
from bench.plan.cells import Plan
from bench.plan.forecast import CellForecast
from bench.records.store import Result
from bench.report import claims, format, rows, winners
from bench.report.claims import Claims
from bench.report.rows import Definitions, Row
from bench.report.slices import slice_scores

INPUT_LABEL = "Input (untreated)"
Forecasts = Mapping[str, CellForecast]


@dataclass(frozen=True, eq=False)
class Scoreboard:
    """The rows of the table and what is known of all of them; sections and figures take nothing else.

    ``scores`` holds one row for each cell, slice and metric (``slices.slice_scores``); ``metrics`` the definition of
    each metric that a record has; ``earlier`` the ids of cells on disk that are not of this plan; ``forecasts`` the
    time that cells were expected to take, by id.
    """

    plan: Plan
    rows: tuple[Row, ...]
    scores: pd.DataFrame
    metrics: Definitions
    patients_known: bool
    claims: Claims
    earlier: tuple[str, ...]
    forecasts: Forecasts

    @cached_property
    def names(self) -> dict[str, str]:
        """The printed name of the input and of each network."""
        return {INPUT: INPUT_LABEL, **{model: text or model for model, text in self.plan.models.items()}}

    @property
    def credit(self) -> str:
        """Title, citation and licence of the source."""
        title, citation, licence = (
            str(self.plan.source.get(key) or "") for key in ("title", "citation", "licence")
        )
        texts = (title, citation, licence and f"Licence: {licence}")
        return ". ".join(text.rstrip(".") for text in texts if text) + "."

    def condition(self, row: Row) -> str:
        """Return the printed name of the condition of a row."""
        return self.plan.conditions[row.condition] or row.condition

    def results(self) -> tuple[Result, ...]:
        """Return all cells, row by row: those of the input first, then model by model."""
        return tuple(result for row in self.rows for group in row.groups.values() for result in group.results)

    def definition(self, metric: str) -> Mapping[str, Any]:
        """Return unit, range, direction and version of a metric."""
        return rows.definition(self.metrics, metric)

    def named(self, metric: str) -> str:
        """Return the short name of a metric with its unit: ``PSNR (dB)``."""
        return format.metric_name(metric, self.definition(metric))

    def label(self, metric: str) -> str:
        """Return the short name of a metric: ``PSNR``."""
        return format.metric_label(metric, self.definition(metric))

    def text(self, number: float | None, metric: str, *, signed: bool = False) -> str:
        """Return a score as it is printed: ``33.28``, ``.8858``, or with its sign; a dash for None."""
        if number is None:
            return format.DASH
        return format.score(number, metric, self.definition(metric), signed=signed)

    def winners(self, row: Row, metric: str) -> frozenset[str]:
        """Return the winner of a row and all that print the same value; none where a network ran alone."""
        return winners.winners(row, metric, self.definition(metric))


def scoreboard(
    plan: Plan, results: Iterable[Result], others: Iterable[str] = (), forecasts: Forecasts | None = None
) -> Scoreboard:
    """Return the scoreboard of ``results``; the order in which they were read does not matter.

    ``others`` are the ids of cells on disk that the plan does not hold.

    Raises:
        BenchError: a record or its scores do not belong to their cell.
    """
    results = list(results)
    scores = slice_scores(results)
    table, metrics = rows.table_rows(plan, results, scores), rows.definitions(results)
    patients_known = all(cell.spec.dataset.data.patients_known for cell in plan.cells)
    hindrance = "the split is leaky" if plan.leaky else ""
    return Scoreboard(
        plan=plan,
        rows=table,
        scores=scores,
        metrics=metrics,
        patients_known=patients_known,
        claims=claims.claims(table, metrics, hindrance if patients_known else "the patients are unknown"),
        earlier=tuple(sorted(others)),
        forecasts=forecasts or {},
    )
