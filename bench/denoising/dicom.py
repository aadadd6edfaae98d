"""A DICOM series as a series to be denoised, and its derived images as files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pydicom

from bench.data.files import dicom
from bench.data.files.listing import list_files, told
from bench.data.files.scan import FileScan
from bench.denoising.derived import Derivation, derive, stored_after
from bench.denoising.images import Batch, Denoise, Mark, at_once, denoised, outside
from bench.errors import BenchError

_REFUSED = "refused image"


class DicomSeries:
    """The axial CT slices of one series, in a folder or a single file; other files are left out.

    Raises:
        BenchError: no slice, slices of several series or patients, or a file that is damaged.
    """

    def __init__(self, source: Path) -> None:
        self._source, self._single = source, source.is_file()
        if self._single:
            names, skipped = [""], Counter[str]()
        else:
            listing = list_files(source, None)
            names, skipped = listing.files, listing.skipped
        self._files: list[tuple[str, FileScan]] = []
        reasons: list[str] = []
        for name in names:
            scan = dicom.scan_dicom(source / name)
            if scan.slices and scan.refused is None:
                self._files.append((name, scan))
            elif scan.refused is not None:
                reasons.append(scan.refused)
            else:
                skipped[scan.no_image or "file that is no DICOM"] += 1
        if not self._files:
            raise _no_slice(source, reasons, skipped)
        _check_one(self._files, source)
        self.count = len(self._files)
        self.left_out = told(skipped + Counter({_REFUSED: len(reasons)} if reasons else {}))

    def write(self, target: Path, denoise: Denoise, mark: Mark) -> Iterator[Batch]:
        """Write a file for each slice, under its own name where the series is a folder; see ``Series``."""
        derivation = Derivation(mark)
        for shape, files in groupby(self._files, key=lambda one: one[1].shape):
            every = list(files)
            for start in range(0, len(every), size := at_once(*shape)):
                yield self._write(every[start : start + size], target, denoise, derivation)

    def _write(
        self, files: Sequence[tuple[str, FileScan]], target: Path, denoise: Denoise, derivation: Derivation
    ) -> Batch:
        slices = [dicom.decode(self._source / name, strict=True) for name, _ in files]
        void = np.stack([outside(one.hu, one.tagged, lossy=one.lossy) for one in slices])
        first = self._source / files[0][0]
        before, after = denoised(np.stack([one.hu for one in slices]), void, denoise, first)
        for (name, _), one, change in zip(files, slices, after - before, strict=True):
            place = target if self._single else target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with dicom.quiet():
                try:
                    derive(one.data, stored_after(one.data, one.stored, change), derivation)
                    pydicom.dcmwrite(place, one.data, enforce_file_format=True)
                except OSError:
                    raise
                except Exception as error:  # pydicom reads a value when it is written otherwise
                    message = f"cannot be written anew ({error})"
                    raise BenchError(message, file=self._source / name) from None
        spacing = files[0][1].slices[0].spacing_mm
        return Batch(before, None if spacing is None else float(np.sqrt(spacing[0] * spacing[1])))


def _no_slice(source: Path, reasons: Sequence[str], skipped: Counter[str]) -> BenchError:
    if reasons:
        reason, count = Counter(reasons).most_common(1)[0]
        more = f" (and {len(reasons) - count} otherwise)" if len(reasons) > count else ""
        message = f"no original axial CT slice: {count} refused as {reason}{more}"
    else:
        message = f"no DICOM slice: {told(skipped)}" if skipped else "no DICOM slice: it is empty"
    remedy = "give a folder with one CT series, or a .nii, .nii.gz, .npy or .npz file"
    return BenchError(message, file=source, remedy=remedy)


def _check_one(files: Sequence[tuple[str, FileScan]], source: Path) -> None:
    """Refuse the slices of several series or patients: they would become one series."""
    series = Counter((scan.header.series, scan.header.description) for _, scan in files if scan.header)
    if len(series) > 1:
        shown = [
            f"{uid} ({text or 'no description'}, {count} slices)" for (uid, text), count in series.items()
        ]
        more = f" and {len(shown) - 2} more" if len(shown) > 2 else ""
        message = f"slices of {len(series)} series: {', '.join(shown[:2])}{more}"
        raise BenchError(message, file=source, remedy="give each series a folder of its own")
    patients = {scan.patient for _, scan in files}
    if len(patients) > 1:
        message = f"slices of {len(patients)} patients in one series"
        raise BenchError(message, file=source, remedy="give each patient a folder")
