"""Whether a run reproduces a golden one: records against ``tests/golden/smoke.json``.

Exact facts (split, names, reference values, definitions, versions) are compared apart from mean scores, which must
lie within a band around the golden value. So a red line says what moved: data, scoring, simulation or training.
"""

from __future__ import annotations

from bench.records.golden.differences import CAUSES, Checked, Difference, check, compare, folded, told
from bench.records.golden.facts import chosen
from bench.records.golden.file import GOLDEN_SCHEMA, make, read
from bench.records.golden.pages import junit, summary

__all__ = [
    "CAUSES",
    "GOLDEN_SCHEMA",
    "Checked",
    "Difference",
    "check",
    "chosen",
    "compare",
    "folded",
    "junit",
    "make",
    "read",
    "summary",
    "told",
]
