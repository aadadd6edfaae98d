"""The kinds of files that slices are read from: how each is named, scanned and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy.typing as npt

from bench.config import schema
from bench.data.files import arrays
from bench.data.files.index import Scan
from bench.data.files.values import Pixels, plain

Read = Callable[[Path], npt.NDArray[Any]]


@dataclass(frozen=True)
class Kind:
    """How one kind of file is read.

    ``scan`` is remembered under the name ``scanned``. ``suffixes`` None: every file is looked into. ``read``
    returns (N, H, W); ``single``: a file holds one slice, decoded again each time. ``headed`` yields
    the slices with what their header says of padding; None: there is no header.
    """

    scanned: str
    suffixes: tuple[str, ...] | None
    scan: Scan
    read: Read
    single: bool = False
    headed: Callable[[Path], Iterable[Pixels]] | None = None

    def slices(self, path: Path) -> Iterable[Pixels]:
        """Return the slices of a file, each with its padding by the header and whether it was compressed with loss."""
        return plain(self.read(path)) if self.headed is None else self.headed(path)

    def stem(self, relative: str) -> str:
        """Return the name of a file without the suffix of its kind."""
        for suffix in sorted(self.suffixes or (), key=len, reverse=True):
            if relative.lower().endswith(suffix):
                return relative[: -len(suffix)]
        return PurePosixPath(relative).with_suffix("").as_posix()


def kind_of(source: schema.FolderSource) -> Kind:
    """Return the kind of the files of a source; pydicom and nibabel are imported where a file is new."""
    if source.kind == "dicom":
        return DICOM
    if source.kind == "nifti":
        from bench.data.files import nifti

        scan = nifti.nifti_scanner(source.unit)
        return Kind(f"nifti-{source.unit}", nifti.SUFFIXES, scan, nifti.read_nifti)
    if source.kind == "flt":
        side = source.matrix
        return Kind(
            f"flt{side}", (".flt",), arrays.flt_scanner(side), lambda path: arrays.read_flt(path, side)
        )
    if source.kind == "npz":
        return Kind("npz", (".npz",), arrays.scan_npz, arrays.read_npz)
    return Kind("npy", (".npy",), arrays.scan_npy, arrays.read_npy)


def _scan_dicom(path: Path) -> dict[str, Any]:
    from bench.data.files.dicom import scan_dicom

    return scan_dicom(path)


def _read_dicom(path: Path) -> npt.NDArray[Any]:
    from bench.data.files.dicom import read_hu

    return read_hu(path)[None]


def _headed_dicom(path: Path) -> Iterator[Pixels]:
    from bench.data.files.dicom import headed

    yield headed(path, strict=True)


DICOM = Kind("dicom", None, _scan_dicom, _read_dicom, single=True, headed=_headed_dicom)
