"""The table of a run as a value: everything the report prints, computed from plan and records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.plan.cells import Plan
from bench.records.store import Result
from bench.report import cards, choices, heading, identity, verdicts
from bench.report.board import Forecasts, Scoreboard, scoreboard
from bench.report.figures import FIGURES
from bench.report.long_form import long_form, per_slice
from bench.report.numbers import numbers
from bench.report.sections import PROVENANCE, SECTIONS, Section
from bench.report.values import Grid, Table

__all__ = ["Table", "build"]


def build(
    plan: Plan, results: Iterable[Result], others: Iterable[str] = (), forecasts: Forecasts | None = None
) -> Table:
    """Return the table of ``results``; the order in which they were read does not matter.

    ``others`` are the ids of cells on disk that the plan does not hold, ``forecasts`` what cells were expected to take.

    Raises:
        BenchError: a record, its scores or its samples are broken, or do not belong to their cell.
    """
    board = scoreboard(plan, results, others, forecasts)
    return Table(
        title="Low-dose CT denoising",
        profile=plan.profile,
        facts=tuple(heading.facts(board)),
        conventions=tuple(heading.conventions(board)),
        notices=tuple(heading.notices(board)),
        grids=tuple(_with_notes(plan, choices.with_choices(board, grid)) for grid in _grids(board, SECTIONS)),
        figures=tuple(figure for draw in FIGURES if (figure := draw(board)) is not None),
        provenance=tuple(_grids(board, PROVENANCE)),
        scores=tuple(long_form(board)),
        slices=per_slice(board),
        numbers=tuple(numbers(board)),
        credit=board.credit,
        verdict=verdicts.sentence(board),
        cards=tuple(cards.cards(board)),
    )


def _grids(board: Scoreboard, sections: Sequence[Section]) -> Iterable[Grid]:
    return (grid for section in sections if (grid := section(board)) is not None)


def _with_notes(plan: Plan, grid: Grid) -> Grid:
    """Return a table that says under itself what its reader must know: it may be copied without the page.

    That is: its split is leaky, or some of its networks return their input.
    """
    marked = any(identity.MARK in entry.detail for row in grid.rows for entry in row)
    notes = (heading.leak(plan), identity.NOTE if marked else "", *grid.notes)
    return replace(grid, notes=tuple(filter(None, notes)))
