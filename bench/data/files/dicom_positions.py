"""Whether each DICOM slice has a place of its own in its scan, and which of several acquisitions is used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.data.files.scan import SourceFile
from bench.errors import BenchError
from bench.names import natural

MOST_ACQUISITIONS = 12  # of one series; a scanner that counts every turn of the tube goes beyond


def scan_of(file: SourceFile) -> tuple[str, str, str]:
    """Return patient, study and series: they tell scans apart where a series UID is empty or shared by several."""
    return file.patient, file.header.study, file.header.series


def place_of(file: SourceFile) -> float:
    """Return the position of a slice along its normal in mm, as places are compared."""
    return round(file.z_mm, 3)


def check_places(files: Sequence[SourceFile], folder: Path) -> None:
    """Refuse two files with one SOPInstanceUID, and two slices of one scan at one position."""
    uids: dict[str, str] = {}
    places: dict[tuple[object, float], SourceFile] = {}
    for file in files:
        copy_of = uids.setdefault(file.header.uid, file.path)
        if copy_of != file.path:
            message = f"has the same SOPInstanceUID as {copy_of}"
            raise BenchError(message, file=folder / file.path, remedy="remove one")
        other = places.setdefault((scan_of(file), place_of(file)), file)
        if other is not file:
            same = [one for one in files if scan_of(one) == scan_of(file)]
            message = f"lies at the same position of its series (z {file.z_mm:g} mm) as {other.path}"
            what, remedy = _why(same, file, other)
            raise BenchError(message + what, file=folder / file.path, remedy=remedy)


def one_acquisition(
    files: Sequence[SourceFile], number: int | None, folder: Path
) -> tuple[list[SourceFile], list[tuple[str, str]]]:
    """Return the files that are used and those left out with a reason, where a series holds several acquisitions.

    Acquisition ``number`` (from 1, by AcquisitionNumber) is used of each scan that has several slices at one
    position; None uses all files, and so does any other scan.

    Raises:
        BenchError: a scan has fewer acquisitions.
    """
    if number is None:
        return list(files), []
    scans: dict[tuple[str, str, str], list[SourceFile]] = {}
    for file in files:
        scans.setdefault(scan_of(file), []).append(file)
    chosen: dict[tuple[str, str, str], str] = {}
    for key, same in scans.items():
        numbers = _acquisitions(same)
        if numbers and number > len(numbers):
            message = f"{_named(same[0])} holds {len(numbers)} acquisitions, not {number}"
            raise BenchError(message, file=folder, key="acquisition", remedy="correct it")
        if numbers:
            chosen[key] = list(numbers)[number - 1]
    used, left_out = [], []
    for file in files:
        acquisition = file.header.acquisition
        other = chosen.get(scan_of(file), acquisition)
        if acquisition == other:
            used.append(file)
        else:
            left_out.append((file.path, f"of acquisition {acquisition}; used is {other}"))
    return used, left_out


def uid_remarks(files: Iterable[SourceFile]) -> list[str]:
    """Return a line where series UIDs are empty, and one where patients or studies share them."""
    empty = 0
    scans: dict[str, set[tuple[str, str]]] = {}
    for file in files:
        uid = file.header.series
        empty += not uid
        if uid:
            scans.setdefault(uid, set()).add(scan_of(file)[:2])
    lines = []
    if empty:
        lines.append(
            f"SeriesInstanceUID is empty in {empty} slices: scans are told apart by patient and study"
        )
    shared = [(uid, of) for uid, of in sorted(scans.items()) if len(of) > 1]
    if shared:
        uid, of = shared[0]
        patients = sorted({patient for patient, _ in of}, key=natural)
        names = ", ".join(patients[:3]) + (f" and {len(patients) - 3} more" if len(patients) > 3 else "")
        more = f", and {len(shared) - 1} more are shared" if len(shared) > 1 else ""
        lines.append(
            f"SeriesInstanceUID {uid} is shared by {len(of)} studies of patients {names}{more}: scans are told "
            "apart by patient and study"
        )
    return lines


def _why(same: Sequence[SourceFile], file: SourceFile, before: SourceFile) -> tuple[str, str]:
    """Return why two slices may lie at one position of one scan, and the remedy."""
    numbers = _acquisitions(same)
    if file.header.acquisition != before.header.acquisition and numbers:
        texts = " and ".join(f"{number or 'none'} ({n} slices)" for number, n in numbers.items())
        what = f": {_named(file)} holds {len(numbers)} acquisitions, numbers {texts}"
        remedy = f"choose one: set acquisition: 1 (up to {len(numbers)}) in the source"
        return what, remedy
    if not file.header.series:
        return "; its SeriesInstanceUID is empty, so two series cannot be told apart", "remove one"
    return "", "remove one"


def _acquisitions(same: Sequence[SourceFile]) -> dict[str, int]:
    """Return the acquisitions of one scan, each with its slices, in order; none where they explain no clash."""
    places: dict[str, list[float]] = {}
    for file in same:
        places.setdefault(file.header.acquisition, []).append(place_of(file))
    every = [place for one in places.values() for place in one]
    if len(set(every)) == len(every) or not 1 < len(places) <= MOST_ACQUISITIONS:
        return {}
    if any(len(set(one)) < len(one) for one in places.values()):
        return {}
    return {number: len(places[number]) for number in sorted(places, key=natural)}


def _named(file: SourceFile) -> str:
    return f"series {file.header.series or 'without UID'} of patient {file.patient or 'without ID'}"
