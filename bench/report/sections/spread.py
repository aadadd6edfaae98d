"""Table 3: spread over patients, with its intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.metrics import PSNR, SSIM
from bench.plan.cells import Plan
from bench.report import format as numbers
from bench.report import identity, statistics
from bench.report.cells import Group
from bench.report.rows import Line
from bench.report.sections.scores import Definitions, definition, names, row_label_short
from bench.report.values import Entry, Grid, Part, label, state, value

_OVER_FOLDS = (
    " Patients of different folds are scored by networks trained on different, overlapping patients; how much "
    "another training set would change a network is not in the interval."
)  # Bengio, Grandvalet 2004, J. Machine Learning Research 5, 1089-1105: no unbiased estimator of that exists
RESAMPLED = "From six patients on a bootstrap-t interval stands beside it, for skewed ones."


def spread(plan: Plan, lines: Sequence[Line], known: Definitions, patients_known: bool) -> Grid:
    """Return mean, deviation and interval over patients of each cell."""
    shown, rows = names(plan), []
    for line in lines:
        for group in line.groups.values():
            rows.append(
                (
                    row_label_short(plan, line),
                    label(shown[group.model], identity.mark(line, group)),
                    *_spread_cells(group, known, patients_known),
                )
            )
    lead = (
        "Mean of patient means ± standard deviation over patients, and in brackets Student's 95 % interval of the "
        f"mean, right where patients are roughly normal. {RESAMPLED}"
    )
    lead += _OVER_FOLDS if len(plan.folds) > 1 else ""
    named = [numbers.metric_name(metric, definition(known, metric)) for metric in (PSNR, SSIM)]
    heads = ("Condition", "Network", *named, "Patients")
    return Grid("spread", "Spread over patients", heads, tuple(rows), lead, (), (), (0, 1))


def _spread_cells(group: Group, known: Definitions, patients_known: bool) -> tuple[Entry, ...]:
    if not group.finished:
        return state(group.state), state(""), state("")
    if not patients_known:
        return state("patients unknown, no spread"), state(""), state("unknown")
    cells: list[Entry] = []
    counts: dict[int, None] = {}
    for metric in (PSNR, SSIM):
        means = group.patients(metric)
        if not means:
            cells.append(state(group.without(metric)))
            continue
        counts[len(means)] = None
        found = statistics.spread(means, group.condition, metric)
        text = numbers.score(found.mean, metric, definition(known, metric))
        if found.sd is None:
            cells.append(Entry((Part(text),), detail="one patient, no spread"))
            continue
        text += f" ± {numbers.score(found.sd, metric, definition(known, metric))}"
        cells.append(Entry((Part(text),), detail=intervals(found, metric, definition(known, metric))))
    return (*cells, value(" / ".join(str(count) for count in counts or (0,))))


def intervals(
    found: statistics.Spread, metric: str, meaning: Mapping[str, Any], *, signed: bool = False
) -> str:
    """Return ``[30.13, 31.87]``, and from six patients on the bootstrap-t interval after it."""
    texts = [
        "[" + ", ".join(numbers.score(n, metric, meaning, signed=signed) for n in (one.low, one.high)) + "]"
        for one in (found.interval, found.resampled)
        if one is not None
    ]
    return ", bootstrap-t ".join(texts)
