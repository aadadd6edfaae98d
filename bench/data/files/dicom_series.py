"""The DICOM series of a folder: which are used, what each must hold, and what a person should know of them.

A series is one reconstruction of one scan. Two series of one patient are both used, in one part; where they
lie at the same positions (two kernels, two contrast phases) a remark says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median_low

from bench.config import schema
from bench.data.files.dicom_positions import check_places, one_acquisition, scan_of, uid_remarks
from bench.data.files.pins import Pin
from bench.data.files.scan import FileScan, SourceFile
from bench.errors import BenchError
from bench.names import nfc

Files = Sequence[SourceFile]
Wanted = (
    Mapping[str, Pin | None] | None
)  # the series that a source names, each with its pin if any; None: all
GAP = 1.5  # steps; positions are written to 0.01 mm or so, and a missing slice makes two


def choose(
    name: str, files: Files, source: schema.FolderSource, folder: Path, wanted: Wanted
) -> tuple[list[SourceFile], list[tuple[str, str]], tuple[str, ...]]:
    """Return the files that the source ``name`` uses, those left out with a reason, and remarks.

    Raises:
        BenchError: a wanted series is not there or not as pinned, two slices at one place, or a gap in a
            series of a source that must be ``complete``.
    """
    used, left_out = named(files, wanted)
    used, others = one_acquisition(used, source.acquisition, folder)
    check_places(used, folder)
    check_wanted(name, wanted, used, folder)
    missing = gaps(used)
    if missing and source.complete:
        remedy = "fetch the series anew, or set complete: false"
        raise BenchError(missing[0], file=folder, remedy=remedy)
    remarks = (*uid_remarks(used), *missing, *_twice(_by_scan(used)))
    return used, left_out + others, remarks


def refused(scan: FileScan, wanted: Wanted) -> str | None:
    """Return why an image is left out; a series that is named is not left out for its image type alone."""
    named_series = scan.header is not None and scan.header.series in (wanted or ())
    return None if named_series else scan.refused


def named(files: Files, wanted: Wanted) -> tuple[list[SourceFile], list[tuple[str, str]]]:
    """Return the files of the wanted series, and the others with a reason."""
    used = [file for file in files if wanted is None or file.header.series in wanted]
    reason = "of a series that the source does not name"
    left_out = [
        (file.path, reason) for file in files if wanted is not None and file.header.series not in wanted
    ]
    return used, left_out


def check_wanted(name: str, wanted: Wanted, used: Files, folder: Path) -> None:
    """Raise a ``BenchError`` where a wanted series is not there or not as pinned."""
    by_series: dict[str, list[SourceFile]] = {}
    for file in used:
        by_series.setdefault(file.header.series, []).append(file)
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


def check_pin(pin: Pin, files: Files, place: Path | str) -> None:
    """Raise a ``BenchError`` where the slices of a series are not those that ``pin`` states."""
    if len(files) != pin.slices:
        message = (
            f"series {pin.series} of patient {pin.patient} has {len(files)} slices, pinned are {pin.slices}"
        )
        raise BenchError(message, file=place)
    for file in files:
        header = file.header
        for key, value, pinned in (
            (
                "patient",
                str(file.scan.patient),
                pin.patient,
            ),  # as the file names it, whatever the source says
            ("study", header.study, pin.study),
            ("series", header.series, pin.series),
        ):
            if nfc(value) != nfc(pinned):
                message = f"series {pin.series} is of {key} {value}, pinned is {pinned}"
                raise BenchError(message, file=place)


def gaps(used: Files) -> list[str]:
    """Return a line for each series with a step between slices that is longer than the others."""
    return list(_gaps(_by_scan(used)))


def _by_scan(used: Files) -> list[list[SourceFile]]:
    """Return the slices of each scan by rising z, the scans in the order of their series UIDs."""
    scans: dict[tuple[str, str, str], list[SourceFile]] = {}
    for file in used:
        scans.setdefault(scan_of(file), []).append(file)
    ordered = sorted(scans.items(), key=lambda one: (one[0][2], one[0]))
    return [sorted(files, key=lambda file: file.z_mm) for _, files in ordered]


def _gaps(by_scan: Iterable[list[SourceFile]]) -> Iterator[str]:
    for files in by_scan:
        heights = [file.z_mm for file in files]
        steps = [above - below for below, above in pairwise(heights)]
        usual = median_low(steps) if len(steps) > 1 else 0.0
        wide = [i for i, step in enumerate(steps) if usual and step > GAP * usual]
        if wide:
            missing = sum(round(steps[i] / usual) - 1 for i in wide)
            first, uid = wide[0], files[0].header.series or "without UID"
            yield (
                f"series {uid} of patient {files[0].patient}: {_count(missing, 'slice')} missing in "
                f"{_count(len(wide), 'gap')}, the first between z {heights[first]:g} and {heights[first + 1]:g} mm"
            )


def _twice(by_scan: Iterable[list[SourceFile]]) -> Iterator[str]:
    """Yield a line for each study of which several series have slices at the same positions."""
    studies: dict[tuple[str, str], list[list[SourceFile]]] = {}
    for files in by_scan:
        studies.setdefault(scan_of(files[0])[:2], []).append(files)
    for (patient, _), scans in studies.items():
        places = [place for files in scans for place in {round(file.z_mm, 2) for file in files}]
        repeated = len(places) - len(set(places))
        if repeated:
            names = " and ".join(
                f"{files[0].header.description or files[0].header.series} ({_count(len(files), 'slice')})"
                for files in scans
            )
            yield (
                f"patient {patient}: {names} are series of one study and share {_count(repeated, 'position')}; all "
                "slices are used, in one part; name the series you want under series:"
            )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
