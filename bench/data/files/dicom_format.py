"""How DICOM files are read; pydicom, which takes a second to import, is left for the first file that is new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt

from bench.data.files.file_format import FileFormat
from bench.data.files.scan import FileScan
from bench.data.files.values import Pixels


def dicom_format(unit: str = "HU", matrix: int | None = None) -> FileFormat:
    """Return the format of single DICOM slices, which are in HU."""
    return FileFormat("dicom", None, _scan, _read, single=True, headed=_headed)


def _scan(path: Path) -> FileScan:
    from bench.data.files.dicom import scan_dicom

    return scan_dicom(path)


def _read(path: Path) -> npt.NDArray[Any]:
    from bench.data.files.dicom import read_hu

    return read_hu(path)[None]


def _headed(path: Path) -> Iterator[Pixels]:
    from bench.data.files.dicom import headed

    yield headed(path, strict=True)
