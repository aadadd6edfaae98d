"""From a split of ``datasets.yaml`` and a source's catalogue to the slices of each part."""

from __future__ import annotations

from dataclasses import replace

from bench.config import schema
from bench.data.sources.catalogue import Catalogue, order
from bench.data.splits.by_order import by_folder, by_order
from bench.data.splits.by_patient import by_patient, drawn, named
from bench.data.splits.from_list import listed
from bench.data.splits.kfold import kfold
from bench.data.splits.selection import PARTS, Folds, Parts, Selection, check_patients, leak
from bench.data.splits.thinning import thin
from bench.errors import BenchError
from bench.plan import cells


def choose(catalogue: Catalogue, split: schema.AnySplit, counts: schema.Counts) -> Folds:
    """Return the slices of ``catalogue`` for each part and fold, at most ``counts`` of each part.

    A list's ``file`` must be a path that can be opened as it is (``located_split``).

    Raises:
        BenchError: patients the source does not have, a patient in two parts of a split that is not declared
            as leaky, too few patients, an empty part, or a list that is faulty or of other series.
    """
    catalogue = replace(catalogue, refs=tuple(sorted(catalogue.refs, key=order)))
    folds = _by_rule(catalogue, split)
    selections = []
    for number, parts in enumerate(folds, start=1):
        fold = number if len(folds) > 1 else None
        _check(catalogue, parts, split, fold)
        selections.append(Selection({part: thin(parts[part], getattr(counts, part)) for part in PARTS}, fold))
    why = leak(split.leaky, [one.parts for one in selections]) if split.leaky else ""
    return Folds(tuple(selections), why)


def _by_rule(catalogue: Catalogue, split: schema.AnySplit) -> list[Parts]:
    """Return the parts of each fold, or of the whole."""
    if isinstance(split, schema.ListSplit):
        return listed(catalogue, split)
    if isinstance(split, schema.FolderSplit):
        return [by_folder(catalogue, split)]
    if not catalogue.patients_known:
        raise BenchError(
            f"source {catalogue.source} names no patients, so rule {split.rule} cannot keep them apart",
            key="rule",
            remedy="use rule: folders, or give the source a patients.csv (columns file,patient)",
        )
    if isinstance(split, schema.KFoldSplit):
        return kfold(catalogue, split)
    if isinstance(split, schema.OrderSplit):
        return [by_order(catalogue, split)]
    assigned = named(catalogue, split) if isinstance(split, schema.PatientSplit) else drawn(catalogue, split)
    return [by_patient(catalogue, assigned)]


def _check(catalogue: Catalogue, parts: Parts, split: schema.Split, fold: int | None) -> None:
    for part in PARTS:
        if not parts[part]:
            where = "" if fold is None else f" of fold {fold}"
            message = f"no slices for {part}{where} in source {catalogue.source}"
            raise BenchError(message, key=part, remedy="change the split")
    if catalogue.patients_known and not split.leaky:
        check_patients(parts)


def identities(
    catalogue: Catalogue, folds: Folds, split_name: str, source_name: str
) -> tuple[cells.DataIdentity, ...]:
    """Return what a record says about the chosen slices, for each fold."""
    return tuple(
        cells.DataIdentity(
            source=source_name,
            kind=catalogue.kind,
            fingerprint=catalogue.fingerprint,
            selection=one.hash,
            split=split_name,
            split_sha256=folds.sha256,
            fold=one.fold,
            folds=len(folds.selections),
            patients_known=catalogue.patients_known,
            slices={part: len(one.parts[part]) for part in PARTS},
            patients={part: len({ref.patient for ref in one.parts[part]}) for part in PARTS},
        )
        for one in folds.selections
    )
