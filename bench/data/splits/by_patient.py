"""Rules ``patients`` and ``shares``: patients by name, or a share of them drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bench import names, seeds
from bench.config import schema
from bench.data.sources.catalogue import Catalogue, SliceRef
from bench.data.splits.selection import PARTS, Parts, twice
from bench.errors import BenchError


def by_patient(catalogue: Catalogue, assigned: dict[str, str]) -> Parts:
    """Return the slices of each part for patients that have one; the others are left out."""
    parts: dict[str, list[SliceRef]] = {part: [] for part in PARTS}
    for ref in catalogue.refs:
        if ref.patient in assigned:
            parts[assigned[ref.patient]].append(ref)
    return {part: tuple(parts[part]) for part in PARTS}


def named(catalogue: Catalogue, split: schema.PatientSplit) -> dict[str, str]:
    """Return the part of each patient that the split names; without a list for train, the rest trains.

    Raises:
        BenchError: the source has no such patient, or it stands in two lists.
    """
    known = catalogue.patients
    assigned: dict[str, str] = {}
    for part in ("test", "validation", "train"):
        for patient in map(names.nfc, getattr(split, part) or ()):
            if patient not in known:
                raise no_patient(catalogue, patient, key=part)
            if assigned.setdefault(patient, part) != part:
                raise twice(patient, assigned[patient], part)
    if split.train is None:
        assigned |= {patient: "train" for patient in known if patient not in assigned}
    return assigned


def drawn(catalogue: Catalogue, split: schema.ShareSplit) -> dict[str, str]:
    """Draw shares of the patients; a patient's place in the draw depends on its own name and the seed.

    Raises:
        BenchError: there are fewer than three patients, or the shares leave nothing to train on.
    """
    patients = sorted(catalogue.patients, key=lambda patient: seeds.derive("split", split.seed, patient))
    count = len(patients)
    if count < len(PARTS):
        message = f"source {catalogue.source} has {count} patients; three parts need at least 3"
        raise BenchError(message, remedy="add patients")
    shares = {"test": split.test, "validation": split.validation}
    if sum(shares.values()) >= 1:
        raise BenchError(
            "the shares of test and validation leave nothing to train on", key="test", remedy="lower them"
        )
    sizes = {part: max(1, nearest(value * count)) for part, value in shares.items()}
    while sum(sizes.values()) >= count:
        sizes[max(sizes, key=lambda part: sizes[part])] -= 1
    first = sizes["test"]
    cut = first + sizes["validation"]
    return {p: "test" if i < first else "validation" if i < cut else "train" for i, p in enumerate(patients)}


def nearest(value: float) -> int:
    """Return the nearest whole number; halves go up."""
    return math.floor(value + 0.5)


def no_patient(catalogue: Catalogue, patient: str, **place: str | int | None) -> BenchError:
    """Return the error of a patient that the source does not have, with the name most like it."""
    message = f"source {catalogue.source} has no patient {patient}"
    return BenchError(message, remedy=like(patient, catalogue.patients), **place)  # type: ignore[arg-type]


def like(name: str, known: Iterable[str]) -> str | None:
    """Return which of the known names is most like ``name``, however unlike; None where there are none."""
    near = names.nearest(name, known, however_unlike=True)
    return f"the nearest is {near}" if near else None
