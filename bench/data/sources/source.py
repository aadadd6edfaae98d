"""What the rest of the program sees of a source of slices: its catalogue, and the images of one slice at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

from bench.config import schema
from bench.data.files.resize import Image
from bench.data.sources.catalogue import Catalogue, SliceRef
from bench.errors import BenchError

Spec = TypeVar("Spec", bound=schema.Source)


class SliceSource(Protocol):
    """What all sources have; each is either ``Projectable`` or ``Paired`` besides."""

    name: str

    @property
    def spec(self) -> schema.Source:
        """The source as ``datasets.yaml`` has it."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions whose degraded slices lie on disk; empty: they are simulated."""

    def catalogue(self) -> Catalogue:
        """Return what there is; ``BenchError`` where something cannot be used."""

    def lesions(self, refs: Iterable[SliceRef], size: int) -> list[dict[str, str | float]]:
        """Return a row for each lesion that is known to lie in one of ``refs``; empty where nothing is known."""


@runtime_checkable
class Projectable(Protocol):
    """A source of attenuation images, from which degraded slices are simulated."""

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Return (object (2 size, 2 size), reference (size, size), pixel of the reference in cm) in 1/cm."""


@runtime_checkable
class Paired(Protocol):
    """A source of degraded and reference slices that are ready."""

    def pair(self, ref: SliceRef, condition: str, size: int) -> tuple[Image, Image, float]:
        """Return (degraded (size, size) unclipped, reference (size, size), pixel in cm), mu in 1/cm."""


def projectable(source: SliceSource) -> Projectable:
    """Return ``source`` as one whose slices can be projected; ``BenchError`` where it holds pairs."""
    if not isinstance(source, Projectable):
        raise BenchError(f"source {source.name} holds pairs: there is nothing to project")
    return source


def paired(source: SliceSource) -> Paired:
    """Return ``source`` as one of ready pairs; ``BenchError`` where its slices are to be projected."""
    if not isinstance(source, Paired):
        raise BenchError(f"source {source.name} holds no pairs", remedy="project its slices")
    return source


class Source(ABC, Generic[Spec]):
    """A source whose catalogue is made once, by ``_scan``; ``object`` or ``pair`` is left to the class.

    ``base`` is the folder that relative paths start from, ``index_cache`` the JSON file that remembers the hashes
    and headers of files (None: nowhere).
    """

    def __init__(self, name: str, spec: Spec, *, base: Path, index_cache: Path | None) -> None:
        self.name, self.spec = name, spec
        self._base, self._index_cache = base, index_cache
        self._catalogue: Catalogue | None = None

    @property
    def conditions(self) -> tuple[str, ...]:
        """None: degraded slices are simulated."""
        return ()

    def catalogue(self) -> Catalogue:
        """Return what the source holds; files are read once and their scans remembered.

        Raises:
            BenchError: a folder is not there, or a file in it cannot be used.
        """
        if self._catalogue is None:
            self._catalogue = self._scan()
        return self._catalogue

    @abstractmethod
    def _scan(self) -> Catalogue: ...

    def lesions(self, refs: Iterable[SliceRef], size: int) -> list[dict[str, str | float]]:
        """Return nothing: what lies in the slices of patients is not known."""
        return []
