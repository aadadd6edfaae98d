"""The table as one self-contained HTML page: styles, images and curves inline, no script, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.config.schema import INPUT
from bench.metrics import PSNR, SSIM
from bench.plan.cells import Plan
from bench.records.store import Result
from bench.report import cells as groups
from bench.report import format as numbers
from bench.report import rows as gather
from bench.report import statistics
from bench.report.cells import Group
from bench.report.render import figures, svg
from bench.report.rows import Line
from bench.report.sections import scores
from bench.report.values import Table

if TYPE_CHECKING:
    import jinja2

MOST_SAMPLES = 3
MOST_PIXELS = 40_000_000  # of all images on the page together
CRISP_BELOW = 300  # pixels a side: smaller slices are enlarged without smoothing

Samples = tuple[list[str], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Panel:
    """One image and what stands under it; ``images`` and ``differences`` are data URIs by window."""

    name: str
    text: str
    images: Mapping[str, str]
    differences: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """One slice of one condition: input, networks, reference."""

    number: int
    name: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Chart:
    """The training curves of one condition."""

    condition: str
    svg: str
    text: str


def render(plan: Plan, results: Sequence[Result], table: Table) -> str:
    """Return the page. Slices of a restricted source are left out, and the page says so.

    Raises:
        BenchError: a file of samples is broken.
    """
    lines = gather.lines(plan, results)
    restricted = bool(plan.source.get("restricted"))
    shown = [] if restricted else [(_name(plan, line), _samples(plan, line, len(lines))) for line in lines]
    samples = [(name, found) for name, found in shown if found]
    sides = [cell.spec.dataset.size for cell in plan.cells]
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            table=table,
            samples=samples,
            slices=range(1, 1 + max((len(found) for _, found in samples), default=0)),
            folds=len(plan.folds),
            windows=figures.WINDOWS,
            restricted=restricted,
            credit=_credit(plan),
            crisp=bool(sides) and max(sides) < CRISP_BELOW,
            charts=[chart for line in lines if (chart := _chart(plan, line)) is not None],
            legend=[(text or name, svg.colour(at)) for at, (name, text) in enumerate(plan.models.items())],
        )
    )


def environment(*packages: str) -> jinja2.Environment:
    """Return where templates are found: in the folders ``templates`` of ``packages``, then in that of this package."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in (*packages, "bench.report")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _name(plan: Plan, line: Line) -> str:
    return plan.conditions[line.condition] or line.condition


def _credit(plan: Plan) -> str:
    parts = [str(plan.source.get(key) or "") for key in ("title", "citation", "licence")]
    title, citation, licence = parts
    return (
        ". ".join(text.rstrip(".") for text in (title, citation, licence and f"Licence: {licence}") if text)
        + "."
    )


def _samples(plan: Plan, line: Line, conditions: int) -> list[Sample]:
    read = {model: _read(group) for model, group in line.groups.items()}
    known: Samples | None = next((found for found in read.values() if found is not None), None)
    if known is None:
        return []
    names, images = known
    pixels = 2 * (2 * len(read) + 1) * conditions * images["reference"][0].size
    most = min(MOST_SAMPLES, max(1, MOST_PIXELS // pixels))
    return [
        Sample(at + 1, name, _panels(plan, line, read, at, name, images))
        for at, name in enumerate(names[:most])
    ]


def _read(group: Group) -> Samples | None:
    return group.finished[0].results[0].folder.read_samples() if group.finished else None


def _panels(
    plan: Plan,
    line: Line,
    read: Mapping[str, Samples | None],
    at: int,
    name: str,
    images: Mapping[str, np.ndarray],
) -> tuple[Panel, ...]:
    reference, shown, panels = images["reference"][at], scores.names(plan), []
    for model, group in line.groups.items():
        found = read[model]
        if model == INPUT:
            output = images["input"][at]
        elif found is not None and name in found[0]:
            output = found[1]["output"][found[0].index(name)]
        else:
            panels.append(Panel(shown[model], group.state or "no sample", {}, {}))
            continue
        panels.append(
            Panel(
                "Input" if model == INPUT else shown[model],
                _slice_scores(group, name),
                {w.key: figures.slice_png(output, w) for w in figures.WINDOWS},
                {w.key: figures.difference_png(output, reference, w) for w in figures.WINDOWS},
            )
        )
    whole = {w.key: figures.slice_png(reference, w) for w in figures.WINDOWS}
    return (*panels, Panel("Reference", "normal dose", whole, {}))


def _slice_scores(group: Group, name: str) -> str:
    for row in group.finished[0].scores if group.finished else ():
        if name in (f"{row['patient']}/{row['slice']}", row["slice"]):
            known = [metric for metric in (PSNR, SSIM) if metric in row]
            return " / ".join(numbers.score(float(row[m]), m, scores.definition({}, m)) for m in known)
    return ""


def _chart(plan: Plan, line: Line) -> Chart | None:
    found: list[figures.Curve] = []
    levels: list[float] = []
    ended: list[str] = []
    for at, model in enumerate(plan.models):
        for result in line.groups[model].results:
            rows = [row for row in result.history if "epoch" in row and "psnr" in row]
            if not rows:
                continue
            stopped = result.record is not None and result.record.status != "finished"
            epochs, psnr = (tuple(float(row[key]) for row in rows) for key in ("epoch", "psnr"))
            found.append(figures.Curve(epochs, psnr, at, stopped))
            levels += [float(row["psnr_input"]) for row in rows[:1] if "psnr_input" in row]
            fold = scores.fold_label(result)
            name = " ".join(word for word in (plan.models[model] or model, fold) if word)
            ended += [f"{name} {groups.describe(result)}"] if stopped else []
    if not found:
        return None
    drawing = figures.curves_svg(line.condition, found, statistics.mean(levels) if levels else None)
    return Chart(_name(plan, line), drawing, "; ".join(ended))
