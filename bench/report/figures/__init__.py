"""The figures of the page, each a function of the scoreboard; a new one is one function and one line here."""

from collections.abc import Callable

from bench.report.board import Scoreboard
from bench.report.figures import cost, curves, dose, patients, spectra, viewer
from bench.report.values import Figure

FIGURES: tuple[Callable[[Scoreboard], Figure | None], ...] = (
    patients.figure,
    viewer.figure,
    dose.figure,
    cost.figure,
    curves.figure,
    spectra.figure,
)  # None: nothing to show
