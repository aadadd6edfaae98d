"""The DICOM series of a folder: which are used, what each must hold, and what a person should know of them.

A series is one reconstruction of one scan. Two series of one patient are both used, in one part; where they
lie at the same positions (two kernels, two contrast phases) a remark says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Any

from bench.config import schema
from bench.data.files.dicom_positions import check_places, one_acquisition, scan_of, uid_remarks, whose
from bench.data.files.pins import Pin
from bench.errors import BenchError
from bench.names import nfc

Found = list[tuple[str, dict[str, Any]]]  # relative path and scan of each usable file
GAP = 1.5  # steps; positions are written to 0.01 mm or so, and a missing slice makes two


def choose(
    name: str,
    found: Found,
    source: schema.FolderSource,
    folder: Path,
    wanted: Mapping[str, Pin | None] | None,
) -> tuple[Found, list[tuple[str, str]], tuple[str, ...]]:
    """Return the files that the source ``name`` uses, those left out with a reason, and remarks.

    ``wanted`` are the series that the source names, each with its pin where it has one; None: all are used.

    Raises:
        BenchError: a wanted series is not there or not as pinned, two slices at one place, or a gap in a
            series of a source that must be ``complete``.
    """
    used, left_out = named(found, wanted)
    used, others = one_acquisition(used, source.acquisition, folder)
    check_places(used, folder)
    check_wanted(name, wanted, used, folder)
    missing = gaps(used)
    if missing and source.complete:
        remedy = "fetch the series anew, or set complete: false"
        raise BenchError(missing[0], file=folder, remedy=remedy)
    remarks = (*uid_remarks(used), *missing, *_twice(_by_scan(used)))
    return used, left_out + others, remarks


def refused(scan: Mapping[str, Any], wanted: Mapping[str, Pin | None] | None) -> str | None:
    """Return why an image is left out; a series that is named is not left out for its image type alone."""
    reason = scan.get("refused")
    return None if reason is None or scan.get("series") in (wanted or ()) else str(reason)


def named(found: Found, wanted: Mapping[str, Pin | None] | None) -> tuple[Found, list[tuple[str, str]]]:
    """Return the files of the wanted series (None: all are), and the others with a reason."""
    used = [(file, scan) for file, scan in found if wanted is None or scan["series"] in wanted]
    reason = "of a series that the source does not name"
    left_out = [(file, reason) for file, scan in found if wanted is not None and scan["series"] not in wanted]
    return used, left_out


def check_wanted(name: str, wanted: Mapping[str, Pin | None] | None, used: Found, folder: Path) -> None:
    """Raise a ``BenchError`` where a wanted series is not there or not as pinned."""
    by_series: dict[str, list[Mapping[str, Any]]] = {}
    for _, scan in used:
        by_series.setdefault(scan["series"], []).append(scan)
    absent = [uid for uid in wanted or () if uid not in by_series]
    if wanted is not None and absent:
        pin = wanted[absent[0]]
        first = f"series {absent[0]}" + (f" of patient {pin.patient}" if pin else "")
        message = f"{len(absent)} of {len(wanted)} series are not there, first {first}"
        remedy = f"get them with: bench data fetch {name}" if pin else "correct series"
        raise BenchError(message, file=folder, remedy=remedy)
    for uid, pin in (wanted or {}).items():
        if pin is not None:
            check_pin(pin, by_series[uid], folder)


def check_pin(pin: Pin, scans: Sequence[Mapping[str, Any]], place: Path | str) -> None:
    """Raise a ``BenchError`` where the slices of a series are not those that ``pin`` states."""
    if len(scans) != pin.slices:
        message = (
            f"series {pin.series} of patient {pin.patient} has {len(scans)} slices, pinned are {pin.slices}"
        )
        raise BenchError(message, file=place)
    for key, asked in (("patient", pin.patient), ("study", pin.study), ("series", pin.series)):
        other = next((scan[key] for scan in scans if nfc(str(scan[key])) != nfc(asked)), asked)
        if other != asked:
            message = f"series {pin.series} is of {key} {other}, pinned is {asked}"
            raise BenchError(message, file=place)


def gaps(used: Found) -> list[str]:
    """Return a line for each series with a step between slices that is longer than the others."""
    return list(_gaps(_by_scan(used)))


def _by_scan(used: Found) -> list[list[dict[str, Any]]]:
    """Return the slices of each scan by rising z, the scans in the order of their series UIDs."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for _, scan in used:
        found.setdefault(scan_of(scan), []).append(scan)
    ordered = sorted(found.items(), key=lambda one: (one[0][2], one[0]))
    return [sorted(scans, key=lambda scan: float(scan["z_mm"])) for _, scans in ordered]


def _gaps(by_scan: Iterable[list[dict[str, Any]]]) -> Iterator[str]:
    for scans in by_scan:
        heights = [float(scan["z_mm"]) for scan in scans]
        steps = [above - below for below, above in pairwise(heights)]
        usual = median_low(steps) if len(steps) > 1 else 0.0
        wide = [i for i, step in enumerate(steps) if usual and step > GAP * usual]
        if wide:
            missing = sum(round(steps[i] / usual) - 1 for i in wide)
            first, uid = wide[0], scans[0]["series"] or "without UID"
            yield (
                f"series {uid} of patient {whose(scans[0])}: {_count(missing, 'slice')} missing in "
                f"{_count(len(wide), 'gap')}, the first between z {heights[first]:g} and {heights[first + 1]:g} mm"
            )


def _twice(by_scan: Iterable[list[dict[str, Any]]]) -> Iterator[str]:
    """Yield a line for each study of which several series have slices at the same positions."""
    studies: dict[tuple[str, str], list[list[dict[str, Any]]]] = {}
    for scans in by_scan:
        studies.setdefault(scan_of(scans[0])[:2], []).append(scans)
    for (patient, _), several in studies.items():
        places = [place for scans in several for place in {round(float(scan["z_mm"]), 2) for scan in scans}]
        repeated = len(places) - len(set(places))
        if repeated:
            names = " and ".join(
                f"{scans[0]['description'] or scans[0]['series']} ({_count(len(scans), 'slice')})"
                for scans in several
            )
            yield (
                f"patient {patient}: {names} are series of one study and share {_count(repeated, 'position')}; all "
                "slices are used, in one part; name the series you want under series:"
            )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
