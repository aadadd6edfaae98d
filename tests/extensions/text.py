"""A file format: a slice as a table of numbers in text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.data.files.file_format import FileFormat
from bench.data.files.scan import FileScan, SliceScan


def scan(path: Path) -> FileScan:
    """Return what a file says of its slice."""
    rows, columns = np.loadtxt(path).shape
    return FileScan((SliceScan(),), (rows, columns))


def text_format(unit: str, matrix: int | None) -> FileFormat:
    """Return the format, for values in ``unit``."""
    return FileFormat("text", (".txt",), scan, lambda path: np.loadtxt(path)[None])
