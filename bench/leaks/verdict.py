"""The verdict of the leak audit on the slices of a run, kept in a small file so that a restart does not ask again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from bench import atomic
from bench.config import schema
from bench.data.pairs import pairs
from bench.data.sources.source import paired, projectable
from bench.errors import BenchError
from bench.events import Progress
from bench.leaks import alterations, descriptors
from bench.leaks.search import LEAK_VERSION, Leak, Name, search

if TYPE_CHECKING:
    from bench.data.pairs.pairs import PairFiles
    from bench.data.sources.catalogue import SliceRef
    from bench.data.sources.source import SliceSource
    from bench.data.splits import Folds

LEAK_REMEDY = "give both one patient name or take one away; or declare the split with leaky: and the reason"
TOLD = 20  # leaks that a verdict keeps in words
_READ_SIZE = 128  # pixels a side of slices that are read for the audit alone


class Verdict(schema.Frozen):
    """How many of ``slices`` leak: ``count`` pairs of slices and patients, the worst of them in words."""

    version: int = LEAK_VERSION
    slices: int
    count: int
    told: tuple[str, ...]

    @property
    def words(self) -> str:
        """The finding, in a few words."""
        if not self.count:
            return f"no leak among {self.slices} slices"
        return f"{self.count} leak{'s' if self.count > 1 else ''} among {self.slices} slices"

    @property
    def first(self) -> str:
        """The worst leak in a sentence, and how many there are besides."""
        further = self.count - 1
        more = f" (and {further} further pair{'s' if further > 1 else ''})" if further else ""
        return f"{self.told[0]}{more}" if self.told else ""

    def refuse(self, file: Path, split: str) -> None:
        """Raise a ``BenchError`` with the worst leak, if there is one."""
        if self.count:
            raise BenchError(self.first, file=file, key=f"splits.{split}", remedy=LEAK_REMEDY)


def read(files: PairFiles, folds: Folds) -> Verdict | None:
    """Return the verdict on these pairs that is on disk; None where there is none of this version."""
    try:
        verdict = Verdict.model_validate_json(_path(files, folds).read_bytes())
    except (OSError, ValidationError):
        return None
    return verdict if verdict.version == LEAK_VERSION else None


def audit(
    source: SliceSource, folds: Folds, files: PairFiles, size: int, *, threads: int
) -> Generator[Progress, None, Verdict]:
    """Compare the slices of all parts and return the verdict.

    The built pairs are read where they are, and the verdict is kept beside them; else the slices are read from
    the source at a small size, and nothing is written. What is on disk already is not asked again.
    """
    known = read(files, folds)
    if known is not None:
        return known
    built = not pairs.missing({files.condition: files})
    names: Sequence[Name]
    images: Any
    if built:
        opened = pairs.open_pairs(files, {})
        names, images = opened.names, opened.reference
    else:
        images = _Slices(source, folds.refs, min(size, _READ_SIZE))
        names = [(ref.patient, ref.name) for ref in folds.refs]
    rows = {name: row for row, name in enumerate(names)}
    parts = [
        {part: [rows[ref.patient, ref.name] for ref in refs] for part, refs in one.parts.items()}
        for one in folds.selections
    ]
    described = descriptors.empty(len(names))
    for done in descriptors.fill(described, images, threads=threads):
        yield Progress("audit", source.name, done, len(names))
    verdict = _verdict(search(images, described, names, parts, threads=threads), len(names), folds)
    if built:
        with suppress(BenchError):  # a cache that may only be read keeps no verdict
            atomic.write_json(_path(files, folds), verdict.model_dump(mode="json"))
    return verdict


def _verdict(leaks: Sequence[Leak], slices: int, folds: Folds) -> Verdict:
    files = {(ref.patient, ref.name): ref.file for ref in folds.refs}
    # pairs of slices first: they say more than the name of a patient
    ordered = sorted(leaks, key=lambda leak: leak.kind == alterations.SAME_PATIENT)
    sentences = tuple(leak.sentence(files) for leak in ordered[:TOLD])
    return Verdict(slices=slices, count=len(leaks), told=sentences)


def _path(files: PairFiles, folds: Folds) -> Path:
    parts = schema.digest([one.hash for one in folds.selections], 16)
    return Path(files.folder) / f"leaks-{parts}.json"


class _Slices:
    """The references of a source at a small size, each read when it is asked for."""

    def __init__(self, source: SliceSource, refs: Sequence[SliceRef], size: int) -> None:
        self._source, self._refs, self._size = source, refs, size

    def __len__(self) -> int:
        return len(self._refs)

    def __getitem__(self, row: int) -> np.ndarray:
        ref = self._refs[row]
        stored = self._source.conditions
        if stored:
            return paired(self._source).pair(ref, stored[0], self._size)[1]
        return projectable(self._source).object(ref, self._size)[1]
