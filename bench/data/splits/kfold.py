"""Rule ``kfold``: every patient is tested in one fold and trains in the others.

With the few test patients of a single split only large differences can be told from chance; over k folds all
patients of a collection are tested. The folds are balanced in slices and, as far as names tell, in sub-cohorts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from bench import seeds
from bench.config import schema
from bench.data.sources.catalogue import Catalogue
from bench.data.splits.by_patient import by_patient, nearest
from bench.data.splits.selection import Parts
from bench.errors import BenchError
from bench.names import natural

_NUMBER = re.compile(r"[-_. ]*[0-9]+$")
Cohorts = Mapping[str, str]  # patient -> sub-cohort


def kfold(catalogue: Catalogue, split: schema.KFoldSplit) -> list[Parts]:
    """Return the parts of each fold.

    The validation patients of a fold are drawn from those that do not test in it.

    Raises:
        BenchError: there are too few patients for the folds.
    """
    count, patients = split.folds, catalogue.patients
    if len(patients) < max(3, count):
        message = f"source {catalogue.source} has {len(patients)} patients, too few for {count} folds"
        raise BenchError(message, key="folds", remedy="lower it" if len(patients) > 2 else "add patients")
    sizes = Counter(ref.patient for ref in catalogue.refs)
    cohorts = sub_cohorts(patients)
    tested = deal(sizes, cohorts, count, split.seed)
    folds = []
    for fold in range(count):
        left = [patient for patient in patients if tested[patient] != fold]
        # at least one patient validates and one trains, whatever the share
        validating = min(max(1, nearest(split.validation * len(left))), len(left) - 1)
        validated = _spread(left, cohorts, split.seed, fold)[:validating]
        parts = dict.fromkeys(left, "train") | dict.fromkeys(validated, "validation")
        parts |= {patient: "test" for patient in patients if tested[patient] == fold}
        folds.append(by_patient(catalogue, parts))
    return folds


def deal(sizes: Mapping[str, int], cohorts: Cohorts, count: int, seed: int) -> dict[str, int]:
    """Return the fold, from 0, of each patient; ``sizes`` are their slices.

    Sub-cohort by sub-cohort, the smallest first, patients are dealt in rounds: each fold gets one, the patient
    with most slices goes to the fold with fewest. So no fold has two patients more of a sub-cohort than
    another, and none more slices than another by more than those of the largest patient: a round that pairs
    falling sizes with rising sums leaves no wider gap than it found, or than it has within itself. ``seed``
    orders patients of equal size.
    """
    members: dict[str, list[str]] = {}
    for patient in sizes:
        members.setdefault(cohorts[patient], []).append(patient)
    held, fold_of = [0] * count, {}
    # small sub-cohorts first: the large ones that follow have rounds enough to level what they leave uneven
    for _, patients in sorted(members.items(), key=lambda item: (len(item[1]), natural(item[0]))):
        # equal sizes are ordered by a draw from each name: one patient more leaves the order of the others as it was
        patients.sort(key=lambda patient: (-sizes[patient], seeds.derive("split", seed, patient)))
        for start in range(0, len(patients), count):
            # one patient a fold: a free choice by size alone could put a whole sub-cohort into few folds
            rising = sorted(range(count), key=lambda fold: (held[fold], fold))
            for patient, fold in zip(patients[start : start + count], rising, strict=False):
                fold_of[patient] = fold
                held[fold] += sizes[patient]
    return fold_of


def sub_cohorts(patients: Iterable[str]) -> dict[str, str]:
    """Return the sub-cohort of each patient; those that would be alone in theirs are together in one."""
    cohort_of = {patient: cohort(patient) for patient in patients}
    members = Counter(cohort_of.values())
    return {patient: name if members[name] > 1 else "" for patient, name in cohort_of.items()}


def cohort(patient: str) -> str:
    """Return the sub-cohort that a patient's name tells: ``QIN-LSC`` for ``QIN-LSC-0003``, ``R`` for ``R0004``."""
    return _NUMBER.sub("", patient)


def _spread(patients: list[str], cohorts: Cohorts, seed: int, fold: int) -> list[str]:
    """Return the patients in a drawn order of which the first n, for any n, hold each sub-cohort in proportion.

    The only patient of a sub-cohort comes in the middle, so it trains and does not validate.
    """
    drawn = sorted(patients, key=lambda patient: seeds.derive("validation", seed, fold, patient))
    members, seen, place = Counter(cohorts[patient] for patient in patients), Counter[str](), {}
    for rank, patient in enumerate(drawn):
        name = cohorts[patient]
        place[patient] = ((seen[name] + 0.5) / members[name], rank)  # k of n stand evenly spread in 0 to 1
        seen[name] += 1
    return sorted(drawn, key=lambda patient: place[patient])
