"""Methods of other programs in the plan of a run: their cells stand in no file but their own records."""

from __future__ import annotations

from collections.abc import Iterable

from bench.config.schema import INPUT
from bench.plan.cells import Plan, PlannedCell
from bench.records.record import Record


def cell_of(name: str, untreated: PlannedCell) -> PlannedCell:
    """Return the cell of a submitted method on the slices of an untreated input.

    Its id names the method and the slices, not the outputs: another submission of that name takes its place.
    """
    spec = untreated.spec.model_copy(update={"model": name, "submitted": True})
    return PlannedCell(id=spec.id, spec=spec, scaled=untreated.scaled)


def joined(plan: Plan, records: Iterable[Record]) -> Plan:
    """Return a plan with those cells of ``records`` that were submitted to its slices, behind those of its networks.

    A method that bears the name of a network of the plan is left out: that network's cells stand in its place.
    """
    planned = without(plan)
    submitted = {record.id: record.spec.model for record in records if record.spec.submitted}
    names = sorted(set(submitted.values()) - {INPUT, *planned.models})
    inputs = [cell for cell in planned.cells if cell.spec.model == INPUT]
    every = (cell_of(name, untreated) for name in names for untreated in inputs)
    cells = [cell for cell in every if cell.id in submitted]
    models = {cell.spec.model: cell.spec.model for cell in cells}
    return planned.model_copy(
        update={"models": {**planned.models, **models}, "cells": [*planned.cells, *cells]}
    )


def without(plan: Plan) -> Plan:
    """Return a plan without its submitted cells: what its two files say."""
    names = {cell.spec.model for cell in plan.cells if cell.spec.submitted}
    return plan.model_copy(
        update={
            "models": {name: label for name, label in plan.models.items() if name not in names},
            "cells": [cell for cell in plan.cells if not cell.spec.submitted],
        }
    )
