"""Whether each DICOM slice has a place of its own in its scan, and which of several acquisitions is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.data.sources.catalogue import natural
from bench.errors import BenchError

Scan = Mapping[str, Any]
Files = Iterable[tuple[str, Scan]]
MOST_ACQUISITIONS = 12  # of one series; a scanner that counts every turn of the tube goes beyond


def whose(scan: Scan) -> str:
    """Return the patient of a slice: as the source says it (``whose``), else as the header does."""
    return str(scan.get("whose") or scan.get("patient") or "")


def scan_of(scan: Scan) -> tuple[str, str, str]:
    """Return patient, study and series: they tell scans apart where a series UID is empty or shared by several."""
    return whose(scan), str(scan["study"]), str(scan["series"])


def place_of(scan: Scan) -> float:
    """Return the position of a slice along its normal in mm, as places are compared."""
    return round(float(scan["z_mm"]), 3)


def check_places(found: Files, folder: Path) -> None:
    """Refuse two files with one SOPInstanceUID, and two slices of one scan at one position."""
    uids: dict[str, str] = {}
    places: dict[tuple[object, float], tuple[str, Scan]] = {}
    files = list(found)
    for relative, scan in files:
        copy_of = uids.setdefault(scan["uid"], relative)
        if copy_of != relative:
            message = f"has the same SOPInstanceUID as {copy_of}"
            raise BenchError(message, file=folder / relative, remedy="remove one")
        other, before = places.setdefault((scan_of(scan), place_of(scan)), (relative, scan))
        if other != relative:
            same = [one for _, one in files if scan_of(one) == scan_of(scan)]
            message = f"lies at the same position of its series (z {scan['z_mm']:g} mm) as {other}"
            what, remedy = _why(same, scan, before)
            raise BenchError(message + what, file=folder / relative, remedy=remedy)


def one_acquisition(
    found: list[tuple[str, dict[str, Any]]], number: int | None, folder: Path
) -> tuple[list[tuple[str, dict[str, Any]]], list[tuple[str, str]]]:
    """Return the files that are used and those left out with a reason, where a series holds several acquisitions.

    Acquisition ``number`` (from 1, by AcquisitionNumber) is used of each scan that has several slices at one
    position; None uses all files, and so does any other scan.

    Raises:
        BenchError: a scan has fewer acquisitions.
    """
    if number is None:
        return found, []
    scans: dict[tuple[str, str, str], list[Scan]] = {}
    for _, scan in found:
        scans.setdefault(scan_of(scan), []).append(scan)
    chosen: dict[tuple[str, str, str], str] = {}
    for key, same in scans.items():
        numbers = _acquisitions(same)
        if numbers and number > len(numbers):
            message = f"{_named(same[0])} holds {len(numbers)} acquisitions, not {number}"
            raise BenchError(message, file=folder, key="acquisition", remedy="correct it")
        if numbers:
            chosen[key] = list(numbers)[number - 1]
    used, left_out = [], []
    for relative, scan in found:
        wanted = chosen.get(scan_of(scan), scan["acquisition"])
        if scan["acquisition"] == wanted:
            used.append((relative, scan))
        else:
            left_out.append((relative, f"of acquisition {scan['acquisition']}; used is {wanted}"))
    return used, left_out


def uid_remarks(found: Files) -> list[str]:
    """Return a line where series UIDs are empty, and one where patients or studies share them."""
    empty = 0
    scans: dict[str, set[tuple[str, str]]] = {}
    for _, scan in found:
        empty += not scan["series"]
        if scan["series"]:
            scans.setdefault(scan["series"], set()).add(scan_of(scan)[:2])
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


def _why(same: Sequence[Scan], scan: Scan, before: Scan) -> tuple[str, str]:
    """Return why two slices may lie at one position of one scan, and the remedy."""
    numbers = _acquisitions(same)
    if scan["acquisition"] != before["acquisition"] and numbers:
        texts = " and ".join(f"{number or 'none'} ({n} slices)" for number, n in numbers.items())
        what = f": {_named(scan)} holds {len(numbers)} acquisitions, numbers {texts}"
        remedy = f"choose one: set acquisition: 1 (up to {len(numbers)}) in the source"
        return what, remedy
    if not scan["series"]:
        return "; its SeriesInstanceUID is empty, so two series cannot be told apart", "remove one"
    return "", "remove one"


def _acquisitions(same: Sequence[Scan]) -> dict[str, int]:
    """Return the acquisitions of one scan, each with its slices, in order; none where they explain no clash."""
    places: dict[str, list[float]] = {}
    for scan in same:
        places.setdefault(str(scan["acquisition"]), []).append(place_of(scan))
    every = [place for one in places.values() for place in one]
    if len(set(every)) == len(every) or not 1 < len(places) <= MOST_ACQUISITIONS:
        return {}
    if any(len(set(one)) < len(one) for one in places.values()):
        return {}
    return {number: len(places[number]) for number in sorted(places, key=natural)}


def _named(scan: Scan) -> str:
    return f"series {scan['series'] or 'without UID'} of patient {whose(scan) or 'without ID'}"
