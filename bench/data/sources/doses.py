"""Scans that were reconstructed at several doses: DICOM series of one patient at equal positions.

Made for the collection LDCT-and-Projection-data (Moen et al. 2021, doi 10.1002/mp.14594), whose low-dose series
are the full-dose ones with noise inserted into the projections by the manufacturer's measured model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from bench.config import schema
from bench.data.files import arrays
from bench.data.files.dicom_format import dicom_format
from bench.data.files.dicom_positions import check_places, one_acquisition, uid_remarks
from bench.data.files.dicom_series import Wanted, check_wanted, gaps, refused
from bench.data.files.index import FileIndex
from bench.data.files.listing import Listing, kind_of_name, list_files, told
from bench.data.files.patients import PatientTable
from bench.data.files.pins import pin_file, wanted_series
from bench.data.files.resize import Image, to_size
from bench.data.files.scan import FileScan, SourceFile
from bench.data.sources import examine
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.sources.dose_names import DoseWords, words_of
from bench.data.sources.files import FileSource, refuse_crops
from bench.errors import BenchError

TOLERANCE_MM = 0.05  # between the positions of one slice in two series
AIR = -1000.0  # padding in a degraded slice: exactly air, as in the reference
Scans = dict[str, list[SourceFile]]  # patient -> the slices of one dose, by rising z
Partners = dict[str, SourceFile]  # file of a reference slice -> the degraded slice at its position


class DosePairs(FileSource[schema.DicomPairs]):
    """Full-dose slices and what the same scan looked like at lower doses (``Paired``)."""

    def __init__(self, name: str, spec: schema.DicomPairs, *, base: Path, index_cache: Path | None) -> None:
        super().__init__(name, spec, base=base, index_cache=index_cache)
        self._format = dicom_format()
        self._partners: dict[str, Partners] = {}  # of each condition

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that the source names, sorted."""
        return tuple(sorted(self.spec.degraded))

    def pair(self, ref: SliceRef, condition: str, size: int) -> tuple[Image, Image, float]:
        """Return (degraded, reference, pixel in cm): mu in 1/cm, float32 (size, size), degraded not clipped.

        Raises:
            BenchError: no such condition, or a file has changed.
        """
        from bench.data.files.dicom import read_hu  # late: pydicom takes a second to import

        self.catalogue()
        file = self._partners.get(condition, {}).get(ref.file)
        if file is None:
            remedy = f"it has {', '.join(self.conditions)}"
            raise BenchError(f"source {self.name} has no slices of condition {condition}", remedy=remedy)
        place, partner = self._folder / ref.file, self._folder / file.path
        reference = arrays.to_mu(read_hu(place), "HU", place)
        untagged = None if "padding" in self.spec.accept else AIR
        low = read_hu(partner, padding_hu=AIR, untagged_hu=untagged)
        degraded = arrays.to_mu(low, "HU", partner, clip=False)
        if degraded.shape != reference.shape:
            raise BenchError(f"is now of shape {degraded.shape}", file=partner, remedy="run again")
        pixel_cm = ref.pixel_mm / 10.0 * reference.shape[0] / size
        return to_size(degraded, size), to_size(reference, size), pixel_cm

    def _scan_files(self, index: FileIndex, table: PatientTable | None) -> Catalogue:
        series = wanted_series(self.spec.series, self._base)
        apart = [table.place if table else None, pin_file(self.spec.series, self._base)]
        listing = list_files(self._folder, None, apart=apart)
        words = DoseWords(words_of(self.spec), [_folders(file) for file in listing.files])
        scans, dose_of, left_out = self._usable(listing, words, series, index)
        files, remarks = self._of_patients(scans, table, strict=True, passed_over=words.names_a_dose)
        check_wanted(self.name, series, files, self._folder)
        doses: dict[str, Scans] = {}
        for dose, word in words_of(self.spec).items():
            of_dose = [file for file in files if dose_of[file.path] == dose]
            of_dose, others = one_acquisition(of_dose, self.spec.acquisition, self._folder)
            left_out += others
            doses[dose] = _by_patient(of_dose, word, self._folder)
        reference = doses.pop("")
        patients = self._with_every_dose(reference, doses, listing)
        used = [file for patient in patients for file in reference[patient]]
        refuse_crops(used, self.spec.matrix, self._folder)
        self._partners = {
            condition: self._match(condition, patients, reference, scans)
            for condition, scans in doses.items()
        }
        remarks += [*_alone(reference, doses, patients), *uid_remarks(files), *gaps(used)]
        return self._examined(index, table, used, remarks, left_out, listing)

    def _examined(
        self,
        index: FileIndex,
        table: PatientTable | None,
        used: Sequence[SourceFile],
        remarks: Sequence[str],
        left_out: list[tuple[str, str]],
        listing: Listing,
    ) -> Catalogue:
        """Return the catalogue of the reference slices ``used`` whose values and partners are those of a CT."""
        refs = [ref for file in used for ref in self._refs(file, file.path)]
        sides = {
            condition: self._side(
                index, self._format, of.values(), {file: other.path for file, other in of.items()}
            )
            for condition, of in self._partners.items()
        }
        examined = examine.pairs(refs, self._side(index, self._format, used), sides)
        hashes = {"": {file.path: file.scan.sha256 for file in used}} | {
            condition: {other.path: other.scan.sha256 for other in of.values()}
            for condition, of in self._partners.items()
        }
        content = {"files": hashes, "layout": self.spec.layout, **examine.repaired(sides)}
        return assemble(
            self.name,
            "pairs",
            examined.refs,
            fingerprint=self._fingerprint(table, **content),
            refused=left_out + examined.left_out,
            files=[
                (f"{dose or 'reference'}/{path}", sha256)
                for dose, of_dose in hashes.items()
                for path, sha256 in of_dose.items()
            ],
            remarks=[*remarks, *examined.remarks],
            skipped=listing.skipped,
        )

    def _usable(
        self, listing: Listing, words: DoseWords, series: Wanted, index: FileIndex
    ) -> tuple[list[tuple[str, FileScan]], dict[str, str], list[tuple[str, str]]]:
        """Return the usable files, the dose of each ("": the reference), and the refused ones with a reason.

        Doses are told apart by folders, or by headers where no folder fits. What is passed over is counted in
        ``listing``.
        """
        doses = {file: words.dose(_folders(file)) for file in listing.files}
        by_folder = any(dose is not None for dose in doses.values())
        by_header = DoseWords(words_of(self.spec), [])
        scans: list[tuple[str, FileScan]] = []
        dose_of: dict[str, str] = {}
        left_out = []
        for file, dose in doses.items():
            if by_folder and dose is None:
                listing.skipped["file in a folder of no dose"] += 1
                continue
            scan = index.scan(self._format, self._folder / file)
            if scan.no_image is not None:
                listing.skipped[scan.no_image or kind_of_name(file)] += 1
                continue
            if not by_folder:
                dose = by_header.dose([scan.header.description if scan.header else ""])
            reason = refused(scan, series)
            if reason is None and dose is None:
                reason = "of no dose that the source names"
            if reason is None and series is not None and scan.header and scan.header.series not in series:
                reason = "of a series that the source does not name"
            if reason is not None or dose is None:
                left_out.append((file, str(reason)))
            else:
                scans.append((file, scan))
                dose_of[file] = dose
        return scans, dose_of, left_out

    def _with_every_dose(self, reference: Scans, doses: Mapping[str, Scans], listing: Listing) -> list[str]:
        """Return the patients that have slices of every dose."""
        patients = [patient for patient in reference if all(patient in scans for scans in doses.values())]
        if not patients:
            text = " and ".join(repr(word) for word in words_of(self.spec).values())
            there = f" (there are {told(listing.skipped)})" if listing.skipped else ""
            remedy = self.spec.obtain or "correct path, reference or degraded of the source"
            raise BenchError(f"no patient has slices of {text}{there}", file=self._folder, remedy=remedy)
        return patients

    def _match(self, condition: str, patients: Iterable[str], reference: Scans, degraded: Scans) -> Partners:
        """Return the degraded slice of each reference file."""
        partners: Partners = {}
        for patient in patients:
            partners |= _match(patient, condition, reference[patient], degraded[patient], self._folder)
        return partners


def _folders(file: str) -> tuple[str, ...]:
    return PurePosixPath(file).parts[:-1]


def _by_patient(files: Sequence[SourceFile], word: str, root: Path) -> Scans:
    """Return the slices of one dose by patient."""
    check_places(files, root)
    scans: Scans = {}
    for file in sorted(files, key=lambda file: file.z_mm):
        of_patient = scans.setdefault(file.patient, [])
        if of_patient and file.z_mm - of_patient[-1].z_mm < TOLERANCE_MM:
            raise _clash(file.path, of_patient[-1].path, word, file.patient, root)
        of_patient.append(file)
    return scans


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
    patient: str, condition: str, reference: Sequence[SourceFile], degraded: Sequence[SourceFile], root: Path
) -> Partners:
    """Return the degraded slice of each reference file; both lists rise in z and have at most one at a place."""
    heights = np.array([file.z_mm for file in reference])
    partners: Partners = {}
    alone = []
    for file in degraded:
        nearest = int(np.argmin(np.abs(heights - file.z_mm)))
        if abs(heights[nearest] - file.z_mm) > TOLERANCE_MM:
            alone.append((file.path, "no slice of full dose"))
        else:
            partners[reference[nearest].path] = file
    alone += [(file.path, f"no slice of {condition}") for file in reference if file.path not in partners]
    if alone:
        path, what = alone[0]
        message = f"{what} of patient {patient} lies at its position ({len(alone)} slices are alone)"
        raise BenchError(message, file=root / path, remedy="fetch the series anew, or remove the patient")
    for file in reference:
        _check_grid(file, partners[file.path], root)
    return partners


def _check_grid(file: SourceFile, other: SourceFile, root: Path) -> None:
    """Refuse a partner on other pixels: another field of view, or a shifted one."""
    same = file.scan.shape == other.scan.shape and bool(file.spacing_mm) == bool(other.spacing_mm)
    for one, two in (
        (file.spacing_mm, other.spacing_mm),
        (file.header.corner_mm, other.header.corner_mm),
    ):
        same = same and np.allclose(one or 0, two or 0, rtol=0, atol=TOLERANCE_MM / 10)
    if not same:
        message = f"has other pixels or another field of view than {root / file.path}"
        raise BenchError(message, file=root / other.path)


def _alone(reference: Scans, doses: Mapping[str, Scans], whole: list[str]) -> list[str]:
    patients = sorted({*reference, *(p for scans in doses.values() for p in scans)} - set(whole))
    if not patients:
        return []
    return [f"left out for lack of a dose: {', '.join(patients)}"]
