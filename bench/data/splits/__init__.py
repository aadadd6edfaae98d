"""Which slices train, choose the best epoch and are scored: one file for each rule that a split may follow.

``choose`` turns a split of ``datasets.yaml`` into ``Folds``: one selection of slices, or one for each fold. No
patient is in two parts of a selection, unless the split is declared as leaky.
"""

from __future__ import annotations

from bench.data.splits.assign import choose, identities
from bench.data.splits.kfold import cohort
from bench.data.splits.selection import PARTS, Folds, Parts, Selection, check_patients
from bench.data.splits.thinning import thin

__all__ = [
    "PARTS",
    "Folds",
    "Parts",
    "Selection",
    "check_patients",
    "choose",
    "cohort",
    "identities",
    "thin",
]
