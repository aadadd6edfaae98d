"""Which network wins a row of the table, and what each adds to the untreated input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.config.schema import INPUT
from bench.report import format
from bench.report.cells import Group
from bench.report.rows import Row
from bench.report.slices import slice_names


def ranking(row: Row, metric: str, definition: Mapping[str, Any]) -> list[str]:
    """Return the networks that may win, best unrounded mean first; empty where cells are not comparable."""
    if not row.comparable or definition.get("direction") == "none":
        return []
    means = {
        model: group.mean(metric)
        for model, group in row.groups.items()
        if model != INPUT and group.complete and not group.not_finite(metric)
    }
    usable = {model: mean for model, mean in means.items() if mean is not None}
    return sorted(usable, key=lambda model: -sign(definition) * usable[model])


def sign(definition: Mapping[str, Any]) -> float:
    """Return 1.0 where higher is better, -1.0 where lower is."""
    return 1.0 if definition.get("direction", "higher") == "higher" else -1.0


def winners(row: Row, metric: str, definition: Mapping[str, Any]) -> frozenset[str]:
    """Return the winner of a row and all that print the same value; none where a network ran alone."""
    ranked = ranking(row, metric, definition)
    if len(ranked) < 2:
        return frozenset()
    printed = {m: format.score(row.groups[m].mean(metric) or 0.0, metric, definition) for m in ranked}
    return frozenset(model for model in ranked if printed[model] == printed[ranked[0]])


def gain(row: Row, group: Group, metric: str) -> float | None:
    """Return what a network adds to the untreated input, over the slices that both have a finite score of."""
    if group.model == INPUT or not row.comparable:
        return None
    not_finite = slice_names(group.not_finite(metric))
    mean, untreated = (one.mean(metric, not_finite) for one in (group, row.groups[INPUT]))
    return None if mean is None or untreated is None else mean - untreated
