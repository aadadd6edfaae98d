"""What a file says of its slices, without their pixels; it is remembered between runs as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data.files.values import Values


@dataclass(frozen=True)
class SliceScan:
    """One slice of a file: its label there, its position along the table, and the spacing of rows and columns."""

    label: str = "0000"
    z_mm: float | None = None
    spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class DicomHeader:
    """What the header of a DICOM slice says besides: its UIDs and how it is told from the slices around it.

    ``description`` is of the series, ``acquisition`` the number as text (or ""), ``corner_mm`` x and y of the first
    pixel, ``spacing_text`` what stands for the pixel spacing where that is not two numbers.
    """

    uid: str
    series: str
    study: str
    description: str
    acquisition: str
    corner_mm: tuple[float, float]
    spacing_text: str = ""


@dataclass(frozen=True)
class FileScan:
    """The slices of a file, ``shape`` (rows, columns) each, or why it has none that is used.

    ``patient`` is the one named in the file. ``volume``: slices are told apart by their labels. ``values`` are
    measured here only where a scan reads all pixels anyway. ``refused`` is why an image is no original axial CT
    slice; the header stands beside it where nothing but the image type is against it. ``no_image`` is what else a
    file is, by which it is counted; "": by its name.
    """

    slices: tuple[SliceScan, ...] = ()
    shape: tuple[int, int] = (0, 0)
    patient: str | None = None
    volume: bool = False
    header: DicomHeader | None = None
    values: tuple[Values, ...] | None = None
    refused: str | None = None
    no_image: str | None = None
    sha256: str = ""


Scan = Callable[[Path], FileScan]


@dataclass(frozen=True)
class SourceFile:
    """A file of a source: its path below the source's folder, what it says, and whose slices it holds.

    ``patient`` is the one that the source says; it may be another than the file names.
    """

    path: str
    scan: FileScan
    patient: str

    @property
    def header(self) -> DicomHeader:
        """The header of a DICOM slice."""
        if self.scan.header is None:
            raise TypeError(f"{self.path} is no DICOM slice")
        return self.scan.header

    @property
    def z_mm(self) -> float:
        """The position of a DICOM slice along its normal."""
        return float(self.scan.slices[0].z_mm or 0.0)

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """The spacing of rows and columns of the first slice."""
        return self.scan.slices[0].spacing_mm
