"""Scans that were reconstructed at several doses: DICOM series of one patient at equal positions.

Made for the collection LDCT-and-Projection-data (Moen et al. 2021, doi 10.1002/mp.14594), whose low-dose series
are the full-dose ones with noise inserted into the projections by the manufacturer's measured model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bench import spec
from bench.data import examine, readers
from bench.data.catalogue import Catalogue, SliceRef, assemble
from bench.data.dicom import read_hu, scan_dicom
from bench.data.folders import READER_VERSION, list_files, pixel_mm, refuse_crops, require_folder
from bench.data.index import FileIndex
from bench.data.kinds import DICOM as KIND
from bench.data.patients import PatientTable, find_table, patient_of
from bench.data.pins import Pin, wanted_series
from bench.data.resize import Image, to_size
from bench.data.series import Found, check_places, check_wanted, gaps, refused
from bench.data.values import of_file
from bench.errors import BenchError

TOLERANCE_MM = 0.05  # between the positions of one slice in two series
AIR = -1000.0  # padding in a degraded slice: exactly air, as in the reference
Scans = dict[str, list[tuple[str, dict[str, Any]]]]  # patient -> file and scan of each slice, by rising z


class DosePairs:
    """Full-dose slices and what the same scan looked like at lower doses; see ``bench.data.sources.SliceSource``."""

    def __init__(self, name: str, source: spec.PairsSource, *, base: Path, index_cache: Path | None) -> None:
        self.name, self.spec = name, source
        self._base, self._root, self._index_cache = base, base / source.path, index_cache
        self._catalogue: Catalogue | None = None
        self._partners: dict[tuple[str, str], str] = {}  # condition, reference file -> degraded file

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that the source names, sorted."""
        return tuple(sorted(self.spec.degraded))

    def catalogue(self) -> Catalogue:
        """Return the reference slices of the patients that have a slice of every dose at each position.

        Raises:
            BenchError: nothing is there, a file cannot be used, or the doses of a patient do not fit each other.
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

        Raises:
            BenchError: no such condition, or a file has changed.
        """
        self.catalogue()
        file = self._partners.get((condition, ref.file))
        if file is None:
            remedy = f"it has {', '.join(self.conditions)}"
            raise BenchError(f"source {self.name} has no slices of condition {condition}", remedy=remedy)
        place, partner = self._root / ref.file, self._root / file
        reference = readers.to_mu(read_hu(place), "HU", place)
        untagged = None if "padding" in self.spec.accept else AIR
        low = read_hu(partner, padding_hu=AIR, untagged_hu=untagged)
        degraded = readers.to_mu(low, "HU", partner, clip=False)
        if degraded.shape != reference.shape:
            raise BenchError(f"is now of shape {degraded.shape}", file=partner, remedy="run again")
        pixel_cm = ref.pixel_mm / 10.0 * reference.shape[0] / size
        return to_size(degraded, size), to_size(reference, size), pixel_cm

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Refuse: doses that were measured are used as they are."""
        raise BenchError(f"source {self.name} holds pairs: there is nothing to project")

    def lesions(self, refs: Iterable[SliceRef], size: int) -> list[dict[str, str | float]]:
        """Return nothing: what lies in these slices is not known."""
        return []

    def _build(self, index: FileIndex) -> Catalogue:
        require_folder(self._root, self.spec)
        table = find_table(self.spec.patients, self._root, self._base)
        wanted = wanted_series(self.spec.series, self._base)
        found, left_out = _scan(self._root, self.spec, wanted, index)
        check_wanted(self.name, wanted, [one for files in found.values() for one in files], self._root)
        doses = {
            dose: _by_patient(files, words, table, self._root)
            for (dose, words), files in zip(_words(self.spec).items(), found.values(), strict=True)
        }
        reference = doses.pop("")
        whole = [patient for patient in reference if all(patient in scans for scans in doses.values())]
        if not whole:
            text = " and ".join(repr(words) for words in _words(self.spec).values())
            remedy = self.spec.obtain or "correct path, reference or degraded of the source"
            raise BenchError(f"no patient has slices of {text}", file=self._root, remedy=remedy)
        used = [one for patient in whole for one in reference[patient]]
        refuse_crops(used, self.spec.matrix or spec.FULL_SIZE, self._root)
        hashes = {"": {file: scan["sha256"] for file, scan in used}}
        partners: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {condition: {} for condition in doses}
        for condition, scans in doses.items():
            for patient in whole:
                partners[condition] |= _match(
                    patient, condition, reference[patient], scans[patient], self._root
                )
            of = partners[condition]
            self._partners |= {(condition, file): other for file, (other, _) in of.items()}
            hashes[condition] = {other: scan["sha256"] for other, scan in of.values()}
        refs = [self._ref(file, scan, patient) for patient in whole for file, scan in reference[patient]]
        sides = {condition: self._side(of.values(), index, of) for condition, of in partners.items()}
        examined = examine.pairs(refs, self._side(used, index), sides)
        return assemble(
            self.name,
            "pairs",
            examined.refs,
            fingerprint=self._fingerprint(hashes, table, examine.repaired(sides)),
            refused=left_out + examined.left_out,
            files=[
                (f"{dose or 'reference'}/{file}", sha)
                for dose, of in hashes.items()
                for file, sha in of.items()
            ],
            remarks=[*_alone(reference, doses, whole), *gaps(used), *examined.remarks],
        )

    def _side(
        self,
        found: Iterable[tuple[str, dict[str, Any]]],
        index: FileIndex,
        partners: Mapping[str, tuple[str, Any]] | None = None,
    ) -> examine.Side:
        """Return the values of the slices of one dose, to be held against those of a CT."""
        values = {
            file: of_file(index, KIND.scanned, "HU", self._root / file, scan, KIND.slices)
            for file, scan in found
        }
        names = None if partners is None else {file: other for file, (other, _) in partners.items()}
        return examine.Side(self._root, values, "HU", self.spec.accept, names)

    def _ref(self, file: str, scan: Mapping[str, Any], patient: str) -> SliceRef:
        text = scan.get("spacing_text", "")
        pixel = pixel_mm(scan["spacing_mm"], self.spec.pixel_mm, self._root / file, text)
        return SliceRef(patient, scan["uid"], file, 0, scan["z_mm"], pixel, series=scan["series"])

    def _fingerprint(
        self, hashes: Mapping[str, Mapping[str, str]], table: PatientTable | None, repaired: dict[str, Any]
    ) -> str:
        value = {"reader": READER_VERSION, "files": hashes, "layout": self.spec.layout, **repaired}
        rest = {"pixel_mm": self.spec.pixel_mm, "patients": table and table.sha256}
        return spec.digest(value | rest, 16)


def _words(source: spec.PairsSource) -> dict[str, str]:
    """Return the words in the name of a folder or series by which each dose is known; the reference is ''."""
    return {"": str(source.reference), **source.degraded}


def _scan(
    root: Path, source: spec.PairsSource, wanted: Mapping[str, Pin | None] | None, index: FileIndex
) -> tuple[dict[str, Found], list[tuple[str, str]]]:
    """Return the slices of each dose, told apart by their folders, or by their headers where no folder fits."""
    words = _words(source)
    files = {file: _dose(words, PurePosixPath(file).parts[:-1]) for file in list_files(root, None)}
    by_folder = any(dose is not None for dose in files.values())
    found: dict[str, Found] = {dose: [] for dose in words}
    left_out = []
    for file, dose in files.items():
        if by_folder and dose is None:
            continue
        scan = index.look_up("dicom", root / file, scan_dicom)
        if scan.get("skip"):
            continue
        known = dose if by_folder else _dose(words, [str(scan.get("description", ""))])
        reason = refused(scan, wanted) or (None if known is not None else "of no dose that the source names")
        if reason is None and wanted is not None and scan["series"] not in wanted:
            reason = "of a series that the source does not name"
        if reason is not None or known is None:
            left_out.append((file, str(reason)))
        else:
            found[known].append((file, scan))
    return found, left_out


def _dose(words: Mapping[str, str], names: Iterable[str]) -> str | None:
    text = "\n".join(names).lower()
    return next((dose for dose, word in words.items() if word.lower() in text), None)


def _by_patient(files: Found, words: str, table: PatientTable | None, root: Path) -> Scans:
    check_places(files, root)
    found: Scans = {}
    for file, scan in sorted(files, key=lambda one: float(one[1]["z_mm"])):
        of_patient = found.setdefault(patient_of(file, scan["patient"], table, root), [])
        if of_patient and float(scan["z_mm"]) - float(of_patient[-1][1]["z_mm"]) < TOLERANCE_MM:
            message = f"lies at the same position as {of_patient[-1][0]}: two series of {words!r}"
            raise BenchError(message, file=root / file, remedy="remove one of the series")
        of_patient.append((file, scan))
    return found


def _match(
    patient: str, condition: str, reference: Found, degraded: Found, root: Path
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the degraded slice of each reference file; both lists rise in z and have at most one at a place."""
    heights = np.array([float(scan["z_mm"]) for _, scan in reference])
    partners: dict[str, tuple[str, dict[str, Any]]] = {}
    alone = []
    for file, scan in degraded:
        nearest = int(np.argmin(np.abs(heights - float(scan["z_mm"]))))
        if abs(heights[nearest] - float(scan["z_mm"])) > TOLERANCE_MM:
            alone.append((file, "no slice of full dose"))
        else:
            partners[reference[nearest][0]] = (file, scan)
    alone += [(file, f"no slice of {condition}") for file, _ in reference if file not in partners]
    if alone:
        file, what = alone[0]
        message = f"{what} of patient {patient} lies at its position ({len(alone)} slices are alone)"
        raise BenchError(message, file=root / file, remedy="fetch the series anew, or remove the patient")
    for file, scan in reference:
        _check_grid(root / file, scan, root / partners[file][0], partners[file][1])
    return partners


def _check_grid(file: Path, scan: Mapping[str, Any], other_file: Path, other: Mapping[str, Any]) -> None:
    """Refuse a partner on other pixels: another field of view, or a shifted one."""
    same = scan["shape"] == other["shape"] and bool(scan["spacing_mm"]) == bool(other["spacing_mm"])
    for key in ("spacing_mm", "corner_mm"):
        same = same and np.allclose(scan[key] or 0, other[key] or 0, rtol=0, atol=TOLERANCE_MM / 10)
    if not same:
        raise BenchError(f"has other pixels or another field of view than {file}", file=other_file)


def _alone(reference: Scans, doses: Mapping[str, Scans], whole: list[str]) -> list[str]:
    patients = sorted({*reference, *(p for scans in doses.values() for p in scans)} - set(whole))
    if not patients:
        return []
    return [f"left out for lack of a dose: {', '.join(patients)}"]
