"""Pairs already on disk: degraded and reference slices in the study's layout or in two or more folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bench.config import schema
from bench.data.files import arrays
from bench.data.files.file_format import FileFormat, format_of
from bench.data.files.index import FileIndex
from bench.data.files.listing import list_files, told
from bench.data.files.padding import untagged
from bench.data.files.patients import PatientTable, patient_of
from bench.data.files.resize import Image, to_size
from bench.data.files.scan import FileScan
from bench.data.files.values import in_hu
from bench.data.sources import examine
from bench.data.sources.catalogue import UNKNOWN, Catalogue, SliceRef, assemble
from bench.data.sources.files import FileSource, require_folder
from bench.errors import BenchError
from bench.names import nfc, on_disk

STUDY_REFERENCE = "images/ndct"
STUDY_ROOMS = ("images", "sparseview")
PARTS = ("train", "test")
OUTSIDE = "file in neither train nor test"  # kinds under which files are counted that are passed over
NOT_NAMED = "file in a folder that the source does not name"


Scans = dict[str, FileScan]  # by the name of the file in NFC


class StoredPairs(FileSource[schema.StudyPairs | schema.FolderPairs]):
    """Degraded and reference slices in files of equal names (``Paired``)."""

    def __init__(
        self, name: str, spec: schema.StudyPairs | schema.FolderPairs, *, base: Path, index_cache: Path | None
    ) -> None:
        super().__init__(name, spec, base=base, index_cache=index_cache)
        self._study = isinstance(spec, schema.StudyPairs)
        formats = (format_of(kind, spec.unit, spec.matrix) for kind in ("flt", "npy", "npz"))
        self._formats = {suffix: one for one in formats for suffix in one.suffixes or ()}
        self._spelled: dict[Path, dict[str, str]] = {}  # of each folder: a name in NFC -> as it is on disk
        self._skipped: Counter[str] = Counter()

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that have a folder of degraded slices, sorted."""
        return tuple(sorted(self._folders()))

    def pair(self, ref: SliceRef, condition: str, size: int) -> tuple[Image, Image, float]:
        """Return (degraded, reference, pixel in cm): mu in 1/cm, float32 (size, size), degraded not clipped.

        The pixel is counted from 1 mm where the source does not give one. Smaller slices are local means.

        Raises:
            BenchError: no such condition, or a file has changed.
        """
        folders = self._folders()
        if condition not in folders:
            known = ", ".join(sorted(folders)) or "none"
            raise BenchError(
                f"source {self.name} has no slices of condition {condition}", remedy=f"it has {known}"
            )
        self.catalogue()
        reference = self._slice(self._reference() / ref.file, ref.index, clip=True)
        partner = folders[condition] / self._spelled[folders[condition]].get(nfc(ref.file), ref.file)
        degraded = self._slice(partner, ref.index, clip=False)
        if degraded.shape != reference.shape or degraded.shape[0] != degraded.shape[1]:
            raise BenchError(f"{degraded.shape} pixels beside a reference of {reference.shape}", file=partner)
        pixel_cm = ref.pixel_mm / 10.0 * reference.shape[0] / size
        return to_size(degraded, size), to_size(reference, size), pixel_cm

    def _reference(self) -> Path:
        named = STUDY_REFERENCE if isinstance(self.spec, schema.StudyPairs) else self.spec.reference
        return on_disk(self._folder / named)

    def _folders(self) -> dict[str, Path]:
        """Return the folder of the degraded slices of each condition."""
        if isinstance(self.spec, schema.FolderPairs):
            return {name: on_disk(self._folder / folder) for name, folder in self.spec.degraded.items()}
        folders: dict[str, Path] = {}
        for room in STUDY_ROOMS:
            for folder in sorted((self._folder / room).glob("*")):
                if (
                    folder.is_dir()
                    and folder != self._reference()
                    and any((folder / p).is_dir() for p in PARTS)
                ):
                    folders.setdefault(nfc(folder.name), folder)
        return folders

    def _scan_files(self, index: FileIndex, table: PatientTable | None) -> Catalogue:
        reference, folders = self._reference(), self._folders()
        require_folder(reference, self.spec)
        if not folders:
            raise BenchError(
                "holds no folder of degraded slices", file=self._folder, remedy="e.g. images/ldct_7e4/train"
            )
        scans = self._scans(index, reference)
        if not scans:
            there = f", but {told(self._skipped)}" if self._skipped else ""
            remedy = self.spec.obtain or "correct the path"
            raise BenchError(f"holds no slices{there}", file=reference, remedy=remedy)
        sides = {}
        hashes = {"": {file: scan.sha256 for file, scan in scans.items()}}
        for condition, folder in sorted(folders.items()):
            require_folder(folder, self.spec)
            degraded = self._scans(index, folder)
            _check_partners(scans, degraded, reference, folder)
            hashes[condition] = {file: scan.sha256 for file, scan in degraded.items()}
            sides[condition] = self._side_of(index, folder, degraded)
        beside = list_files(
            self._folder, None, apart=[reference, *folders.values(), table.place if table else None]
        )
        self._skipped += beside.skipped
        self._skipped[NOT_NAMED] += len(beside.files)
        refs = [ref for file, scan in scans.items() for ref in self._refs_of(file, scan, table)]
        examined = examine.pairs(refs, self._side_of(index, reference, scans), sides, whole=self._study)
        content = {
            "files": hashes,
            "layout": self.spec.layout,
            "unit": self.spec.unit,
            **examine.repaired(sides),
        }
        return assemble(
            self.name,
            "pairs",
            examined.refs,
            fingerprint=self._fingerprint(table, **content),
            patients_known=table is not None or self.spec.patient_from is not None,
            refused=examined.left_out,
            files=[
                (f"{condition or 'reference'}/{file}", sha256)
                for condition, of_folder in hashes.items()
                for file, sha256 in of_folder.items()
            ],
            remarks=examined.remarks,
            skipped=+self._skipped,
        )

    def _side_of(self, index: FileIndex, folder: Path, scans: Scans) -> examine.Side:
        """Return the values of the slices of one folder, to be held against those of a CT."""
        unit, spelled = self.spec.unit, self._spelled[folder]
        values = {
            file: index.values(self._format(file), unit, folder / spelled[file], scan)
            for file, scan in scans.items()
        }
        by_reference = {there: file for file, there in self._spelled[self._reference()].items()}
        return examine.Side(folder, values, unit, self.spec.accept, by_reference)

    def _scans(self, index: FileIndex, folder: Path) -> Scans:
        """Return the scan of each file of a folder; what is passed over is counted."""
        listing = list_files(folder, [".flt"] if self._study else self._formats, masks=True)
        self._skipped += listing.skipped
        files = listing.files
        if self._study:
            files = [file for file in files if PurePosixPath(file).parts[0] in PARTS]
            self._skipped[OUTSIDE] += len(listing.files) - len(files)
        self._spelled[folder] = {nfc(file): file for file in files}
        return {nfc(file): index.scan(self._format(file), folder / file) for file in files}

    def _format(self, file: str | Path) -> FileFormat:
        return self._formats[PurePosixPath(file).suffix.lower()]

    def _refs_of(self, file: str, scan: FileScan, table: PatientTable | None) -> list[SliceRef]:
        path, rule = PurePosixPath(file), self.spec.patient_from
        part = path.parts[0] if self._study else None
        known = table is not None or rule is not None
        patient = patient_of(file, None, table, self._reference(), rule) if known else UNKNOWN
        stem, pixel = path.with_suffix("").as_posix(), self.spec.pixel_mm or 1.0
        place = self._spelled[self._reference()][file]
        return [
            SliceRef(patient, f"{stem}/{one.label}" if scan.volume else stem, place, i, one.z_mm, pixel, part)
            for i, one in enumerate(scan.slices)
        ]

    def _slice(self, path: Path, index: int, *, clip: bool) -> Image:
        """Return a slice as mu in 1/cm; padding is air, in the degraded one too, whose noise below air stays."""
        volume = self._format(path).read(path)
        if index >= volume.shape[0]:
            raise BenchError("has fewer slices than before", file=path, remedy="run again")
        mu = arrays.to_mu(volume[index], self.spec.unit, path, clip=clip)
        if not clip and "padding" not in self.spec.accept:
            padding = untagged(in_hu(volume[index], self.spec.unit))
            if padding is not None:
                mu[padding] = 0.0
        return mu


def _check_partners(
    scans: Mapping[str, FileScan], degraded: Mapping[str, FileScan], reference: Path, folder: Path
) -> None:
    """Refuse a slice without its partner, another shape than the partner's, or slices that are not square."""
    for have, want, place in ((degraded, scans, reference), (scans, degraded, folder)):
        absent = sorted(set(have) - set(want))
        if absent:
            more = f" ({len(absent)} are missing)" if len(absent) > 1 else ""
            partner = folder if place == reference else reference
            raise BenchError(f"missing, but its partner is in {partner}{more}", file=place / absent[0])
    for file, scan in degraded.items():
        (rows, columns), other = scan.shape, scans[file]
        if scan.shape != other.shape or len(scan.slices) != len(other.slices):
            raise BenchError(f"has another shape than its reference in {reference}", file=folder / file)
        if rows != columns:
            raise BenchError(f"{rows} x {columns} pixels, not square", file=folder / file)
