"""A folder of normal-dose slices in files of one kind, to be projected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from bench.config import schema
from bench.data.files import arrays, dicom_series
from bench.data.files.dicom_series import Found
from bench.data.files.file_kinds import Kind, kind_of
from bench.data.files.index import FileIndex
from bench.data.files.listing import Listing, kind_of_name, list_files, told
from bench.data.files.patients import PatientTable, find_table, patient_of
from bench.data.files.pins import Pin, pin_file, wanted_series
from bench.data.files.resize import Image, to_object
from bench.data.files.values import of_file
from bench.data.sources import examine
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.sources.patient_checks import Claim, check_claims
from bench.errors import BenchError
from bench.names import nfc

READER_VERSION = 1  # raise it when other pixels are read from the same bytes
HELD_FILES = 2  # decompressed volumes kept; two reconstructions of one scan are read in turns


class FolderFiles:
    """The slices in the files below one folder; see ``bench.data.sources.open.SliceSource``."""

    conditions: tuple[str, ...] = ()

    def __init__(
        self, name: str, source: schema.FolderSource, *, base: Path, index_cache: Path | None
    ) -> None:
        self.name, self.spec = name, source
        self._base, self._folder, self._index_cache = base, base / source.path, index_cache
        self._kind = kind_of(source)
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

        mu in 1/cm, float32: the object (2 size, 2 size), the reference (size, size); see ``to_object``.

        Raises:
            BenchError: the file has changed or cannot be decoded.
        """
        path = self._folder / ref.file
        native = arrays.to_mu(self._pixels(ref, path), self.spec.unit, path)
        pixel_cm = ref.pixel_mm / 10.0 * native.shape[0] / size
        return *to_object(native, size), pixel_cm

    def pair(self, ref: SliceRef, condition: str, size: int) -> tuple[Image, Image, float]:
        """Refuse: a folder of slices holds no pairs."""
        raise BenchError(
            f"source {self.name} holds no pairs of condition {condition}", remedy="project its slices"
        )

    def lesions(self, refs: Iterable[SliceRef], size: int) -> list[dict[str, str | float]]:
        """Return nothing: what lies in these slices is not known."""
        return []

    def _build(self) -> Catalogue:
        folder, source = self._folder, self.spec
        require_folder(folder, source)
        table, pins = find_table(source.patients, folder, self._base), pin_file(source.series, self._base)
        index = FileIndex.open(self._index_cache)
        try:
            wanted = wanted_series(source.series, self._base)
            listing = list_files(folder, self._kind.suffixes, apart=[table.place if table else None, pins])
            found, refused = _scan(folder, listing, self._kind, wanted, index)
            if not found:
                raise _nothing(folder, source, refused, listing.skipped)
            remarks = self._name_patients(found, table)
            if source.kind == "dicom":
                found, left_out, more = dicom_series.choose(self.name, found, source, folder, wanted)
                refused += left_out
                remarks += more
            refuse_crops(found, source.matrix, folder)
            refs = [ref for relative, scan in found for ref in self._refs(relative, scan)]
            examined = examine.references(refs, self._side(found, index))
        finally:
            index.save()
        return assemble(
            self.name,
            source.kind,
            examined.refs,
            fingerprint=_fingerprint(found, source, table),
            refused=refused + examined.left_out,
            files=[(relative, scan["sha256"]) for relative, scan in found],
            remarks=(*remarks, *examined.remarks),
            skipped=listing.skipped,
        )

    def _name_patients(self, found: Found, table: PatientTable | None) -> list[str]:
        """Write into each scan ``whose`` it is, and return remarks on patients that may be none."""
        rule = self.spec.patient_from
        for relative, scan in found:
            scan["whose"] = patient_of(relative, scan["patient"], table, self._folder, rule)
        if table is not None or rule is not None:
            return []
        claims = (Claim(file, scan["patient"], bool(scan.get("volume"))) for file, scan in found)
        return check_claims(claims, self._folder)

    def _side(self, found: Found, index: FileIndex) -> examine.Side:
        """Return the values of all slices, to be held against those of a CT."""
        kind, unit = self._kind, self.spec.unit
        values = {
            relative: of_file(index, kind.scanned, unit, self._folder / relative, scan, kind.slices)
            for relative, scan in found
        }
        return examine.Side(self._folder, values, unit, self.spec.accept)

    def _refs(self, relative: str, scan: dict[str, Any]) -> list[SliceRef]:
        path, given, stem = self._folder / relative, self.spec.pixel_mm, self._kind.stem(relative)
        patient = scan["whose"]
        if self.spec.kind == "dicom":
            pixel = pixel_mm(scan["spacing_mm"], given, path, scan.get("spacing_text", ""))
            return [SliceRef(patient, scan["uid"], relative, 0, scan["z_mm"], pixel, series=scan["series"])]
        return [
            SliceRef(
                patient,
                f"{stem}/{one['label']}" if scan["volume"] else stem,
                relative,
                i,
                one["z_mm"],
                pixel_mm(one["spacing_mm"], given, path),
            )
            for i, one in enumerate(scan["slices"])
        ]

    def _pixels(self, ref: SliceRef, path: Path) -> npt.NDArray[Any]:
        volume = self._kind.read(path) if self._kind.single else self._volume(ref.file, path)
        if ref.index >= volume.shape[0]:
            raise BenchError("has fewer slices than before", file=path, remedy="run again")
        values: npt.NDArray[Any] = volume[ref.index]
        if values.shape != (self.spec.matrix, self.spec.matrix):
            raise BenchError(f"is now of shape {values.shape}", file=path, remedy="run again")
        return values

    def _volume(self, key: str, path: Path) -> npt.NDArray[Any]:
        volume = self._held.pop(key, None)
        if volume is None:
            volume = self._kind.read(path)
        self._held[key] = volume
        for oldest in list(self._held)[:-HELD_FILES]:
            self._held.pop(oldest, None)
        return volume


def require_folder(folder: Path, source: schema.Source) -> None:
    """Raise a ``BenchError`` with the way to get the slices where ``folder`` is not there."""
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise BenchError(what, file=folder, remedy=source.obtain or "correct the path of the source")


def _scan(
    folder: Path, listing: Listing, kind: Kind, wanted: Mapping[str, Pin | None] | None, index: FileIndex
) -> tuple[Found, list[tuple[str, str]]]:
    """Return the usable files, and the refused ones each with its reason; the rest is counted in ``listing``."""
    found: Found = []
    refused = []
    for relative in listing.files:
        entry = index.look_up(kind.scanned, folder / relative, kind.scan)
        reason = dicom_series.refused(entry, wanted)
        if reason is not None:
            refused.append((relative, reason))
        elif entry.get("skip"):
            listing.skipped[entry.get("kind") or kind_of_name(relative)] += 1
        else:
            found.append((relative, entry))
    return found, refused


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


def refuse_crops(found: Found, side: int, folder: Path) -> None:
    """Raise a ``BenchError`` that names the first file whose slices are not ``side`` x ``side`` pixels."""
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


def pixel_mm(spacing: list[float] | None, given: float | None, path: Path, text: str = "") -> float:
    """Return the side of a pixel in mm: what the file says, else what the source says.

    ``text`` is what stands in the file where that is no spacing, such as numbers with a decimal comma.

    Raises:
        BenchError: neither says it, or the pixels are not square.
    """
    if spacing is None:
        if given is None and text:
            hint = ": decimal commas" if "," in text else ""
            remedy = "correct the file (two numbers with decimal points), or give pixel_mm in the source"
            raise BenchError(f"PixelSpacing {text} is not two numbers{hint}", file=path, remedy=remedy)
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


def _fingerprint(found: Found, source: schema.FolderSource, table: PatientTable | None) -> str:
    value = {
        "reader": READER_VERSION,
        "files": [[nfc(relative), scan["sha256"]] for relative, scan in found],
        "kind": source.kind,
        "unit": source.unit,
        "pixel_mm": source.pixel_mm,
        "patients": table and table.sha256,
    }
    rule = {"patient_from": source.patient_from} if source.patient_from else {}
    return schema.digest(value | rule, 16)
