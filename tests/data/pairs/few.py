"""A few slices of five patients, and a scan and conditions of few views, for the tests of the pair cache."""

from __future__ import annotations

from bench.config import schema
from bench.data.sources.catalogue import SliceRef
from bench.data.splits.selection import Selection

GEOMETRY = schema.Geometry(views=24)
CONDITIONS = {
    "few": schema.Condition(views=6),
    "dim": schema.Condition(photons=1e8),
    "both": schema.Condition(views=12),
}
SIZE, NOISE_SEED, COUNT = 8, 3, 20


def make_refs(count: int = COUNT) -> list[SliceRef]:
    return [SliceRef(f"P{i % 5}", f"s{i:02d}", "", i, float(i), 0.5 + 0.01 * i) for i in range(count)]


def choose(refs: list[SliceRef], train: int = 12, test: int = 4) -> Selection:
    parts = {"train": refs[:train], "validation": refs[train:-test], "test": refs[-test:]}
    return Selection({part: tuple(members) for part, members in parts.items()}, "hash")
