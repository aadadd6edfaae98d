"""Scores that are no finite number: named slice by slice, and in no mean.

PSNR is infinite where an image equals its reference. Of the untreated input that is a pair without a difference:
the slice is left out for every cell of its row, for there is nothing to gain. Of a network it is left out of that
network's mean, its gain is over the other slices, and the network takes no part in choosing the winner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.config.schema import INPUT
from bench.plan.cells import Plan
from bench.report import format as numbers
from bench.report.cells import Group
from bench.report.rows import Line
from bench.report.values import Grid, label

Definitions = Mapping[str, Mapping[str, Any]]
SHOWN = 3  # slices named in a sentence; the table below the provenance names all


def row_note(line: Line, metrics: Iterable[str], known: Definitions) -> str:
    """Return which slices no cell of a row counts, and how many are left; empty where all count."""
    texts = []
    for metric in metrics:
        if left_out := sorted(line.groups[INPUT].left_out.get(metric, ())):
            of = max((len(run.scores) for group in line.groups.values() for run in group.finished), default=0)
            texts.append(
                f"{_name(metric, known)} over {of - len(left_out)} of {numbers.count(of, 'slice')}: "
                f"the untreated input's is not finite at {_listed(left_out)}"
            )
    return "; ".join(texts)


def cell_note(group: Group, metrics: Iterable[str], known: Definitions) -> str:
    """Return which slices of its own a cell does not count; empty where all count."""
    texts = []
    for metric in metrics:
        if found := group.strange(metric):
            slices = sorted({(one.patient, one.slice) for one in found})
            of = max(len(run.scores) for run in group.finished)
            of_all = f"{of - len(slices)} of {numbers.count(of, 'slice')}"
            texts.append(f"{_name(metric, known)} over {of_all}: not finite at {_listed(slices)}")
    return "; ".join([*texts, "takes no part in choosing the winner"]) if texts else ""


def notices(
    plan: Plan, lines: Sequence[Line], known: Definitions, shown: Mapping[str, str]
) -> tuple[str, ...]:
    """Return a sentence for each row, and for each cell, with a score that is no finite number.

    ``shown`` are the printed names of the networks.
    """
    found = []
    for line in lines:
        where = plan.conditions[line.condition] or line.condition
        if text := row_note(line, known, known):
            found.append(f"{where}: {text}. These slices are in no mean, gain or claim of the row.")
        for model, group in line.groups.items():
            if text := cell_note(group, known, known):
                found.append(f"{where}, {shown[model]}: {text}.")
    return tuple(found)


def grid(plan: Plan, lines: Sequence[Line], known: Definitions, shown: Mapping[str, str]) -> Grid | None:
    """Return every score that is no finite number, or None where all are finite."""
    rows = []
    for line in lines:
        first = label(plan.conditions[line.condition] or line.condition)
        for model, group in line.groups.items():
            for metric in known:
                every = Group(group.condition, group.model, group.results).strange(metric)
                for one in every:
                    name = (label(f"{one.patient}/{one.slice}"), label(str(one.value)))
                    rows.append(
                        (first, label(shown[model]), label(str(one.seed)), label(_name(metric, known)), *name)
                    )
    heads = ("Condition", "Network", "Seed", "Metric", "Slice", "Value")
    lead = "In no mean above. An infinite PSNR: the image equals its reference."
    title = "Scores that are no finite number"
    return Grid("unscored", title, heads, tuple(rows), lead, (), (), (0, 1, 2, 3, 4, 5)) if rows else None


def _name(metric: str, known: Definitions) -> str:
    return numbers.metric_label(metric, known.get(metric, {}))


def _listed(slices: Sequence[tuple[str, str]]) -> str:
    names = [f"{patient}/{name}" for patient, name in slices]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
