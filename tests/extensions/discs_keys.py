"""The keys of a kind of source in ``datasets.yaml``; ``discs.py`` reads it."""

from __future__ import annotations

from typing import ClassVar, Literal

from bench.config.schema.base import Positive
from bench.config.schema.source import Source


class Discs(Source):
    """Discs of soft tissue in water."""

    reader: ClassVar[str] = "discs:DrawnDiscs"
    kind: Literal["discs"]
    patients: Positive
    slices: Positive
