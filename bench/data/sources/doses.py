"""Scans that were reconstructed at several doses: DICOM series of one patient at equal positions.

Made for the collection LDCT-and-Projection-data (Moen et al. 2021, doi 10.1002/mp.14594), whose low-dose series
are the full-dose ones with noise inserted into the projections by the manufacturer's measured model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bench.config import schema
from bench.data.files import arrays
from bench.data.files.dicom import read_hu, scan_dicom
from bench.data.files.dicom_positions import check_places, one_acquisition, uid_remarks
from bench.data.files.dicom_series import Found, check_wanted, gaps, refused
from bench.data.files.file_kinds import DICOM as KIND
from bench.data.files.index import FileIndex
from bench.data.files.listing import Listing, kind_of_name, list_files, told
from bench.data.files.patients import PatientTable, find_table, patient_of
from bench.data.files.pins import Pin, pin_file, wanted_series
from bench.data.files.resize import Image, to_size
from bench.data.files.values import of_file
from bench.data.sources import examine
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.sources.dose_names import DoseWords, words_of
from bench.data.sources.folder import READER_VERSION, pixel_mm, refuse_crops, require_folder
from bench.data.sources.patient_checks import Claim, check_claims
from bench.errors import BenchError

TOLERANCE_MM = 0.05  # between the positions of one slice in two series
AIR = -1000.0  # padding in a degraded slice: exactly air, as in the reference
Scans = dict[str, list[tuple[str, dict[str, Any]]]]  # patient -> file and scan of each slice, by rising z


class DosePairs:
    """Full-dose slices and what the same scan looked like at lower doses (a ``SliceSource``)."""

    def __init__(self, name: str, source: schema.DicomPairs, *, base: Path, index_cache: Path | None) -> None:
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
        reference = arrays.to_mu(read_hu(place), "HU", place)
        untagged = None if "padding" in self.spec.accept else AIR
        low = read_hu(partner, padding_hu=AIR, untagged_hu=untagged)
        degraded = arrays.to_mu(low, "HU", partner, clip=False)
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
        apart = [table.place if table else None, pin_file(self.spec.series, self._base)]
        listing = list_files(self._root, None, apart=apart)
        words = DoseWords(words_of(self.spec), [_folders(file) for file in listing.files])
        found, left_out = _scan(self._root, self.spec, words, listing, wanted, index)
        every = [one for files in found.values() for one in files]
        check_wanted(self.name, wanted, every, self._root)
        remarks = self._name_patients(every, words, table)
        doses = {
            dose: _by_patient(files, words_of(self.spec)[dose], self.spec.acquisition, left_out, self._root)
            for dose, files in found.items()
        }
        reference = doses.pop("")
        whole = [patient for patient in reference if all(patient in scans for scans in doses.values())]
        if not whole:
            text = " and ".join(repr(word) for word in words_of(self.spec).values())
            there = f" (there are {told(listing.skipped)})" if listing.skipped else ""
            remedy = self.spec.obtain or "correct path, reference or degraded of the source"
            raise BenchError(f"no patient has slices of {text}{there}", file=self._root, remedy=remedy)
        used = [one for patient in whole for one in reference[patient]]
        refuse_crops(used, self.spec.matrix, self._root)
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
            remarks=[
                *remarks,
                *_alone(reference, doses, whole),
                *uid_remarks(every),
                *gaps(used),
                *examined.remarks,
            ],
            skipped=listing.skipped,
        )

    def _name_patients(self, found: Found, words: DoseWords, table: PatientTable | None) -> list[str]:
        """Write into each scan ``whose`` it is, and return remarks on patients that may be none."""
        rule = self.spec.patient_from
        for relative, scan in found:
            scan["whose"] = patient_of(relative, scan["patient"], table, self._root, rule)
        if table is not None or rule is not None:
            return []
        claims = (Claim(file, scan["patient"]) for file, scan in found)
        return check_claims(claims, self._root, strict=True, passed_over=words.names_a_dose)

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
        rule = {"patient_from": self.spec.patient_from} if self.spec.patient_from else {}
        return schema.digest(value | rest | rule, 16)


def _folders(file: str) -> tuple[str, ...]:
    return PurePosixPath(file).parts[:-1]


def _scan(
    root: Path,
    source: schema.DicomPairs,
    words: DoseWords,
    listing: Listing,
    wanted: Mapping[str, Pin | None] | None,
    index: FileIndex,
) -> tuple[dict[str, Found], list[tuple[str, str]]]:
    """Return the slices of each dose, told apart by their folders, or by their headers where no folder fits.

    What is passed over is counted in ``listing``.
    """
    files = {file: words.dose(_folders(file)) for file in listing.files}
    by_folder = any(dose is not None for dose in files.values())
    by_header = DoseWords(words_of(source), [])
    found: dict[str, Found] = {dose: [] for dose in words_of(source)}
    left_out = []
    for file, dose in files.items():
        if by_folder and dose is None:
            listing.skipped["file in a folder of no dose"] += 1
            continue
        scan = index.look_up("dicom", root / file, scan_dicom)
        if scan.get("skip"):
            listing.skipped[scan.get("kind") or kind_of_name(file)] += 1
            continue
        known = dose if by_folder else by_header.dose([str(scan.get("description", ""))])
        reason = refused(scan, wanted) or (None if known is not None else "of no dose that the source names")
        if reason is None and wanted is not None and scan["series"] not in wanted:
            reason = "of a series that the source does not name"
        if reason is not None or known is None:
            left_out.append((file, str(reason)))
        else:
            found[known].append((file, scan))
    return found, left_out


def _by_patient(
    files: Found, word: str, acquisition: int | None, left_out: list[tuple[str, str]], root: Path
) -> Scans:
    """Return the slices of one dose by patient; what another acquisition leaves out is added to ``left_out``."""
    files, others = one_acquisition(files, acquisition, root)
    left_out += others
    check_places(files, root)
    found: Scans = {}
    for file, scan in sorted(files, key=lambda one: float(one[1]["z_mm"])):
        of_patient = found.setdefault(scan["whose"], [])
        if of_patient and float(scan["z_mm"]) - float(of_patient[-1][1]["z_mm"]) < TOLERANCE_MM:
            raise _clash(file, of_patient[-1][0], word, scan["whose"], root)
        of_patient.append((file, scan))
    return found


def _clash(file: str, other: str, word: str, patient: str, root: Path) -> BenchError:
    """Return the error of two slices of one patient and dose at one position, with what tells them apart."""
    first, second = _folders(other), _folders(file)
    message = f"lies at the same position as {other}: "
    if first == second:
        message += f"two series of {word!r} of patient {patient} in one folder"
        remedy = "name the one that is wanted in a pin file under series:"
        return BenchError(message, file=root / file, remedy=remedy)
    apart = [(a, b) for a, b in zip(first, second, strict=False) if a != b]
    names = apart[0] if apart else ("/".join(first), "/".join(second))
    message += f"folders {' and '.join(names)} are both {word!r} of patient {patient}"
    remedy = (
        "give names to reference and degraded that tell them apart, or patient_from if they are two patients"
    )
    return BenchError(message, file=root / file, remedy=remedy)


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
