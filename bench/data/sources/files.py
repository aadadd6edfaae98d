"""What the sources of slices on disk have in common: whose each file is, its slices, values and fingerprint."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bench.config import schema
from bench.data.files.file_format import FileFormat
from bench.data.files.index import FileIndex
from bench.data.files.patients import PatientTable, find_table, patient_of
from bench.data.files.scan import FileScan, SourceFile
from bench.data.sources import examine
from bench.data.sources.catalogue import Catalogue, SliceRef
from bench.data.sources.patient_checks import Claim, check_claims
from bench.data.sources.source import Source
from bench.errors import BenchError

READER_VERSION = 1  # raise it when other pixels are read from the same bytes

FileSpec = TypeVar("FileSpec", schema.FolderSource, schema.DicomPairs, schema.StudyPairs | schema.FolderPairs)


class FileSource(Source[FileSpec]):
    """A source in the files below one folder."""

    @property
    def _folder(self) -> Path:
        return self._base / self.spec.path

    def _scan(self) -> Catalogue:
        require_folder(self._folder, self.spec)
        table = find_table(self.spec.patients, self._folder, self._base)
        with FileIndex.open(self._index_cache) as index:
            return self._scan_files(index, table)

    @abstractmethod
    def _scan_files(self, index: FileIndex, table: PatientTable | None) -> Catalogue: ...

    def _of_patients(
        self,
        scans: Iterable[tuple[str, FileScan]],
        table: PatientTable | None,
        *,
        strict: bool = False,
        passed_over: Callable[[str], bool] | None = None,
    ) -> tuple[list[SourceFile], list[str]]:
        """Return the files with their patients, and remarks on patients that may be none; see ``check_claims``."""
        rule = self.spec.patient_from
        files = [
            SourceFile(path, scan, patient_of(path, scan.patient, table, self._folder, rule))
            for path, scan in scans
        ]
        if table is not None or rule is not None:
            return files, []
        claims = (Claim(file.path, file.scan.patient, file.scan.volume) for file in files)
        return files, check_claims(claims, self._folder, strict=strict, passed_over=passed_over)

    def _refs(self, file: SourceFile, stem: str) -> list[SliceRef]:
        """Return the slices of a file; they are called by their UID, else by ``stem`` and their label."""
        header, scan, place = file.scan.header, file.scan, self._folder / file.path
        series, text = (None, "") if header is None else (header.series, header.spacing_text)
        prefix = "" if header is not None else f"{stem}/"
        return [
            SliceRef(
                file.patient,
                f"{prefix}{one.label}" if header is not None or scan.volume else stem,
                file.path,
                i,
                one.z_mm,
                pixel_mm(one.spacing_mm, self.spec.pixel_mm, place, text),
                series=series,
            )
            for i, one in enumerate(scan.slices)
        ]

    def _side(
        self,
        index: FileIndex,
        format: FileFormat,
        files: Iterable[SourceFile],
        partners: Mapping[str, str] | None = None,
    ) -> examine.Side:
        """Return the values of the slices of some files, to be held against those of a CT."""
        unit = self.spec.unit
        values = {
            file.path: index.values(format, unit, self._folder / file.path, file.scan) for file in files
        }
        return examine.Side(self._folder, values, unit, self.spec.accept, partners)

    def _fingerprint(self, table: PatientTable | None, **content: Any) -> str:
        """Return what stands for the content of a source: its files, and the keys by which they are read."""
        value = {
            "reader": READER_VERSION,
            "pixel_mm": self.spec.pixel_mm,
            "patients": table and table.sha256,
            **content,
        }
        rule = {"patient_from": self.spec.patient_from} if self.spec.patient_from else {}
        return schema.digest(value | rule, 16)


def require_folder(folder: Path, source: schema.Source) -> None:
    """Raise a ``BenchError`` with the way to get the slices where ``folder`` is not there."""
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise BenchError(what, file=folder, remedy=source.obtain or "correct the path of the source")


def refuse_crops(files: Iterable[SourceFile], side: int, folder: Path) -> None:
    """Raise a ``BenchError`` that names the first file whose slices are not ``side`` x ``side`` pixels."""
    crops = [file for file in files if file.scan.shape != (side, side)]
    if crops:
        rows, columns = crops[0].scan.shape
        more = f" (and {len(crops) - 1} more files)" if len(crops) > 1 else ""
        remedy = (
            "remove it" if rows != columns else f"remove it, or set matrix: {rows} if it is a whole slice"
        )
        raise BenchError(
            f"{rows} x {columns} pixels, not {side} x {side}: crops cannot be projected{more}",
            file=folder / crops[0].path,
            remedy=remedy,
        )


def pixel_mm(spacing: tuple[float, float] | None, given: float | None, path: Path, text: str = "") -> float:
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
