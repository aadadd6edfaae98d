"""Spread over patients, with its intervals, and over seeds."""

from __future__ import annotations

from dataclasses import replace

from bench import words
from bench.config.schema import INPUT
from bench.metrics import PSNR, SSIM
from bench.report import entries, statistics
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.entries import RESAMPLED
from bench.report.values import Entry, Grid, Part, state, value

_OVER_FOLDS = (
    " Patients of different folds are scored by networks trained on different, overlapping patients; how much "
    "another training set would change a network is not in the interval."
)  # Bengio, Grandvalet 2004, J. Machine Learning Research 5, 1089-1105: no unbiased estimator of that exists


def grid(board: Scoreboard) -> Grid:
    """Return mean, standard deviation and 95 % interval over the patients of each cell."""
    rows = tuple(
        (entries.condition(board, row), entries.network(board, row, group), *_cells(board, group))
        for row in board.rows
        for group in row.groups.values()
    )
    lead = (
        "Mean of patient means ± standard deviation over patients, and in brackets Student's 95 % interval of the "
        f"mean, right where patients are roughly normal. {RESAMPLED} Over seeds: standard deviation of the mean over "
        "the test slices from one training to the next, PSNR / SSIM; it is in none of the intervals."
    )
    return Grid(
        name="spread",
        title="Spread over patients and seeds",
        headings=("Condition", "Network", board.named(PSNR), board.named(SSIM), "Patients", "Over seeds"),
        rows=rows,
        lead=lead + (_OVER_FOLDS if len(board.plan.folds) > 1 else ""),
        texts=(0, 1),
    )


def _cells(board: Scoreboard, group: Group) -> tuple[Entry, ...]:
    if not group.finished:
        return state(group.state), state(""), state(""), state("")
    if not board.patients_known:
        return state("patients unknown, no spread"), state(""), state("unknown"), _over_seeds(board, group)
    cells: list[Entry] = []
    counts: dict[int, None] = {}
    for metric in (PSNR, SSIM):
        means = group.patients(metric)
        if not means:
            cells.append(state(group.why_no_mean(metric)))
            continue
        counts[len(means)] = None
        spread = statistics.spread(means, group.condition, metric)
        text = board.text(spread.mean, metric)
        if spread.sd is None:
            cells.append(Entry((Part(text),), detail="one patient, no spread"))
            continue
        text += f" ± {board.text(spread.sd, metric)}"
        cells.append(Entry((Part(text),), detail=entries.intervals(board, spread, metric)))
    count = value(" / ".join(str(count) for count in counts or (0,)))
    return (*cells, count, _over_seeds(board, group))


def _over_seeds(board: Scoreboard, group: Group) -> Entry:
    """Return the deviation of the means of the seeds, and of how many; the untreated input has no training."""
    if group.model == INPUT:
        return state("")
    if len(group.finished) < 2:
        return state("one seed")
    means = [group.means.seeds.get(metric, {}) for metric in (PSNR, SSIM)]
    deviations = [statistics.deviation(of_metric.values()) for of_metric in means]
    texts = (board.text(sd, metric) for sd, metric in zip(deviations, (PSNR, SSIM), strict=True))
    return replace(value(*texts), detail=words.count(len(group.finished), "seed"))
