"""Built pairs as files in the layout of the published study, so that its own program can be run on them.

``images/ndct/{train,test}/*.flt`` and a folder beside it for each condition; sets of few views lie under
``sparseview``. A file is one slice: raw little-endian float32, column by column, mu in 1/cm. The study had no
validation part: its slices lie under ``train``, and ``split.csv`` (a split with ``rule: list``) names them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import atomic
from bench.config import schema
from bench.csvtext import to_csv
from bench.ct.noise import Noiseless
from bench.data.files.patients import TABLE
from bench.data.pairs.pairs import PairFiles, open_pairs
from bench.data.sources.catalogue import SliceRef
from bench.data.sources.source import SliceSource
from bench.data.sources.stored import STUDY_REFERENCE
from bench.data.splits import PARTS, Folds, Selection
from bench.data.splits.selection import COLUMNS
from bench.errors import BenchError
from bench.events import Event, Message, Progress
from bench.plan.acquisition import Acquisition

SPLIT, NOTE = "split.csv", "README.txt"
_ELSEWHERE = "name a folder on a larger disk with --into"


@dataclass(frozen=True)
class Export:
    """What is written: the pairs of ``selection`` in ``files``, by condition."""

    profile: str
    source: SliceSource
    selection: Selection
    files: Mapping[str, PairFiles]
    acquisition: Acquisition

    @property
    def places(self) -> dict[str, str]:
        """The folder of each condition."""
        return {
            name: f"{'sparseview' if value.views and isinstance(value.noise_model, Noiseless) else 'images'}/{name}"
            for name, value in self.acquisition.conditions.items()
        }

    @property
    def slices(self) -> int:
        """How many files are written: each slice once as reference and once for each condition."""
        return len(self.selection.refs) * (1 + len(self.acquisition.conditions))


def one_fold(folds: Folds, fold: int | None) -> Selection:
    """Return the selection that is exported; ``BenchError`` where a fold must be named or is not there."""
    count = len(folds.selections)
    if fold is None and count == 1:
        return folds.selections[0]
    if fold is None or not 1 <= fold <= count:
        message = "the split has folds" if fold is None else f"the split has no fold {fold}"
        raise BenchError(message, remedy=f"name one of 1 to {count} with --fold")
    return folds.selections[fold - 1]


def check(export: Export, into: Path) -> None:
    """Raise a ``BenchError`` where ``into`` holds files, the disk is too small, or a folder would be written twice."""
    if into.exists() and not (into.is_dir() and not any(into.iterdir())):
        raise BenchError("exists already", file=into, remedy="remove it or name another folder with --into")
    if STUDY_REFERENCE in export.places.values():
        raise BenchError(f"a condition has the name of the reference, {STUDY_REFERENCE}", remedy="rename it")
    needed = export.slices * 4 * export.acquisition.size**2
    atomic.require_space(into, needed, purpose="the files", elsewhere=_ELSEWHERE)


def study(export: Export, into: Path) -> Generator[Event, None, None]:
    """Write the folder ``into``, whole or not at all; yield the slices written. The pairs must be built.

    Raises:
        BenchError: as ``check``; the disk is full, or the pairs are damaged.
    """
    check(export, into)
    refs = export.selection.refs
    files = _names(export)
    done = 0
    with atomic.replace_folder(
        into, needed_bytes=export.slices * 4 * export.acquisition.size**2, elsewhere=_ELSEWHERE
    ) as folder:
        for condition, place in export.places.items():
            pairs = open_pairs(export.files[condition], {"all": [(ref.patient, ref.name) for ref in refs]})
            sets = {place: pairs.degraded} | ({} if done else {STUDY_REFERENCE: pairs.reference})
            for target, images in sets.items():
                for part in ("train", "test"):
                    (folder / target / part).mkdir(parents=True)
                for ref, row in zip(refs, pairs.parts["all"], strict=True):
                    _write(folder / target / files[ref], images[row])
                    done += 1
                    yield Progress("export", export.source.name, done, export.slices)
        for name, text in _tables(export, files).items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
    yield Message(f"wrote {export.slices} slices to {into}; {NOTE} there says how to read them")


def _names(export: Export) -> dict[SliceRef, str]:
    """Return the file of each slice: its part's folder, its patient, a number that rises along z."""
    known = export.source.catalogue().patients_known
    counts: Counter[str] = Counter()
    files = {}
    for part in PARTS:
        for ref in export.selection.parts[part]:
            stem = re.sub(r"[^A-Za-z0-9_.+-]", "_", ref.patient).lstrip(".") if known else "slice"
            counts[stem] += 1
            files[ref] = f"{'test' if part == 'test' else 'train'}/{stem}-{counts[stem]:04d}.flt"
    return files


def _write(path: Path, image: np.ndarray) -> None:
    path.write_bytes(np.asarray(image, "<f4").tobytes(order="F"))


def _tables(export: Export, files: Mapping[SliceRef, str]) -> dict[str, str]:
    """Return the texts that go with the slices: whose they are, the parts, and how to read them."""
    split = [
        (part, "", ref.patient, files[ref].removesuffix(".flt"))
        for part in PARTS
        for ref in export.selection.parts[part]
    ]
    texts = {SPLIT: to_csv([COLUMNS, *split]), NOTE: _note(export)}
    if export.source.catalogue().patients_known:
        texts[TABLE] = to_csv([("file", "patient"), *((file, ref.patient) for ref, file in files.items())])
    return texts


def _note(export: Export) -> str:
    source, size = export.source.spec, export.acquisition.size
    known = export.source.catalogue().patients_known
    matrix = "" if size == schema.FULL_SIZE else f"\n      matrix: {size}"
    patients = f"\n      patients: {TABLE}" if known else ""
    places = ",\n".join(export.places.values())
    return f"""Pairs of profile {export.profile} in the layout of the published study.

A file is one slice of {size} x {size} pixels: raw little-endian float32, column by column, attenuation in
1/cm (air 0, water 0.2). images/ndct holds the references; the same slices degraded are in
{places}.
The slices of the validation part lie under train; {SPLIT} names the part of each slice.

To read them back, datasets.yaml needs:

  sources:
    exported:
      kind: pairs
      layout: study{matrix}{patients}
      path: THIS FOLDER
  splits:
    exported: {{rule: list, file: THIS FOLDER/{SPLIT}}}

Source: {source.title or export.source.name}. Licence: {source.licence or "not stated"}.
Please cite: {source.citation or "not stated"}
"""
