"""The table of file formats: what a source calls each, and how such files are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt

from bench.config import schema
from bench.data.files import arrays, nifti
from bench.data.files.file_format import FileFormat
from bench.data.files.scan import FileScan
from bench.data.files.values import Pixels


def format_of(source: schema.FolderSource) -> FileFormat:
    """Return the format of the files of a source."""
    return FORMATS[source.kind](source)


def _scan_dicom(path: Path) -> FileScan:
    from bench.data.files.dicom import scan_dicom  # late: pydicom takes a second to import, and a file that
    # was scanned before does not need it

    return scan_dicom(path)


def _read_dicom(path: Path) -> npt.NDArray[Any]:
    from bench.data.files.dicom import read_hu

    return read_hu(path)[None]


def _headed_dicom(path: Path) -> Iterator[Pixels]:
    from bench.data.files.dicom import headed

    yield headed(path, strict=True)


DICOM = FileFormat("dicom", None, _scan_dicom, _read_dicom, single=True, headed=_headed_dicom)

FORMATS: dict[str, Callable[[schema.FolderSource], FileFormat]] = {
    "npz": lambda _: arrays.NPZ,
    "npy": lambda _: arrays.NPY,
    "flt": lambda source: arrays.flt_format(source.matrix),
    "dicom": lambda _: DICOM,
    "nifti": lambda source: nifti.nifti_format(source.unit),
}
