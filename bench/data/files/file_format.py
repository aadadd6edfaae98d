"""What a format of files has to give so that slices can be read from it; ``config.schema.formats`` lists them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy.typing as npt

from bench.config.schema.formats import FORMATS
from bench.data.files.scan import Scan
from bench.data.files.values import Pixels, plain


@dataclass(frozen=True)
class FileFormat:
    """How one format of files is scanned and read.

    Scans are remembered under ``name``. ``suffixes`` None: every file is looked into. ``read`` returns (N, H, W) in
    the unit of the source; ``single``: a file holds one slice, decoded again each time. ``headed`` yields the slices
    with what their header says of padding; None: there is no header.
    """

    name: str
    suffixes: tuple[str, ...] | None
    scan: Scan
    read: Callable[[Path], npt.NDArray[Any]]
    single: bool = False
    headed: Callable[[Path], Iterable[Pixels]] | None = None

    def slices(self, path: Path) -> Iterable[Pixels]:
        """Return the slices of a file, each with its padding by the header and whether it was compressed with loss."""
        return plain(self.read(path)) if self.headed is None else self.headed(path)

    def stem(self, relative: str) -> str:
        """Return the name of a file without the suffix of its format."""
        for suffix in sorted(self.suffixes or (), key=len, reverse=True):
            if relative.lower().endswith(suffix):
                return relative[: -len(suffix)]
        return PurePosixPath(relative).with_suffix("").as_posix()


def format_of(kind: str, unit: str, matrix: int | None) -> FileFormat:
    """Return the format that a source calls ``kind``, for values in ``unit`` and slices of ``matrix`` pixels a side.

    Where ``matrix`` is None slices may have any size.
    """
    module, function = FORMATS[kind].split(":")
    format: FileFormat = getattr(importlib.import_module(f"bench.data.files.{module}"), function)(
        unit, matrix
    )
    return format
