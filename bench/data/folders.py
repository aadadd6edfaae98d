"""A folder of normal-dose slices in ``.npz``, ``.npy``, ``.flt`` or DICOM files, to be projected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy.typing as npt

from bench import spec
from bench.data import readers
from bench.data import series as dicom_series
from bench.data.catalogue import Catalogue, SliceRef, assemble
from bench.data.index import FileIndex, Scan
from bench.data.patients import PatientTable, find_table, patient_of
from bench.data.resize import Image, to_size
from bench.data.series import Found
from bench.errors import BenchError

READER_VERSION = 1  # raise it when other pixels are read from the same bytes
HELD_FILES = 2  # decompressed volumes kept; two reconstructions of one scan are read in turns


class FolderFiles:
    """The slices in the files below one folder; see ``bench.data.sources.SliceSource``."""

    conditions: tuple[str, ...] = ()

    def __init__(self, name: str, source: spec.FolderSource, *, base: Path, index_cache: Path | None) -> None:
        self.name, self.spec = name, source
        self._base, self._folder, self._index_cache = base, base / source.path, index_cache
        self._catalogue: Catalogue | None = None
        self._held: dict[str, npt.NDArray[Any]] = {}

    def catalogue(self) -> Catalogue:
        """Return what the folder holds; files are read once and their scans remembered.

        Raises:
            BenchError: the folder is not there, or a file in it cannot be used.
        """
        if self._catalogue is None:
            self._catalogue = self._build()
        return self._catalogue

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Return the slice as an object to project, its reference, and the pixel of the reference in cm.

        mu in 1/cm, float32: the object (2 size, 2 size), the reference (size, size).

        Raises:
            BenchError: the file has changed or cannot be decoded.
        """
        path = self._folder / ref.file
        native = readers.to_mu(self._pixels(ref, path), self.spec.unit, path)
        pixel_cm = ref.pixel_mm / 10.0 * native.shape[0] / size
        return to_size(native, 2 * size), to_size(native, size), pixel_cm

    def pair(self, ref: SliceRef, condition: str, size: int) -> tuple[Image, Image, float]:
        """Refuse: a folder of slices holds no pairs."""
        raise BenchError(
            f"source {self.name} holds no pairs of condition {condition}", remedy="project its slices"
        )

    def _build(self) -> Catalogue:
        folder, source = self._folder, self.spec
        table = find_table(source.patients, folder, self._base) if folder.is_dir() else None
        index = FileIndex.open(self._index_cache)
        try:
            found, refused = _scan(folder, source, index)
        finally:
            index.save()
        if not found:
            raise _nothing(folder, source, refused)
        remarks: tuple[str, ...] = ()
        if source.kind == "dicom":
            found, left_out, remarks = dicom_series.choose(self.name, found, source, folder, self._base)
            refused += left_out
        _refuse_crops(found, source, folder)
        return assemble(
            self.name,
            source.kind,
            [ref for relative, scan in found for ref in _refs(relative, scan, source, table, folder)],
            fingerprint=_fingerprint(found, source, table),
            refused=refused,
            files=[(relative, scan["sha256"]) for relative, scan in found],
            remarks=remarks,
        )

    def _pixels(self, ref: SliceRef, path: Path) -> npt.NDArray[Any]:
        if self.spec.kind == "dicom":
            from bench.data.dicom import read_hu

            values: npt.NDArray[Any] = read_hu(path)
        else:
            volume = self._volume(ref.file, path)
            if ref.index >= volume.shape[0]:
                raise BenchError("has fewer slices than before", file=path, remedy="run again")
            values = volume[ref.index]
        if values.shape != (self.spec.matrix, self.spec.matrix):
            raise BenchError(f"is now of shape {values.shape}", file=path, remedy="run again")
        return values

    def _volume(self, key: str, path: Path) -> npt.NDArray[Any]:
        volume = self._held.pop(key, None)
        if volume is None:
            volume = _load(self.spec, path)
        self._held[key] = volume
        for oldest in list(self._held)[:-HELD_FILES]:
            self._held.pop(oldest, None)
        return volume


def _load(source: spec.FolderSource, path: Path) -> npt.NDArray[Any]:
    if source.kind == "npz":
        return readers.read_npz(path)
    return readers.read_npy(path) if source.kind == "npy" else readers.read_flt(path, source.matrix)


def _scanner(source: spec.FolderSource) -> tuple[str, Scan]:
    """Return the scan of a kind of file, and the name under which its results are remembered."""
    if source.kind == "dicom":

        def scan(path: Path) -> dict[str, Any]:
            from bench.data.dicom import scan_dicom  # pydicom only where a file is new

            return scan_dicom(path)

        return "dicom", scan
    if source.kind == "flt":
        return f"flt{source.matrix}", readers.flt_scanner(source.matrix)
    return source.kind, readers.scan_npz if source.kind == "npz" else readers.scan_npy


def list_files(folder: Path, suffixes: Iterable[str] | None) -> list[str]:
    """Return the files below ``folder``, relative and sorted; hidden ones and other suffixes are left out."""
    wanted = None if suffixes is None else set(suffixes)
    found = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        if wanted is None or path.suffix.lower() in wanted:
            found.append(relative.as_posix())
    return sorted(found)


def require_folder(folder: Path, source: spec.Source) -> None:
    """Raise a ``BenchError`` with the way to get the slices where ``folder`` is not there."""
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise BenchError(what, file=folder, remedy=source.obtain or "correct the path of the source")


def _scan(folder: Path, source: spec.FolderSource, index: FileIndex) -> tuple[Found, list[tuple[str, str]]]:
    require_folder(folder, source)
    found: Found = []
    refused = []
    kind, scan = _scanner(source)
    for relative in list_files(folder, None if kind == "dicom" else [f".{source.kind}"]):
        if PurePosixPath(relative).name == "DICOMDIR":
            continue
        entry = index.look_up(kind, folder / relative, scan)
        if "refused" in entry:
            refused.append((relative, str(entry["refused"])))
        elif not entry.get("skip"):
            found.append((relative, entry))
    return found, refused


def _nothing(folder: Path, source: spec.FolderSource, refused: list[tuple[str, str]]) -> BenchError:
    if refused:
        file, reason = refused[0]
        more = f" (nor are {len(refused) - 1} other files)" if len(refused) > 1 else ""
        return BenchError(f"{reason}: not an original axial CT slice{more}", file=folder / file)
    remedy = source.obtain or "correct path or kind of the source"
    return BenchError(f"holds no {source.kind} files", file=folder, remedy=remedy)


def _refuse_crops(found: Found, source: spec.FolderSource, folder: Path) -> None:
    side = source.matrix
    crops = [(relative, scan["shape"]) for relative, scan in found if list(scan["shape"]) != [side, side]]
    if crops:
        relative, (rows, columns) = crops[0]
        more = f" (and {len(crops) - 1} more files)" if len(crops) > 1 else ""
        remedy = (
            "remove it" if rows != columns else f"remove it, or set matrix: {rows} if it is a whole slice"
        )
        raise BenchError(
            f"{rows} x {columns} pixels, not {side} x {side}: crops cannot be projected{more}",
            file=folder / relative,
            remedy=remedy,
        )


def _refs(
    relative: str, scan: dict[str, Any], source: spec.FolderSource, table: PatientTable | None, folder: Path
) -> list[SliceRef]:
    patient = patient_of(relative, scan["patient"], table, folder)
    if source.kind == "dicom":
        pixel = pixel_mm(scan["spacing_mm"], source.pixel_mm, folder / relative)
        return [SliceRef(patient, scan["uid"], relative, 0, scan["z_mm"], pixel, series=scan["series"])]
    stem = PurePosixPath(relative).with_suffix("").as_posix()
    refs = []
    for i, one in enumerate(scan["slices"]):
        name = f"{stem}/{one['label']}" if scan["volume"] else stem
        pixel = pixel_mm(one["spacing_mm"], source.pixel_mm, folder / relative)
        refs.append(SliceRef(patient, name, relative, i, one["z_mm"], pixel))
    return refs


def pixel_mm(spacing: list[float] | None, given: float | None, path: Path) -> float:
    """Return the side of a pixel in mm: what the file says, else what the source says.

    Raises:
        BenchError: neither says it, or the pixels are not square.
    """
    if spacing is None:
        if given is None:
            raise BenchError(
                "does not say the pixel spacing", file=path, remedy="give pixel_mm in the source"
            )
        return given
    rows, columns = spacing
    if not (0 < rows < 100 and abs(rows - columns) <= 1e-3 * rows):
        raise BenchError(
            f"pixel spacing {rows:g} x {columns:g} mm: not square pixels", file=path, remedy="remove it"
        )
    return rows


def _fingerprint(found: Found, source: spec.FolderSource, table: PatientTable | None) -> str:
    return spec.digest(
        {
            "reader": READER_VERSION,
            "files": [[relative, scan["sha256"]] for relative, scan in found],
            "kind": source.kind,
            "unit": source.unit,
            "pixel_mm": source.pixel_mm,
            "patients": table and table.sha256,
        },
        16,
    )
