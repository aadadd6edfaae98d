"""A folder of normal-dose slices in files of one format, to be projected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from bench.config import schema
from bench.data.files import arrays, dicom_series
from bench.data.files.dicom_series import Wanted
from bench.data.files.file_format import format_of
from bench.data.files.index import FileIndex
from bench.data.files.listing import Listing, kind_of_name, list_files, told
from bench.data.files.patients import PatientTable
from bench.data.files.pins import pin_file, wanted_series
from bench.data.files.resize import Image, to_object
from bench.data.files.scan import FileScan
from bench.data.sources import examine
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.sources.files import FileSource, refuse_crops
from bench.errors import BenchError
from bench.names import nfc

HELD_FILES = 2  # decompressed volumes kept; two reconstructions of one scan are read in turns


class FolderFiles(FileSource[schema.FolderSource]):
    """The slices in the files below one folder (``Projectable``)."""

    def __init__(self, name: str, spec: schema.FolderSource, *, base: Path, index_cache: Path | None) -> None:
        super().__init__(name, spec, base=base, index_cache=index_cache)
        self._format = format_of(spec.kind, spec.unit, spec.matrix)
        self._held: dict[str, npt.NDArray[Any]] = {}

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Return the slice as an object to project, its reference, and the pixel of the reference in cm.

        mu in 1/cm, float32: the object (2 size, 2 size), the reference (size, size); see ``to_object``.

        Raises:
            BenchError: the file has changed or cannot be decoded.
        """
        path = self._folder / ref.file
        native = arrays.to_mu(self._pixels(ref, path), self.spec.unit, path)
        pixel_cm = ref.pixel_mm / 10.0 * native.shape[0] / size
        return *to_object(native, size), pixel_cm

    def _scan_files(self, index: FileIndex, table: PatientTable | None) -> Catalogue:
        folder, spec = self._folder, self.spec
        apart = [table.place if table else None, pin_file(spec.series, self._base)]
        series = wanted_series(spec.series, self._base)
        listing = list_files(folder, self._format.suffixes, apart=apart)
        scans, left_out = self._usable(listing, series, index)
        if not scans:
            raise _nothing(folder, spec, left_out, listing.skipped)
        files, remarks = self._of_patients(scans, table)
        if spec.kind == "dicom":
            files, others, more = dicom_series.choose(self.name, files, spec, folder, series)
            left_out += others
            remarks += more
        refuse_crops(files, spec.matrix, folder)
        refs = [ref for file in files for ref in self._refs(file, self._format.stem(file.path))]
        examined = examine.references(refs, self._side(index, self._format, files))
        hashes = [[nfc(file.path), file.scan.sha256] for file in files]
        return assemble(
            self.name,
            spec.kind,
            examined.refs,
            fingerprint=self._fingerprint(table, files=hashes, kind=spec.kind, unit=spec.unit),
            refused=left_out + examined.left_out,
            files=[(file.path, file.scan.sha256) for file in files],
            remarks=(*remarks, *examined.remarks),
            skipped=listing.skipped,
        )

    def _usable(
        self, listing: Listing, series: Wanted, index: FileIndex
    ) -> tuple[list[tuple[str, FileScan]], list[tuple[str, str]]]:
        """Return the usable files, and the refused ones each with its reason; the rest is counted in ``listing``."""
        scans: list[tuple[str, FileScan]] = []
        refused = []
        for path in listing.files:
            scan = index.scan(self._format, self._folder / path)
            reason = dicom_series.refused(scan, series)
            if reason is not None:
                refused.append((path, reason))
            elif scan.no_image is not None:
                listing.skipped[scan.no_image or kind_of_name(path)] += 1
            else:
                scans.append((path, scan))
        return scans, refused

    def _pixels(self, ref: SliceRef, path: Path) -> npt.NDArray[Any]:
        volume = self._format.read(path) if self._format.single else self._volume(ref.file, path)
        if ref.index >= volume.shape[0]:
            raise BenchError("has fewer slices than before", file=path, remedy="run again")
        values: npt.NDArray[Any] = volume[ref.index]
        if values.shape != (self.spec.matrix, self.spec.matrix):
            raise BenchError(f"is now of shape {values.shape}", file=path, remedy="run again")
        return values

    def _volume(self, key: str, path: Path) -> npt.NDArray[Any]:
        volume = self._held.pop(key, None)
        if volume is None:
            volume = self._format.read(path)
        self._held[key] = volume
        for oldest in list(self._held)[:-HELD_FILES]:
            self._held.pop(oldest, None)
        return volume


def _nothing(
    folder: Path, source: schema.FolderSource, refused: list[tuple[str, str]], skipped: Mapping[str, int]
) -> BenchError:
    if refused:
        file, reason = refused[0]
        more = f" (nor are {len(refused) - 1} other files)" if len(refused) > 1 else ""
        return BenchError(f"{reason}: not an original axial CT slice{more}", file=folder / file)
    remedy = source.obtain or "correct path or kind of the source"
    there = f", but {told(skipped)}" if skipped else ""
    return BenchError(f"holds no {source.kind} files{there}", file=folder, remedy=remedy)
