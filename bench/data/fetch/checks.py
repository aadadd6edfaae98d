"""Whether a downloaded series is what its pin says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from bench.data.files.dicom import scan_dicom
from bench.data.files.dicom_positions import check_places
from bench.data.files.dicom_series import check_pin, refused
from bench.data.files.listing import list_files
from bench.data.files.pins import Pin
from bench.data.files.scan import SourceFile
from bench.errors import BenchError

#: How far the bytes of a series may be from the pinned number. The pins are exact to the byte (the archive's
#: ``series_size_MB`` is in 10^6 bytes); headers are 0.6 % of a file, and an archive may rewrite them.
SIZE_TOLERANCE = 0.01


class Broken(BenchError):
    """A series that is not as pinned: another download may help."""


def check(folder: Path, pin: Pin) -> None:
    """Read every file of ``folder`` and hold the series against ``pin``.

    Raises:
        Broken: another number of files, another size, a file that is no whole original axial CT slice, another
            patient, study or series, or two files with one SOPInstanceUID or one position.
    """
    files = _files(folder)
    if len(files) != pin.slices:
        raise Broken(f"{len(files)} files instead of {pin.slices}", file=folder)
    slices = []
    for file in files:
        try:
            scan = scan_dicom(folder / file)
        except BenchError as error:
            raise Broken(f"{file}: {error.message}", file=folder) from None
        if scan.no_image is not None:
            raise Broken(f"{file}: {scan.no_image or 'not a DICOM file'}", file=folder)
        reason = refused(scan, {pin.series: pin})
        if reason is not None:
            raise Broken(f"{file}: {reason}", file=folder)
        slices.append(SourceFile(file, scan, scan.patient or ""))
    try:
        check_pin(pin, slices, folder)
        check_places(slices, folder)
    except BenchError as error:
        raise Broken(error.message, file=folder) from None
    if not _fits(folder, files, pin):
        size = sum((folder / file).stat().st_size for file in files)
        raise Broken(f"{size} bytes instead of {pin.size_bytes}", file=folder)


def missing(folder: Path, pins: Sequence[Pin]) -> tuple[Pin, ...]:
    """Return the pins of which ``folder`` holds no series with the right number of files and bytes.

    The folder of a series is ``PATIENT/SERIES_UID``, or any below whose name ends in the UID, as other programs
    write it, also behind a link.
    """
    elsewhere: dict[str, list[Path]] = {}
    absent = [pin for pin in pins if not _holds(folder / pin.patient / pin.series, pin)]
    if absent and folder.is_dir():
        uids = {pin.series for pin in absent}
        rooms = {PurePosixPath(file).parent for file in list_files(folder, None).files if "/" in file}
        for room in sorted(rooms):
            uid = re.split("[_-]", room.name)[-1]
            if uid in uids:
                elsewhere.setdefault(uid, []).append(folder / room)
    return tuple(
        pin for pin in absent if not any(_holds(place, pin) for place in elsewhere.get(pin.series, ()))
    )


def _holds(place: Path, pin: Pin) -> bool:
    files = _files(place) if place.is_dir() else []
    return len(files) == pin.slices and _fits(place, files, pin)


def _files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def _fits(folder: Path, files: list[str], pin: Pin) -> bool:
    size = sum((folder / file).stat().st_size for file in files)
    return abs(size - pin.size_bytes) <= SIZE_TOLERANCE * pin.size_bytes
