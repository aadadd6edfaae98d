"""Tables and figures of a run: a pure function of its plan and records, no backend needed.

``publish`` makes ``results.md``, ``.html``, ``.csv`` and ``.tex``, ``slices.csv``, ``numbers.tex``, and single tables
and figures in ``tex/`` and ``figures/``. Drawing libraries are imported when something is drawn, so importing this
package stays cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.records.store import Result, RunStore

if TYPE_CHECKING:
    from bench.plan.cells import Plan
    from bench.report.values import Table


@dataclass(frozen=True)
class Report:
    """What a report was made of, its table, and the files that were written."""

    plan: Plan
    results: Sequence[Result]
    table: Table
    paths: Sequence[Path]

    @property
    def page(self) -> Path:
        """The page among the files."""
        return next(path for path in self.paths if path.suffix == ".html")

    @property
    def scores(self) -> tuple[tuple[str, ...], ...]:
        """The rows of the score table as words, headings first; an asterisk stands at the best of a row and metric."""
        from bench.report.render import plain

        return plain.rows(next(grid for grid in self.table.grids if grid.name == "scores"))


def publish(run: RunStore, reports: Path, mask_patients: bool = False) -> Report:
    """Write the report of ``run`` into the folder ``reports``, masked where asked, and return what it holds.

    Raises:
        BenchError: there is no plan, or a plan, record or table of scores is broken.
    """
    from bench.records import forecasts
    from bench.report import files, masks, table

    plan = run.read_plan()
    results = run.read_all(plan)
    if mask_patients:
        plan, results = masks.masked(run, plan, results)
    made = table.build(plan, results, run.others(plan), forecasts.read(run.root).cells)
    return Report(plan, results, made, files.write(made, reports))
