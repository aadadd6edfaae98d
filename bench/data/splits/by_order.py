"""Rules ``folders`` and ``order``: parts as they lie, and a validation part that is one block."""

from __future__ import annotations

from bench.config import schema
from bench.data.sources.catalogue import Catalogue, order
from bench.data.splits.by_patient import nearest
from bench.data.splits.selection import Parts
from bench.errors import BenchError
from bench.names import natural


def by_folder(catalogue: Catalogue, split: schema.FolderSplit) -> Parts:
    """Keep the folders ``train`` and ``test``; the last slices of train, by name, become validation.

    Where patients are known the block begins with a whole patient, so that none is cut in two.

    Raises:
        BenchError: the source has no such folders.
    """
    train = sorted((ref for ref in catalogue.refs if ref.part == "train"), key=lambda ref: natural(ref.name))
    test = tuple(ref for ref in catalogue.refs if ref.part == "test")
    if not train or not test:
        message = f"source {catalogue.source} has no train and test folders"
        raise BenchError(message, key="rule", remedy="rule: folders needs pairs in the layout study")
    validation = min(max(1, nearest(split.validation * len(train))), len(train) - 1)
    cut = len(train) - validation
    while catalogue.patients_known and 0 < cut < len(train) and train[cut].patient == train[cut - 1].patient:
        cut -= 1
    return {
        "train": tuple(sorted(train[:cut], key=order)),
        "validation": tuple(sorted(train[cut:], key=order)),
        "test": test,
    }


def by_order(catalogue: Catalogue, split: schema.OrderSplit) -> Parts:
    """Test the last slices by patient and position, whatever patient the cut goes through.

    Validation is the last whole patients before it that together hold the wanted share of the slices that are
    not tested. The patient that is cut is none of them, so that validation itself does not leak.

    Raises:
        BenchError: there are not more slices than are to be tested.
    """
    refs = catalogue.refs
    cut = len(refs) - split.test
    if cut < 1:
        message = f"source {catalogue.source} has {len(refs)} slices, {split.test} of them to be tested"
        raise BenchError(message, key="test", remedy="lower it")
    before, test = refs[:cut], refs[cut:]
    tested = {ref.patient for ref in test}
    target = split.validation * len(before)
    validated: set[str] = set()
    held = 0
    for ref in reversed(before):
        if ref.patient not in tested and ref.patient not in validated:
            if held >= target:
                break
            validated.add(ref.patient)
        held += ref.patient in validated
    return {
        "train": tuple(ref for ref in before if ref.patient not in validated),
        "validation": tuple(ref for ref in before if ref.patient in validated),
        "test": test,
    }
