"""Published values beside ours, whether the two may be compared, and whether ours agree with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bench import words
from bench.config.schema import FULL_SIZE, INPUT, Published
from bench.plan.cells import Plan, PlannedCell
from bench.report import entries, format, statistics
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.entries import Footnotes
from bench.report.rows import Row
from bench.report.statistics import Interval
from bench.report.values import Entry, Grid, label, state, value

#: By how much an interval is widened, by unit. 0.05 dB: about the spread of one network's PSNR over seeds, which is not
#: in the interval; 0.001 of SSIM: what 0.05 dB is worth in the published table's rows, 0.0004 to 0.0015.
MARGINS = {"dB": 0.05, "": 0.001}
_LEAD = (
    "In brackets Student's 95 % interval of our mean of patient means, over seeds where there are several. Agrees: the "
    f"published value, give or take half of its last digit, lies in that interval widened by {MARGINS['dB']:g} dB, or "
    f"{MARGINS['']:g} of SSIM. Published values are never ranked with ours."
)


def reasons(
    plan: Plan, model: str | None = None, condition: str | None = None, table: Published | None = None
) -> tuple[str, ...]:
    """Return why our scores may not be held against published ones; empty where they may.

    Of one ``model`` and ``condition``, or of all cells; the table is that of the plan unless another is given.
    """
    table = table or plan.published
    if table is None:
        return ("there is no published table",)
    differences: list[str] = []
    if plan.source.get("kind") == "phantom":
        differences.append("a phantom's scores are never comparable")
    elif plan.source.get("collection", "") != table.collection:
        named = plan.source.get("collection") or "not named"
        differences.append(f"the collection is {named}, not {table.collection}")
    tested = sum(data.slices.get("test", 0) for data in plan.folds)
    cells = [
        cell
        for cell in plan.cells
        if model is None or (cell.condition == condition and cell.spec.model in (model, INPUT))
    ]
    for cell in cells:
        differences += _cell_reasons(cell, tested, table)
    points = dict.fromkeys(point for cell in cells for point in cell.scaled)
    differences += ["scaled: " + ", ".join(points)] if points else []
    return tuple(dict.fromkeys(differences))


def _cell_reasons(cell: PlannedCell, test: int, table: Published) -> Iterator[str]:
    if cell.size != FULL_SIZE:
        yield f"slices are {cell.size} × {cell.size}, not {FULL_SIZE} × {FULL_SIZE}"  # noqa: RUF001
    if test != table.test_slices:
        yield f"{words.count(test, 'test slice')}, not {table.test_slices}"
    training = cell.spec.training
    if training is not None and training.recipe != table.recipe:
        yield f"the recipe is {training.recipe}, not {table.recipe}"


def value_of(plan: Plan, condition: str, model: str, metric: str) -> float | None:
    """Return the value of the plan's own table that ``metric`` of this cell is held against, or None."""
    table = plan.published
    return None if table is None else _value(table, condition, model, metric)


def _value(table: Published, condition: str, model: str, metric: str) -> float | None:
    if metric not in table.metrics:
        return None
    values, place = table.values.get(condition, {}).get(model, []), table.metrics.index(metric)
    return values[place] if place < len(values) else None


def grid(board: Scoreboard) -> Grid | None:
    """Return the values of the plan's own table beside ours, or None where nothing is published."""
    table = board.plan.published
    return None if table is None else _grid(board, {"": table}, "published", "Published and reproduced")


def further(board: Scoreboard) -> Grid | None:
    """Return the values of further tables beside ours, or None where there are none."""
    return _grid(board, board.plan.further, "published-further", "Other published values")


def _grid(board: Scoreboard, tables: Mapping[str, Published], name: str, title: str) -> Grid | None:
    """Return the cells that ``tables`` have values of; folded where none of them may be compared."""
    cells = [
        _Cell(board, row, group, key, table)
        for key, table in tables.items()
        for row in board.rows
        for model, group in row.groups.items()
        if model in table.values.get(row.condition, {})
    ]
    if not cells:
        return None
    folded, foot = all(cell.reasons for cell in cells), Footnotes()
    why = dict.fromkeys("; ".join(reasons(board.plan, table=table)) for table in tables.values())
    lead = " ".join(
        f"{key or 'Published'}: {table.source} ({' / '.join(map(board.label, table.metrics))})."
        for key, table in tables.items()
    )
    named = ("Table",) if name != "published" else ()
    return Grid(
        name=name,
        title=title,
        headings=(*named, "Condition", "Network", "Ours", "Published", *(() if folded else ("Difference", "Verdict"))),
        rows=tuple(
            (*(label(cell.key) for _ in named), *cell.names(), *cell.values(), *(() if folded else cell.verdict(foot)))
            for cell in cells
        ),
        lead=lead if folded else f"{lead} {_LEAD}",
        notes=tuple(f"Ours and published may not be compared: {text}." for text in why) if folded else (),
        footnotes=tuple(foot.texts),
        texts=tuple(range(2 + len(named))) + (() if folded else (5 + len(named),)),
        folded=folded,
    )  # fmt: skip


@dataclass(frozen=True)
class _Cell:
    """One cell of a published table, ``key`` the name of its file, and ours beside it."""

    board: Scoreboard
    row: Row
    group: Group
    key: str
    table: Published

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why the two may not be compared; empty where they may."""
        return reasons(self.board.plan, self.group.model, self.row.condition, self.table)

    def names(self) -> tuple[Entry, Entry]:
        """Return condition and network."""
        return entries.condition(self.board, self.row), entries.network(self.board, self.row, self.group)

    def values(self) -> tuple[Entry, Entry]:
        """Return ours, with its interval where it may be compared, and the published value."""
        theirs = value(*(self._theirs(metric) for metric in self.table.metrics))
        if not self.group.finished:
            return state(self.group.state), theirs
        ours = value(*(self.board.text(self.group.mean(metric), metric) for metric in self.table.metrics))
        intervals = [] if self.reasons else [self._interval_text(metric) for metric in self.table.metrics]
        return replace(ours, detail=" / ".join(filter(None, intervals))), theirs

    def verdict(self, foot: Footnotes) -> tuple[Entry, Entry]:
        """Return ours minus published, and whether the two agree."""
        mismatch = "; ".join(self.reasons) or entries.mismatch(self.board, self.row)
        if not self.group.finished:
            return state(""), state("")
        if mismatch:
            return state(""), state("not comparable", foot.mark(mismatch))
        told = [self._told(metric) for metric in self.table.metrics]
        same = dict.fromkeys(text for _, text in told)
        verdict = label(" / ".join(same if len(same) == 1 else (text for _, text in told)))
        return value(*(gap for gap, _ in told)), verdict

    def _theirs(self, metric: str) -> str:
        return self.board.text(_value(self.table, self.row.condition, self.group.model, metric), metric)

    def _told(self, metric: str) -> tuple[str, str]:
        """Return difference and verdict by one metric."""
        ours, theirs = (
            self.group.mean(metric),
            _value(self.table, self.row.condition, self.group.model, metric),
        )
        if ours is None or theirs is None:
            return format.DASH, format.DASH
        definition = self.board.definition(metric)
        decimals = dict(zip(self.table.metrics, self.table.decimals, strict=False))
        half = 0.5 * 10.0 ** -int(decimals.get(metric, definition["decimals"]))
        text = verdict(
            ours, self._interval(metric), theirs, half + MARGINS.get(definition.get("unit", ""), 0.0)
        )
        return self.board.text(ours - theirs, metric, signed=True), text

    def _interval(self, metric: str) -> Interval | None:
        patients = self.group.patients(metric) if self.board.patients_known else {}
        if len(patients) < 2:
            return None
        return statistics.t_interval(np.array(list(patients.values()), np.float64))

    def _interval_text(self, metric: str) -> str:
        found = self._interval(metric)
        if found is None:
            return ""
        return f"[{self.board.text(found.low, metric)}, {self.board.text(found.high, metric)}]"


def verdict(ours: float, interval: Interval | None, theirs: float, slack: float) -> str:
    """Return whether a published value agrees: it lies in our interval or on our mean, give or take ``slack``.

    Without an interval a value that lies farther off may still be within what other patients would give.
    """
    low, high = (interval.low, interval.high) if interval is not None else (ours, ours)
    if min(low, ours) - slack <= theirs <= max(high, ours) + slack:
        return "agrees"
    return "differs" if interval is not None else "cannot say: no interval over patients"
