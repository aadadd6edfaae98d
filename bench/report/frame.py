"""The scores of every slice as a pandas data frame, and the score table of whatever of its rows is kept."""

from __future__ import annotations

import pandas as pd

from bench.errors import BenchError
from bench.metrics import PSNR
from bench.names import suggestion
from bench.records.store import TEXT_COLUMNS, RunStore
from bench.report.long_form import slice_table
from bench.report.rows import definitions, table_rows
from bench.report.slices import counted, means, slice_scores

PLACE = ("profile", "condition", "model", "seed", "fold", *TEXT_COLUMNS)


class Results(pd.DataFrame):
    """One row for each finished cell and test slice, the columns those of ``slices.csv``; filter it as any data frame.

    Columns: profile, condition, model (``input``: untreated), seed, fold (missing without folds), patient, slice, and
    each metric by its id, missing where a slice has no value of it.
    """

    @property
    def _constructor(self) -> type[Results]:
        return Results

    def table(self, metric: str = PSNR) -> pd.DataFrame:
        """Return the mean of a metric over slices, then over seeds: a row for each condition, a column for each model.

        As in the report, a score that is no finite number is left out, and so is a slice on which the input has none;
        a seed counts once all folds of its condition that have rows here have it.

        Raises:
            BenchError: no column is of this metric.
        """
        known = [name for name in self.columns if name not in PLACE]
        if metric not in known:
            raise BenchError(f"no metric {metric!r}", remedy=suggestion(metric, known))
        frame = pd.DataFrame(self)
        folds = frame["fold"].fillna(0).astype(int)
        frame = frame.assign(fold=folds, metric=metric, value=frame[metric].astype(float))
        frame = counted(frame[frame["value"].notna()])
        own = frame.groupby(["condition", "model", "seed"])["fold"].transform("nunique")
        complete = own == frame.groupby("condition")["fold"].transform("nunique")
        by_seed = means(frame[complete], "condition", "model", "seed")
        table = by_seed.groupby(level=["condition", "model"]).mean().unstack("model")
        return table.reindex(index=self["condition"].unique(), columns=self["model"].unique())


def frame(run: RunStore) -> Results:
    """Return the scores of all finished cells of a run, in the order of its tables.

    Raises:
        BenchError: there is no run, or a record or its scores are broken or do not belong to their cell.
    """
    plan = run.read_plan()
    results = run.read_all(plan)
    rows = table_rows(plan, results, slice_scores(results))
    ordered = [result for row in rows for group in row.groups.values() for result in group.results]
    table = slice_table(plan.profile, ordered, definitions(results))
    scores = {name: float for name in table.columns if name not in PLACE}
    own: Results = Results(list(table.rows), columns=list(table.columns)).astype({"fold": "Int64", **scores})
    return own
