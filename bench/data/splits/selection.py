"""The slices of each part and fold, and the CSV file that states them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from bench.config import schema
from bench.csvtext import to_csv
from bench.data.sources.catalogue import SliceRef, order
from bench.errors import BenchError
from bench.names import natural

PARTS = ("train", "validation", "test")
COLUMNS = ("part", "fold", "patient", "slice")  # of a split file
ONE_PART = "keep it in one part, or declare the split with leaky: and the reason"
SHOWN = 3  # patients in two parts that a text names
Parts = dict[str, tuple[SliceRef, ...]]


@dataclass(frozen=True)
class Selection:
    """The slices of each part, in catalogue order; ``fold`` counts from 1, None where a split has no folds."""

    parts: Parts
    fold: int | None = None

    @property
    def refs(self) -> tuple[SliceRef, ...]:
        """All slices: train, then validation, then test."""
        return tuple(ref for part in PARTS for ref in self.parts[part])

    @property
    def hash(self) -> str:
        """A digest of the (patient, slice) names, part by part."""
        return schema.digest({part: [[ref.patient, ref.name] for ref in self.parts[part]] for part in PARTS})


@dataclass(frozen=True)
class Folds:
    """What a split makes of a source: one selection, or one for each fold.

    ``leaky`` is empty for a clean split; else it says why the split is leaky and which patients it cuts.
    """

    selections: tuple[Selection, ...]
    leaky: str = ""

    @cached_property
    def refs(self) -> tuple[SliceRef, ...]:
        """The slices of all folds together, each once, in catalogue order."""
        return tuple(sorted({ref for one in self.selections for ref in one.refs}, key=order))

    @cached_property
    def text(self) -> str:
        """The split file: one row for each slice, part and fold, in an order that depends on names alone."""
        rows: list[tuple[object, ...]] = [COLUMNS]
        for one in self.selections:
            for part in PARTS:
                names = ((ref.patient, ref.name) for ref in one.parts[part])
                ordered = sorted(names, key=lambda name: (natural(name[0]), natural(name[1])))
                rows += [(part, one.fold or "", *name) for name in ordered]
        return to_csv(rows)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the split file, in hexadecimal."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()


def check_patients(parts: Parts) -> None:
    """Raise a ``BenchError`` that names a patient whose slices are in two parts."""
    for patient, where in shared(parts).items():
        raise twice(patient, *where[:2])


def shared(parts: Parts) -> dict[str, tuple[str, ...]]:
    """Return the patients that are in more than one part, each with those parts."""
    where: dict[str, dict[str, None]] = {}
    for part in PARTS:
        for ref in parts[part]:
            where.setdefault(ref.patient, {})[part] = None
    return {patient: tuple(its_parts) for patient, its_parts in where.items() if len(its_parts) > 1}


def leak(why: str, folds: Iterable[Parts]) -> str:
    """Return why a split is leaky, with the patients that it cuts."""
    cut = {patient: where for parts in folds for patient, where in shared(parts).items()}
    texts = [f"patient {patient} is in {' and '.join(where)}" for patient, where in cut.items()]
    more = [f"{len(texts) - SHOWN} further patients are in two parts"] if len(texts) > SHOWN else []
    return f"{why} ({', '.join([*texts[:SHOWN], *more])})" if texts else why


def twice(patient: str, first: str, second: str) -> BenchError:
    """Return the error of a patient in two parts."""
    message = f"patient {patient} is in {first} and in {second}"
    return BenchError(message, key=second, remedy=ONE_PART)
