"""The leaks between the parts of a split, from the slices and their descriptors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.sources.catalogue import UNKNOWN
from bench.leaks import alterations, decide
from bench.leaks.align import lay
from bench.leaks.compare import Comparison, compare
from bench.leaks.descriptors import Descriptors
from bench.leaks.registration import Pose

LEAK_VERSION = 2  # raise it with every change that may find more or less
IN_PLACE = 0.02  # by how much another pose must be better than none to be the pose of a pair

Name = tuple[str, str]  # patient, slice
Parts = Mapping[str, Sequence[int]]  # part -> rows of the images


@dataclass(frozen=True)
class Spot:
    """One slice of a leak: the part it is in, whose it is, what it is called."""

    part: str
    patient: str
    slice: str

    def words(self, files: Mapping[Name, str]) -> str:
        """Return the slice as a person is told of it."""
        file = files.get((self.patient, self.slice))
        return f"slice {self.slice} of patient {self.patient} ({', '.join(filter(None, (self.part, file)))})"


@dataclass(frozen=True)
class Leak:
    """Two slices in different parts that are one, or neighbours; ``score`` is their correlation in [0, 1]."""

    kind: str
    score: float
    first: Spot
    second: Spot

    def __str__(self) -> str:
        return self.sentence({})

    def sentence(self, files: Mapping[Name, str]) -> str:
        """Return the leak in one sentence, with the file of each slice where ``files`` names it."""
        one, two = self.first, self.second
        if self.kind == alterations.SAME_PATIENT:
            return f"patient {one.patient} is in {one.part} and in {two.part}"
        how = (
            "looks like a neighbour of"
            if self.kind == alterations.NEIGHBOUR
            else f"is a copy ({self.kind}) of"
        )
        return f"{one.words(files)} {how} {two.words(files)}, correlation {self.score:.2f}"


def search(
    images: Any, descriptors: Descriptors, names: Sequence[Name], folds: Sequence[Parts], *, threads: int = 1
) -> list[Leak]:
    """Return the leaks between the parts of each fold, the worst first; at most one for each slice.

    Args:
        images: Array-like (N, n, n), mu in 1/cm; may be memory-mapped.
        descriptors: Of all images.
        names: (patient, slice) of each row. Slices of one patient are not compared: a patient in two parts is
            a leak by its name. The patient ``unknown`` is nobody: its slices are compared with each other.
        folds: For each fold the rows of each part; the folds of a split are told apart.
        threads: How many slices are worked on at once.
    """
    labels, part_names = _labels(len(names), folds)
    patients = sorted({patient for patient, _ in names if patient != UNKNOWN})
    number = {patient: i for i, patient in enumerate(patients)} | {UNKNOWN: -1}
    groups = np.array([number[patient] for patient, _ in names], np.int64)
    leaks = _by_name(names, folds)
    if (labels >= 0).any():
        for row, column, score, pose in _pairs(
            descriptors, compare(descriptors, labels, groups), groups, threads
        ):
            first, second = _spots(labels, part_names, names, row, column)
            kind = alterations.alteration(np.asarray(images[row]), np.asarray(images[column]), pose)
            leaks.append(Leak(kind, score, first, second))
    return leaks


def _pairs(
    descriptors: Descriptors, comparison: Comparison, groups: npt.NDArray[np.int64], threads: int
) -> list[tuple[int, int, float, Pose]]:
    """Return (row, column, score, pose) of what leaks, the most alike first, one for each audited row."""
    laid = lay(descriptors, comparison, decide.MOVED, threads=threads)
    owners = groups[comparison.rows]
    placed = decide.leaks(
        comparison.placed.score, comparison.others[0].score, owners, decide.SAME_PLACE, decide.OUTLIER
    )
    moved = decide.leaks(laid.score, laid.usual, owners, decide.MOVED, decide.MOVED_OUTLIER)
    moved &= decide.leaks(laid.score, comparison.others[0].score, owners, decide.MOVED, decide.MOVED_OUTLIER)
    sure = (laid.score >= decide.SURE) & (comparison.posed.score >= decide.SURE_SPECTRUM)
    leaks = []
    for at, row in enumerate(comparison.rows[: comparison.audited]):
        best = [
            (pose.score, int(comparison.posed.column[at, group]), pose)
            for group, pose in laid.poses[at].items()
            if (moved[at, group] and pose.score >= decide.MOVED) or sure[at, group]
        ]
        for group in np.flatnonzero(placed[at]):
            score = float(comparison.placed.score[at, group])
            best.append((score + IN_PLACE, int(comparison.placed.column[at, group]), Pose(score)))
        if best:
            _, column, pose = max(best, key=lambda one: one[0])
            leaks.append((int(row), column, min(1.0, pose.score), pose))
    each = {frozenset(leak[:2]): leak for leak in reversed(leaks)}  # two audited slices may name each other
    return sorted(each.values(), key=lambda leak: -leak[2])


def _labels(count: int, folds: Sequence[Parts]) -> tuple[npt.NDArray[np.int8], list[str]]:
    """Return the part of each row in each fold, (N, F), -1 where it is in none, and the names of the parts."""
    part_names = list(dict.fromkeys(part for fold in folds for part in fold))
    labels = np.full((count, max(1, len(folds))), -1, np.int8)
    for number, fold in enumerate(folds):
        for part, rows in fold.items():
            labels[np.asarray(rows, np.int64), number] = part_names.index(part)
    return labels, part_names


def _spots(
    labels: npt.NDArray[np.int8], part_names: Sequence[str], names: Sequence[Name], row: int, column: int
) -> tuple[Spot, Spot]:
    used = (labels[row] >= 0) & (labels[column] >= 0) & (labels[row] != labels[column])
    fold = int(np.flatnonzero(used)[0])
    where = f" of fold {fold + 1}" if labels.shape[1] > 1 else ""
    first, second = (Spot(part_names[labels[k, fold]] + where, *names[k]) for k in (row, column))
    return first, second


def _by_name(names: Sequence[Name], folds: Sequence[Parts]) -> list[Leak]:
    """Return one leak for each patient in two parts of a fold."""
    leaks: dict[str, Leak] = {}
    for number, fold in enumerate(folds):
        seen: dict[str, Spot] = {}
        where = f" of fold {number + 1}" if len(folds) > 1 else ""
        for part, rows in fold.items():
            for patient, name in (names[int(row)] for row in rows):
                here = Spot(part + where, patient, name)
                first = seen.setdefault(patient, here)
                if patient != UNKNOWN and first.part != here.part:
                    leaks.setdefault(patient, Leak(alterations.SAME_PATIENT, 1.0, first, here))
    return list(leaks.values())
