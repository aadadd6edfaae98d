"""Patients and slices under other names, for a report that leaves the house: masked where results enter the report.

``masked`` stands between reading and the scoreboard, so nothing behind it ever sees a true name. Patients are
``patient 1``, ``patient 2`` ... and the slices of each ``slice 1`` ..., numbered in the order of their true names over
all parts of the split, so that a mask is the same in every report of a run. Numbers are padded with zeros: masks sort
as the names do, and no draw or order changes. Why a cell failed may name anything: it stands with masks for the names,
and not at all where it holds a path. What a person wrote into the YAML files (title, description, labels) stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from bench import csvtext
from bench.plan.cells import Plan
from bench.records.record import Record
from bench.records.store import CellStore, Lesions, Result, Row, RunStore, Samples

WITHHELD = "withheld, as it names a file: see the log of the cell"
_PATH = re.compile(r"[/\\]|\.[^\W\d_]\w{1,3}\b")
Name = tuple[str, str]  # patient, slice


@dataclass(frozen=True)
class Mask:
    """The masks of all patients and slices of a run, by their true names."""

    patients: Mapping[str, str]
    slices: Mapping[Name, str]

    def row(self, row: Row) -> dict[str, str | float]:
        """Return a row of scores with the masks of its patient and slice."""
        name = (str(row["patient"]), str(row["slice"]))
        return {**row, "patient": self.patients[name[0]], "slice": self.slices[name]}

    def sample(self, name: str) -> str:
        """Return the mask of ``PATIENT/SLICE``, or of a slice that is named alone."""
        return self._samples.get(name, "a slice")

    def text(self, text: str) -> str:
        """Return a text with a mask for each name in it; a name within a longer word or number is none."""
        return self._names.sub(lambda match: self._words[match.group()], text) if text else text

    @cached_property
    def _samples(self) -> dict[str, str]:
        alone: dict[str, str] = {}
        for (_, name), mask in self.slices.items():
            alone[name] = "a slice" if name in alone else mask
        return alone | {
            f"{p}/{name}": f"{self.patients[p]}/{mask}" for (p, name), mask in self.slices.items()
        }

    @cached_property
    def _words(self) -> dict[str, str]:
        pairs = {name: mask.replace("/", ", ") for name, mask in self._samples.items()}
        return {name: mask for name, mask in {**pairs, **self.patients}.items() if name}

    @cached_property
    def _names(self) -> re.Pattern[str]:
        longest_first = sorted(self._words, key=len, reverse=True)
        return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})(?![^\W_])")


def masked(run: RunStore, plan: Plan, results: Sequence[Result]) -> tuple[Plan, list[Result]]:
    """Return plan and results without a true name of a patient or slice.

    Raises:
        BenchError: ``split.csv`` cannot be read.
    """
    mask = mask_of(
        {*_of_split(run), *((str(r["patient"]), str(r["slice"])) for one in results for r in one.scores)}
    )
    texts = {"leaky": mask.text(plan.leaky)}
    return plan.model_copy(update=texts), [_result(result, mask) for result in results]


def mask_of(names: Iterable[Name]) -> Mask:
    """Return the masks of these patients and slices; a patient without a name keeps none."""
    slices: dict[str, list[str]] = {}
    for patient, name in sorted(set(names)):
        slices.setdefault(patient, []).append(name)
    patients = _numbered("patient", filter(None, slices))
    each = {
        (patient, name): mask
        for patient, theirs in slices.items()
        for name, mask in _numbered("slice", theirs).items()
    }
    return Mask({"": "", **patients}, each)


def _numbered(noun: str, names: Iterable[str]) -> dict[str, str]:
    ordered = list(names)
    digits = len(str(len(ordered)))
    return {name: f"{noun} {number:0{digits}}" for number, name in enumerate(ordered, 1)}


def _of_split(run: RunStore) -> set[Name]:
    """Return the patients and slices of all parts of the split; none of a run before ``split.csv``."""
    file = run.root / "split.csv"
    if not file.exists():
        return set()
    lines = csvtext.read(file).lines
    return {(values["patient"], values["slice"]) for values in (line.values for line in lines)}


def _result(result: Result, mask: Mask) -> Result:
    return replace(
        result,
        record=_record(result.record, mask) if result.record is not None else None,
        scores=[mask.row(row) for row in result.scores],
        folder=MaskedStore(result.folder.folder, mask),
    )


def _record(record: Record, mask: Mask) -> Record:
    attempts = tuple(
        one.model_copy(update={"message": _message(one.message, mask)}) for one in record.attempts
    )
    return record.model_copy(update={"attempts": attempts, "leaky": mask.text(record.leaky)})


def _message(message: str, mask: Mask) -> str:
    text = mask.text(message)
    return WITHHELD if _PATH.search(text) else text


@dataclass(frozen=True)
class MaskedStore(CellStore):
    """The folder of a cell whose scores and samples are read under masks."""

    names_are_masked: ClassVar[bool] = True

    mask: Mask

    def read_record(self) -> Record | None:
        """Return the record, its texts under masks."""
        record = super().read_record()
        return None if record is None else _record(record, self.mask)

    def read_scores(self, of: Record | None = None) -> list[dict[str, str | float]]:
        """Return the rows of ``scores.csv`` under masks."""
        return [self.mask.row(row) for row in super().read_scores(of)]

    def read_samples(self, keys: Iterable[str] | None = None) -> Samples | None:
        """Return the images, and under masks their slices and the slices' lesions."""
        samples = super().read_samples(keys)
        if samples is None:
            return None
        lesions: list[Lesions] = [[self.mask.row(lesion) for lesion in one] for one in samples.lesions]
        return Samples([self.mask.sample(name) for name in samples.names], samples.images, lesions)
