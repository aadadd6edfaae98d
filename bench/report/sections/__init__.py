"""The tables of the report, each a function of the scoreboard; a new one is one function and one line here."""

from collections.abc import Callable

from bench.report.board import Scoreboard
from bench.report.sections import (
    clinical,
    conventions,
    cost,
    gain,
    leads,
    provenance,
    published,
    scores,
    settings,
    spread,
    ties,
    unscored,
)
from bench.report.values import Grid

Section = Callable[[Scoreboard], Grid | None]  # None: nothing to show in this run

SECTIONS: tuple[Section, ...] = (
    scores.scores,
    gain.grid,
    scores.rmse,
    scores.further,
    clinical.tissues,
    clinical.lesions,
    spread.grid,
    leads.grid,
    ties.grid,
    cost.grid,
    conventions.grid,
    conventions.table,
    published.grid,
    published.further,
)
PROVENANCE: tuple[Section, ...] = (
    settings.grid,
    provenance.environment,
    provenance.recipes,
    provenance.slices,
    provenance.cells,
    provenance.earlier,
    unscored.grid,
)
