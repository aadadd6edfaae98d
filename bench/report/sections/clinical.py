"""Errors by tissue, and what is left of known lesions and of the noise; anatomies are never averaged together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.metrics import METRICS
from bench.metrics.segmentation import CHEST, NO_LUNG
from bench.metrics.tissues import NAMES, REGIONS
from bench.report import clinical, entries, format
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.clinical import BIAS_LIMIT, CONTRAST_LIMIT
from bench.report.entries import Footnotes
from bench.report.rows import Row
from bench.report.values import Entry, Grid, label, state, value

_MASKS = (
    "Tissues by CT number of the reference: body above -500 HU without the couch, lung below -500 HU inside it, soft "
    "tissue -190 to 150 HU, bone from 200 HU. A tissue that fills under 1 % of the body has no value in that slice."
)


def tissues(board: Scoreboard) -> Grid | None:
    """Return RMSE and bias of each tissue, in slices with lung and in those without; None where there are none."""
    foot, rows = Footnotes(), []
    for region in (CHEST, NO_LUNG):
        for tissue in REGIONS[region]:
            names = (label(NAMES[region]), label(NAMES.get(tissue, tissue)))
            pair = (f"rmse.{region}.{tissue}", f"bias.{region}.{tissue}")
            rows += [(*names, *cells) for cells in _rows(board, pair, foot)]
    if not rows:
        return None
    return Grid(
        name="tissues",
        title="Error by tissue",
        headings=("Anatomy", "Tissue", "Condition", *board.names.values()),
        rows=tuple(rows),
        lead="RMSE in HU / bias in HU (mean of output less reference), means over the test slices of one anatomy: over "
        "both, opposite biases would cancel.",
        notes=(
            _MASKS,
            f"Marked: a bias of lung or soft tissue beyond {BIAS_LIMIT:g} HU and beyond the input's.",
        ),
        footnotes=tuple(foot.texts),
        texts=(0, 1, 2),
        folded=True,  # seven lines a condition
    )


def lesions(board: Scoreboard) -> Grid | None:
    """Return the contrast and edges of known lesions and the noise that is left; None where no cell has them."""
    foot, rows = Footnotes(), []
    chosen = [name for name, metric in METRICS.items() if metric.table == "lesions"]
    for metric in chosen:
        rows += [(label(board.label(metric)), *cells) for cells in _rows(board, (metric,), foot)]
    if not rows:
        return None
    return Grid(
        name="lesions",
        title="Known lesions and noise left",
        headings=("What", "Condition", *board.names.values()),
        rows=tuple(rows),
        lead="Noise left: deviation of output less reference over that of input less reference, in soft tissue. "
        "Contrast and edge width of known lesions: over those in the reference, 1 is right. Means over test slices.",
        notes=(
            f"Marked: a contrast below {CONTRAST_LIMIT:g} and below the input's. An edge is measured where a third of "
            "the contrast is left, so its mean may be of fewer lesions than the input's.",
        ),
        footnotes=tuple(foot.texts),
        texts=(0, 1),
    )


def _rows(board: Scoreboard, metrics: Sequence[str], foot: Footnotes) -> Iterator[tuple[Entry, ...]]:
    """Yield condition and cells of each row in which a cell has one of ``metrics``."""
    for row in board.rows:
        if all(group.mean(metric) is None for group in row.groups.values() for metric in metrics):
            continue

        def draw(group: Group, marks: tuple[int, ...], row: Row = row) -> Entry:
            means = [group.mean(metric) for metric in metrics]
            if means[0] is None:
                return state(format.DASH, marks)
            texts = clinical.flags(board, row, group)
            for metric in metrics:
                marks += foot.mark(texts.get(metric, ""))
            return value(
                *(
                    board.text(mean, metric, signed=metric.startswith("bias."))
                    for mean, metric in zip(means, metrics, strict=True)
                ),
                marks=marks,
            )

        yield (entries.condition(board, row), *entries.across_networks(board, row, foot, draw))
