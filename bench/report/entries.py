"""Printed cells that several sections share: labels of rows, states, intervals, and the footnotes they point to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bench import words
from bench.config.schema import FULL_SIZE, INPUT
from bench.ct import views
from bench.ct.noise import Noiseless
from bench.ct.units import deviation_factor
from bench.plan.acquisition import views_of
from bench.records.store import Result
from bench.report import attempts, format, identity, statistics
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.rows import Row
from bench.report.values import Entry, label, state

RESAMPLED = "From six patients on a bootstrap-t interval stands beside it, for skewed ones."


@dataclass
class Footnotes:
    """Numbered notes of one grid; equal texts share a number."""

    texts: list[str] = field(default_factory=list)

    def mark(self, text: str) -> tuple[int, ...]:
        """Return the number of ``text`` as marks; no text, no mark."""
        if not text:
            return ()
        if text not in self.texts:
            self.texts.append(text)
        return (self.texts.index(text) + 1,)


def condition(board: Scoreboard, row: Row) -> Entry:
    """Return the name of the condition of a row."""
    return label(board.condition(row))


def dose(board: Scoreboard, row: Row) -> Entry:
    """Return the name of a condition with its views and directions, its photons, and their noise at this size."""
    name = board.condition(row)
    return label(name, ", ".join(filter(None, (_views(board, row, name), _photons(row)))))


def _photons(row: Row) -> str:
    """Return the photons of a condition and what this size makes of their noise; nothing without photons."""
    cells = [result for group in row.groups.values() for result in group.results]
    if not cells:
        return ""
    dataset = cells[0].planned.spec.dataset
    if isinstance(dataset.dose.noise_model, Noiseless):
        return ""
    size = f"{dataset.size} × {dataset.size}"  # noqa: RUF001
    lowered = {r.record.effective_photons for r in cells if r.record} - {None}  # of physics version 1
    if lowered:
        return f"{format.whole(min(filter(None, lowered)))} photons per ray at {size}"
    texts = [dataset.dose.noise_model.words(format.whole)]
    if dataset.size != FULL_SIZE:
        texts.append(f"deviation × {deviation_factor(dataset.size):.3g} at {size}")  # noqa: RUF001
    return ", ".join(texts)


def _views(board: Scoreboard, row: Row, name: str) -> str:
    """Return the directions of a sparse condition, and its views unless ``name`` says them."""
    scan = views_of(board.plan)
    count = scan.sparse.get(row.condition) if scan is not None else None
    if scan is None or count is None:
        return ""
    said = re.search(rf"\b{count} views\b", name)
    return ("" if said else f"{count} views, ") + views.directions(scan.scan, count)


def network(board: Scoreboard, row: Row, group: Group) -> Entry:
    """Return the name of a network, marked where it returns its input."""
    return label(board.names[group.model], identity.mark(row, group))


def fold(result: Result) -> str:
    """Return ``fold 3 of 5``; nothing without folds."""
    data = result.planned.spec.dataset.data
    return "" if data.fold is None else f"fold {data.fold} of {data.folds}"


def across_networks(
    board: Scoreboard,
    row: Row,
    foot: Footnotes,
    draw: Callable[[Group, tuple[int, ...]], Entry],
    *,
    inputs: bool = True,
) -> tuple[Entry, ...]:
    """Return the cells of one row, a network each; states and footnotes are the same in every table.

    ``draw`` makes the cell of a model that has scores, given the marks of its footnotes. Without ``inputs`` the
    untreated input has no cell.
    """
    entries = []
    for model, group in row.groups.items():
        if model == INPUT and not inputs:
            continue
        marks = foot.mark(mismatch(board, row)) if model in row.flagged else ()
        if not group.finished:
            entries.append(replace(state(group.state), link=group.anchor if group.results else ""))
            continue
        if not group.complete:
            marks += foot.mark(_partial(group))
        for text in attempts.marks(group):
            marks += foot.mark(text)
        entry = draw(group, marks)
        entries.append(replace(entry, detail=identity.mark(row, group) or entry.detail, link=group.anchor))
    return tuple(entries)


def mismatch(board: Scoreboard, row: Row) -> str:
    """Return why a row has no winner; empty where its cells may be compared."""
    if row.comparable:
        return ""
    who = ", ".join(board.names[model] for model in row.groups if model in row.flagged)
    return f"not comparable within its row: {who} differs in {', '.join(row.reasons)}; the row has no winner"


def _partial(group: Group) -> str:
    seeds = f"mean of {len(group.finished)} of {words.count(len(group.runs), 'seed')}"
    return f"{seeds} ({group.state}); takes no part in choosing the winner"


def intervals(board: Scoreboard, spread: statistics.Spread, metric: str, *, signed: bool = False) -> str:
    """Return ``[30.13, 31.87]``, and from six patients on the bootstrap-t interval after it."""
    texts = [
        f"[{board.text(one.low, metric, signed=signed)}, {board.text(one.high, metric, signed=signed)}]"
        for one in (spread.interval, spread.resampled)
        if one is not None
    ]
    return ", bootstrap-t ".join(texts)
