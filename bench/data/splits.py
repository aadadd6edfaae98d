"""Which slices train, choose the best epoch and are scored. No patient is ever in two parts."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench import seeds, spec
from bench.data.catalogue import Catalogue, SliceRef, natural, order
from bench.errors import BenchError

PARTS = ("train", "validation", "test")
Parts = dict[str, tuple[SliceRef, ...]]


@dataclass(frozen=True)
class Selection:
    """The slices of each part, in catalogue order.

    ``hash`` stands for their names. ``split_hash`` stands for who is in which part before counts leave slices
    out, so that two profiles of one split share it: patients, or slices where patients are unknown.
    """

    parts: Parts
    split_hash: str

    @property
    def refs(self) -> tuple[SliceRef, ...]:
        """All slices: train, then validation, then test."""
        return tuple(ref for part in PARTS for ref in self.parts[part])

    @property
    def hash(self) -> str:
        """A digest of the (patient, slice) names, part by part."""
        return spec.digest({part: [[ref.patient, ref.name] for ref in self.parts[part]] for part in PARTS})


def choose(catalogue: Catalogue, split: spec.Split, counts: spec.Counts) -> Selection:
    """Return the slices of ``catalogue`` for each part, at most ``counts`` of each.

    Raises:
        BenchError: unknown patients, a patient in two parts, too few patients, or an empty part.
    """
    refs = sorted(catalogue.refs, key=order)
    if split.rule == "folders":
        parts = _by_folder(refs, split, catalogue)
    else:
        parts = _by_patient(refs, _assign(catalogue, split))
    for part in PARTS:
        if not parts[part]:
            raise BenchError(
                f"no slices for {part} in source {catalogue.source}", key=part, remedy="change the split"
            )
    if catalogue.patients_known and not split.leaky:
        check_patients(parts)
    members = {p: _members(parts[p], catalogue.patients_known) for p in PARTS}
    kept = {part: thin(parts[part], getattr(counts, part)) for part in PARTS}
    return Selection(kept, spec.digest(members))


def identity(
    catalogue: Catalogue, selection: Selection, split_name: str, source_name: str
) -> spec.DataIdentity:
    """Return what a record says about the chosen slices."""
    return spec.DataIdentity(
        source=source_name,
        kind=catalogue.kind,
        fingerprint=catalogue.fingerprint,
        selection=selection.hash,
        split=split_name,
        split_hash=selection.split_hash,
        patients_known=catalogue.patients_known,
        slices={part: len(selection.parts[part]) for part in PARTS},
        patients={part: len({ref.patient for ref in selection.parts[part]}) for part in PARTS},
    )


def check_patients(parts: Parts) -> None:
    """Raise a ``BenchError`` that names a patient whose slices are in two parts."""
    owner: dict[str, str] = {}
    for part in PARTS:
        for ref in parts[part]:
            if owner.setdefault(ref.patient, part) != part:
                raise _twice(ref.patient, owner[ref.patient], part)


def thin(refs: Sequence[SliceRef], most: int | None) -> tuple[SliceRef, ...]:
    """Return at most ``most`` slices, spread evenly over patients and along z; the order is kept."""
    if most is None or len(refs) <= most:
        return tuple(refs)
    groups: dict[str, list[SliceRef]] = {}
    for ref in refs:
        groups.setdefault(ref.patient, []).append(ref)
    shares = _shares([len(group) for group in groups.values()], most)
    kept = [
        group[place]
        for group, share in zip(groups.values(), shares, strict=True)
        for place in _even(len(group), share)
    ]
    return tuple(sorted(kept, key=order))


def _even(count: int, wanted: int) -> list[int]:
    """Return ``wanted`` of the places 0 to ``count`` - 1, each in the middle of an equal stretch."""
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


def _shares(sizes: list[int], most: int) -> list[int]:
    """Share ``most`` out among groups of these sizes as equally as they allow."""
    shares = [0] * len(sizes)
    while True:
        open_groups = [i for i, size in enumerate(sizes) if shares[i] < size]
        left = most - sum(shares)
        if not left or not open_groups:
            return shares
        each = left // len(open_groups)
        if each == 0:
            for place in _even(len(open_groups), left):
                shares[open_groups[place]] += 1
            return shares
        for i in open_groups:
            shares[i] = min(sizes[i], shares[i] + each)


def _by_patient(refs: Iterable[SliceRef], assigned: dict[str, str]) -> Parts:
    found: dict[str, list[SliceRef]] = {part: [] for part in PARTS}
    for ref in refs:
        if ref.patient in assigned:
            found[assigned[ref.patient]].append(ref)
    return {part: tuple(found[part]) for part in PARTS}


def _assign(catalogue: Catalogue, split: spec.Split) -> dict[str, str]:
    """Return the part of each patient that is used."""
    if not catalogue.patients_known:
        raise BenchError(
            f"source {catalogue.source} names no patients, so rule {split.rule} cannot keep them apart",
            key="rule",
            remedy="use rule: folders, or give the source a patients.csv (columns file,patient)",
        )
    return _listed(catalogue, split) if split.rule == "patients" else _drawn(catalogue, split)


def _listed(catalogue: Catalogue, split: spec.Split) -> dict[str, str]:
    known = catalogue.patients
    assigned: dict[str, str] = {}
    for part in ("test", "validation", "train"):
        for patient in getattr(split, part) or ():
            if patient not in known:
                near = difflib.get_close_matches(patient, known, n=1, cutoff=0.0)
                message = f"source {catalogue.source} has no patient {patient}"
                raise BenchError(message, key=part, remedy=f"the nearest is {near[0]}" if near else None)
            if assigned.setdefault(patient, part) != part:
                raise _twice(patient, assigned[patient], part)
    if split.train is None:
        assigned |= {patient: "train" for patient in known if patient not in assigned}
    return assigned


def _drawn(catalogue: Catalogue, split: spec.Split) -> dict[str, str]:
    """Draw shares of the patients; a patient's place in the draw depends on its own name and the seed."""
    drawn = sorted(catalogue.patients, key=lambda patient: seeds.derive("split", split.seed, patient))
    count = len(drawn)
    if count < 3:
        message = f"source {catalogue.source} has {count} patients; three parts need at least 3"
        raise BenchError(message, remedy="add patients")
    shares = {"test": _share(split.test), "validation": _share(split.validation)}
    if sum(shares.values()) >= 1:
        raise BenchError(
            "the shares of test and validation leave nothing to train on", key="test", remedy="lower them"
        )
    sizes = {part: max(1, math.floor(share * count + 0.5)) for part, share in shares.items()}
    while sum(sizes.values()) >= count:
        sizes[max(sizes, key=lambda part: sizes[part])] -= 1
    first = sizes["test"]
    cut = first + sizes["validation"]
    return {p: "test" if i < first else "validation" if i < cut else "train" for i, p in enumerate(drawn)}


def _share(value: object) -> float:
    if not isinstance(value, float):
        raise TypeError(f"a share is a float, not {value!r}")
    return value


def _by_folder(refs: list[SliceRef], split: spec.Split, catalogue: Catalogue) -> Parts:
    """Keep the folders ``train`` and ``test``; the last slices of train, by name, become validation.

    Where patients are known the block begins with a whole patient, so that none is cut in two.
    """
    train = sorted((ref for ref in refs if ref.part == "train"), key=lambda ref: natural(ref.name))
    test = tuple(ref for ref in refs if ref.part == "test")
    if not train or not test:
        message = f"source {catalogue.source} has no train and test folders"
        raise BenchError(message, key="rule", remedy="rule: folders needs pairs in the layout study")
    wanted = min(max(1, math.floor(_share(split.validation) * len(train) + 0.5)), len(train) - 1)
    cut = len(train) - wanted
    while catalogue.patients_known and 0 < cut < len(train) and train[cut].patient == train[cut - 1].patient:
        cut -= 1
    return {
        "train": tuple(sorted(train[:cut], key=order)),
        "validation": tuple(sorted(train[cut:], key=order)),
        "test": test,
    }


def _members(refs: Iterable[SliceRef], known: bool) -> list[str]:
    return sorted({ref.patient if known else ref.name for ref in refs})


def _twice(patient: str, first: str, second: str) -> BenchError:
    return BenchError(
        f"patient {patient} is in {first} and in {second}", key=second, remedy="keep it in one part"
    )
