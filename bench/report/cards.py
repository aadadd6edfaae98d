"""What a number of the tables leads to: the cells behind it, their patients, curve and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.config.schema import INPUT
from bench.metrics import PSNR, RMSE, SSIM
from bench.records.store import Result
from bench.report.board import Scoreboard
from bench.report.cells import Group, describe, why
from bench.report.figures.curves import anchor as curve_anchor
from bench.report.figures.curves import of_group
from bench.report.rows import Row
from bench.report.values import Card, CellFolder, Grid, label, state, value

FILES = ("record.json", "scores.csv", "history.csv", "log.txt")  # in a cell's folder, for a reader to open


def cards(board: Scoreboard) -> Iterator[Card]:
    """Yield a card for each cell of the table that is planned, condition by condition."""
    for row in board.rows:
        for group in row.groups.values():
            if group.results:
                yield _card(board, row, group)


def _card(board: Scoreboard, row: Row, group: Group) -> Card:
    means = [(metric, group.mean(metric)) for metric in (PSNR, SSIM)] if group.finished else []
    printed = " / ".join(board.text(mean, metric) for metric, mean in means)
    curve = group.model != INPUT and any(of_group(board, group))
    return Card(
        anchor=group.anchor,
        condition=board.condition(row),
        network=board.names[group.model],
        score=printed or group.state,
        curve=curve_anchor(row) if curve else "",
        folders=tuple(map(_folder, group.results)),
        patients=_patients(board, row, group),
    )


def _folder(result: Result) -> CellFolder:
    status = ": ".join(filter(None, (describe(result), why(result))))
    names = () if result.folder.names_are_masked else FILES
    files = tuple(path for path in (result.folder.folder / name for name in names) if path.exists())
    return CellFolder(result.planned.id, status, tuple(map(Path.absolute, files)))


def _patients(board: Scoreboard, row: Row, group: Group) -> Grid | None:
    """Return PSNR, SSIM and RMSE of each patient, the mean over slices and seeds; None where patients are unknown."""
    metrics = [metric for metric in (PSNR, SSIM, RMSE) if group.patients(metric)]
    if not metrics or not board.patients_known:
        return None
    values = {metric: group.patients(metric) for metric in metrics}
    counts = group.of_metric(metrics[0]).drop_duplicates(["patient", "slice"])["patient"].value_counts()
    names = sorted({patient for of_metric in values.values() for patient in of_metric})
    rows = [
        (
            label(name),
            value(str(counts.get(name, 0))),
            *(value(board.text(values[m][name], m)) if name in values[m] else state("") for m in metrics),
        )
        for name in names
    ]
    return Grid(
        name=f"{group.anchor}-patients",
        title=f"Patients of {board.names[group.model]}, {board.condition(row)}",
        headings=("Patient", "Slices", *map(board.named, metrics)),
        rows=tuple(rows),
    )
