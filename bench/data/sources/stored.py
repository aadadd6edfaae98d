"""Pairs already on disk: degraded and reference slices in the study's layout or in two or more folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy.typing as npt

from bench.config import schema
from bench.data.files import arrays
from bench.data.files.index import FileIndex, Scan
from bench.data.files.listing import list_files, told
from bench.data.files.padding import untagged
from bench.data.files.patients import PatientTable, find_table, patient_of
from bench.data.files.resize import Image, to_size
from bench.data.files.values import Pixels, in_hu, of_file, plain
from bench.data.sources import examine
from bench.data.sources.catalogue import UNKNOWN, Catalogue, SliceRef, assemble
from bench.data.sources.folder import READER_VERSION, require_folder
from bench.errors import BenchError
from bench.names import nfc, on_disk

STUDY_REFERENCE = "images/ndct"
STUDY_ROOMS = ("images", "sparseview")
PARTS = ("train", "test")
SUFFIXES = (".flt", ".npy", ".npz")
OUTSIDE = "file in neither train nor test"  # kinds under which files are counted that are passed over
NOT_NAMED = "file in a folder that the source does not name"


class StoredPairs:
    """Degraded and reference slices in files of equal names; see ``bench.data.sources.open.SliceSource``."""

    def __init__(
        self,
        name: str,
        source: schema.StudyPairs | schema.FolderPairs,
        *,
        base: Path,
        index_cache: Path | None,
    ) -> None:
        self.name, self.spec = name, source
        self._base, self._root, self._index_cache = base, base / source.path, index_cache
        self._catalogue: Catalogue | None = None
        self._matrix = source.matrix
        self._spelled: dict[Path, dict[str, str]] = {}  # of each folder: a name in NFC -> as it is on disk
        self._skipped: Counter[str] = Counter()

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that have a folder of degraded slices, sorted."""
        return tuple(sorted(self._folders()))

    def catalogue(self) -> Catalogue:
        """Return the reference slices, after a check that every degraded slice has its reference and back.

        Raises:
            BenchError: a folder or a partner is not there, or a file cannot be used.
        """
        if self._catalogue is None:
            index = FileIndex.open(self._index_cache)
            try:
                self._catalogue = self._build(index)
            finally:
                index.save()
        return self._catalogue

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

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Refuse: pairs on disk are used as they are."""
        raise BenchError(f"source {self.name} holds pairs: there is nothing to project")

    def lesions(self, refs: Iterable[SliceRef], size: int) -> list[dict[str, str | float]]:
        """Return nothing: what lies in these slices is not known."""
        return []

    def _reference(self) -> Path:
        named = STUDY_REFERENCE if self.spec.layout == "study" else self.spec.reference
        return on_disk(self._root / named)

    def _folders(self) -> dict[str, Path]:
        """Return the folder of the degraded slices of each condition."""
        if self.spec.layout == "folders":
            return {name: on_disk(self._root / folder) for name, folder in self.spec.degraded.items()}
        found: dict[str, Path] = {}
        for room in STUDY_ROOMS:
            for folder in sorted((self._root / room).glob("*")):
                if (
                    folder.is_dir()
                    and folder != self._reference()
                    and any((folder / p).is_dir() for p in PARTS)
                ):
                    found.setdefault(nfc(folder.name), folder)
        return found

    def _build(self, index: FileIndex) -> Catalogue:
        require_folder(self._root, self.spec)
        reference, folders = self._reference(), self._folders()
        require_folder(reference, self.spec)
        if not folders:
            raise BenchError(
                "holds no folder of degraded slices", file=self._root, remedy="e.g. images/ldct_7e4/train"
            )
        table = find_table(self.spec.patients, self._root, self._base)
        scans = self._scans(index, reference)
        sides = {}
        if not scans:
            there = f", but {told(self._skipped)}" if self._skipped else ""
            remedy = self.spec.obtain or "correct the path"
            raise BenchError(f"holds no slices{there}", file=reference, remedy=remedy)
        hashes = {"": {file: scan["sha256"] for file, scan in scans.items()}}
        used = [(f"reference/{file}", sha256) for file, sha256 in hashes[""].items()]
        for condition, folder in sorted(folders.items()):
            require_folder(folder, self.spec)
            degraded = self._scans(index, folder)
            _check_partners(scans, degraded, reference, folder)
            hashes[condition] = {file: scan["sha256"] for file, scan in degraded.items()}
            sides[condition] = self._side(index, folder, degraded)
            used += [(f"{condition}/{file}", sha256) for file, sha256 in hashes[condition].items()]
        read = [reference, *folders.values(), table.place if table else None]
        beside = list_files(self._root, None, apart=read)
        self._skipped += beside.skipped
        self._skipped[NOT_NAMED] += len(beside.files)
        refs = [ref for file, scan in scans.items() for ref in self._refs(file, scan, table)]
        whole = self.spec.layout == "study"
        examined = examine.pairs(refs, self._side(index, reference, scans), sides, whole=whole)
        return assemble(
            self.name,
            "pairs",
            examined.refs,
            fingerprint=self._fingerprint(hashes, table, examine.repaired(sides)),
            patients_known=table is not None or self.spec.patient_from is not None,
            refused=examined.left_out,
            files=used,
            remarks=examined.remarks,
            skipped=+self._skipped,
        )

    def _side(self, index: FileIndex, folder: Path, scans: dict[str, dict[str, Any]]) -> examine.Side:
        """Return the values of the slices of one folder, to be held against those of a CT."""
        unit = self.spec.unit

        def slices(path: Path) -> Iterable[Pixels]:
            return plain(self._volume(path))

        spelled = self._spelled[folder]
        values = {
            file: of_file(index, self._kind(file)[0], unit, folder / spelled[file], scan, slices)
            for file, scan in scans.items()
        }
        by_reference = {there: file for file, there in self._spelled[self._reference()].items()}
        return examine.Side(folder, values, unit, self.spec.accept, by_reference)

    def _scans(self, index: FileIndex, folder: Path) -> dict[str, dict[str, Any]]:
        """Return the scan of each file of a folder by its name in NFC; the others are counted."""
        study = self.spec.layout == "study"
        listing = list_files(folder, [".flt"] if study else SUFFIXES, masks=True)
        self._skipped += listing.skipped
        files = listing.files
        if study:
            files = [file for file in files if PurePosixPath(file).parts[0] in PARTS]
            self._skipped[OUTSIDE] += len(listing.files) - len(files)
        self._spelled[folder] = {nfc(file): file for file in files}
        scanned = {file: self._kind(file) for file in files}
        return {nfc(file): index.look_up(kind, folder / file, scan) for file, (kind, scan) in scanned.items()}

    def _kind(self, file: str) -> tuple[str, Scan]:
        """Return the name of a kind of file, and its scan."""
        flt: tuple[str, Scan] = (f"flt{self._matrix or ''}", arrays.flt_scanner(self._matrix))
        kinds = {".flt": flt, ".npy": ("npy", arrays.scan_npy), ".npz": ("npz", arrays.scan_npz)}
        return kinds[PurePosixPath(file).suffix.lower()]

    def _refs(self, file: str, scan: dict[str, Any], table: PatientTable | None) -> list[SliceRef]:
        path, rule = PurePosixPath(file), self.spec.patient_from
        part = path.parts[0] if self.spec.layout == "study" else None
        known = table is not None or rule is not None
        patient = patient_of(file, None, table, self._reference(), rule) if known else UNKNOWN
        stem, pixel = path.with_suffix("").as_posix(), self.spec.pixel_mm or 1.0
        return [
            SliceRef(
                patient,
                f"{stem}/{one['label']}" if scan["volume"] else stem,
                self._spelled[self._reference()][file],
                i,
                one["z_mm"],
                pixel,
                part,
            )
            for i, one in enumerate(scan["slices"])
        ]

    def _volume(self, path: Path) -> npt.NDArray[Any]:
        if path.suffix.lower() == ".flt":
            return arrays.read_flt(path, self._matrix)
        return arrays.read_npz(path) if path.suffix.lower() == ".npz" else arrays.read_npy(path)

    def _slice(self, path: Path, index: int, *, clip: bool) -> Image:
        """Return a slice as mu in 1/cm; padding is air, in the degraded one too, whose noise below air stays."""
        volume = self._volume(path)
        if index >= volume.shape[0]:
            raise BenchError("has fewer slices than before", file=path, remedy="run again")
        mu = arrays.to_mu(volume[index], self.spec.unit, path, clip=clip)
        if not clip and "padding" not in self.spec.accept:
            padding = untagged(in_hu(volume[index], self.spec.unit))
            if padding is not None:
                mu[padding] = 0.0
        return mu

    def _fingerprint(
        self, hashes: dict[str, dict[str, str]], table: PatientTable | None, repaired: dict[str, Any]
    ) -> str:
        value = {
            "reader": READER_VERSION,
            "files": hashes,
            "layout": self.spec.layout,
            "unit": self.spec.unit,
            "pixel_mm": self.spec.pixel_mm,
            "patients": table and table.sha256,
            **repaired,
        }
        rule = {"patient_from": self.spec.patient_from} if self.spec.patient_from else {}
        return schema.digest(value | rule, 16)


def _check_partners(
    scans: dict[str, dict[str, Any]], degraded: dict[str, dict[str, Any]], reference: Path, folder: Path
) -> None:
    for have, want, place in ((degraded, scans, reference), (scans, degraded, folder)):
        absent = sorted(set(have) - set(want))
        if absent:
            more = f" ({len(absent)} are missing)" if len(absent) > 1 else ""
            partner = folder if place == reference else reference
            raise BenchError(f"missing, but its partner is in {partner}{more}", file=place / absent[0])
    for file, scan in degraded.items():
        if scan["shape"] != scans[file]["shape"] or len(scan["slices"]) != len(scans[file]["slices"]):
            raise BenchError(f"has another shape than its reference in {reference}", file=folder / file)
        if scan["shape"][0] != scan["shape"][1]:
            raise BenchError(
                f"{scan['shape'][0]} x {scan['shape'][1]} pixels, not square", file=folder / file
            )
