"""Whether a run reproduces a golden one: records against ``tests/golden/smoke.json``.

Exact facts (split, names, reference values, definitions, versions) are compared apart from mean scores, which must
lie within a band around the golden value. So a red line says what moved: data, scoring, simulation or training.
"""

from __future__ import annotations

from bench.records.golden.differences import CAUSES, Difference, compare, told
from bench.records.golden.file import GOLDEN_SCHEMA, make, read

__all__ = ["CAUSES", "GOLDEN_SCHEMA", "Difference", "compare", "make", "read", "told"]
