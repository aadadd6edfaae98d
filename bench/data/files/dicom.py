"""Axial CT slices from DICOM files, in HU.

What each field means is laid down in DICOM PS3.3: C.7.6.2 (plane), C.7.6.3 (pixels), C.7.5.1.1.2 (padding),
C.8.2.1 (CT image). ``scan_dicom`` reads a header and sorts the image out; ``read_hu`` returns the pixels.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder

from bench.data.files import dicom_file, padding
from bench.data.files.dicom_axial import normal, numbers, refusal
from bench.data.files.dicom_bits import check_high_bit, check_sign, check_spare_bits
from bench.data.files.dicom_file import REPLACE
from bench.data.files.scan import DicomHeader, FileScan, SliceScan
from bench.errors import BenchError

SUFFIXES = (".dcm", ".ima")  # files of these names must be DICOM; others are skipped where they are not
PIXEL_KEYWORDS = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelData",
)
_ONE_AT_A_TIME = threading.Lock()
AIR_HU = -1024.0  # what padding becomes
TISSUE_HU = (-900.0, 4000.0)  # from lung to tooth and metal: no padding value lies between


def scan_dicom(path: Path) -> FileScan:
    """Return the scan of a file: an axial CT slice, an image that is refused, or no image.

    ``z_mm`` of its slice is the position along the normal.

    Raises:
        BenchError: named like a DICOM file but none, truncated, without rescale values, or compressed in a
            way that cannot be decoded here.
    """
    if path.name.upper() == dicom_file.NAMED_DIRECTORY:
        return FileScan(no_image=dicom_file.directory())
    begins = dicom_file.beginning(path)
    if begins is None:
        return _no_dicom(path)
    with quiet():
        data = dicom_file.open_dicom(path)
        try:
            if begins == "bare" and not (data.get("SOPClassUID") and data.get("Modality")):
                return _no_dicom(path, dicom_file.BARE)
            kind = dicom_file.no_image(data)
            if kind is not None:
                return FileScan(no_image=kind)
            _check_modality(data, path)
            reason = refusal(data)
            if reason is not None:
                return replace(_trusted(data, path), refused=reason)
            _check_pixels(data, path)
            return _slice(data, path)
        except BenchError:
            raise
        except Exception as error:  # pydicom reads a value when it is asked for, and raises many kinds
            raise BenchError(f"damaged DICOM header ({error})", file=path, remedy=REPLACE) from None


def _no_dicom(path: Path, kind: str = "") -> FileScan:
    """Return what is counted of a file that is no DICOM; refuse it where its name says that it is."""
    if path.suffix.lower() in SUFFIXES:
        raise BenchError("not a DICOM file, or a damaged one", file=path, remedy=REPLACE)
    return FileScan(no_image=kind)


def read_hu(
    path: Path, *, padding_hu: float = AIR_HU, untagged_hu: float | None = None
) -> npt.NDArray[np.float32]:
    """Return the pixels of one CT slice in HU, float32 (H, W); padding is set to ``padding_hu``.

    Padding without a tag is set to ``untagged_hu`` (None: left as it is; see ``bench.data.files.padding``).

    Raises:
        BenchError: the file is truncated, cannot be decoded, or has other pixels than its header says.
    """
    hu, tagged, lossy = headed(path)
    untagged = None if untagged_hu is None else padding.untagged(hu, tagged, lossy=lossy)
    if tagged is not None:
        hu[tagged] = padding_hu
    if untagged is not None and untagged_hu is not None:
        hu[untagged] = untagged_hu
    return hu


@dataclass(frozen=True)
class Decoded:
    """One slice: its elements, the pixels (H, W) as stored and in HU, and the mask of its tagged padding, or None."""

    data: Dataset
    stored: npt.NDArray[Any]
    hu: npt.NDArray[np.float32]
    tagged: npt.NDArray[np.bool_] | None

    @property
    def lossy(self) -> bool:
        """Whether the header says that the pixels were compressed with loss."""
        return str(self.data.get("LossyImageCompression", "")) == "01"


def headed(
    path: Path, *, strict: bool = False
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_] | None, bool]:
    """Return a slice in HU as stored, the mask of its tagged padding (or None), and whether it lost by compression.

    Raises:
        BenchError: as ``decode``.
    """
    one = decode(path, strict=strict)
    return one.hu, one.tagged, one.lossy


def decode(path: Path, *, strict: bool = False) -> Decoded:
    """Return the pixels of a slice beside all that its file says.

    ``strict`` also refuses negative numbers that are none, which needs a look at the values.

    Raises:
        BenchError: as ``read_hu``.
    """
    with quiet():
        data = _open(path)
        _check_pixels(data, path)
        try:
            stored = data.pixel_array
            unclear = check_spare_bits(data, path)
        except BenchError:
            raise
        except Exception as error:  # decoders raise what they like
            raise BenchError(f"pixels cannot be decoded ({error})", file=path) from None
        slope, intercept = float(data.RescaleSlope), float(data.RescaleIntercept)
        hu = (stored.astype(np.float64) * slope + intercept).astype(np.float32)
        ends = padding_range(data)
        tagged = None if ends is None else (stored >= ends[0]) & (stored <= ends[1])
        if tagged is not None and not tagged.any():
            tagged = None
        if strict and unclear:
            check_sign(data, path, padding.stray(hu, tagged))
    return Decoded(data, stored, hu, tagged)


def padding_range(data: Dataset) -> tuple[int, int] | None:
    """Return the stored values that mark padding, both ends included, or None where there is none.

    Some scanners write the padding value unsigned beside signed pixels (63536 for -2000) or the other way
    round: it is read as the pixels are.
    """
    ends = [data.get("PixelPaddingValue"), data.get("PixelPaddingRangeLimit")]
    if ends[0] is None or ends[0] == "":
        return None
    whole = 1 << int(data.BitsAllocated)
    signed = int(data.PixelRepresentation)
    values = [_as_stored(int(end), whole, signed) for end in ends if end is not None and end != ""]
    return min(values), max(values)


def _as_stored(value: int, whole: int, signed: int) -> int:
    if signed and value >= whole // 2:
        return value - whole
    return value + whole if not signed and value < 0 else value


def _trusted(data: Dataset, path: Path) -> FileScan:
    """Return the scan of an image that would be usable but for its image type, else an empty one."""
    if refusal(data, trusted=True) is not None:
        return FileScan()
    try:
        _check_pixels(data, path)
        return _slice(data, path)
    except BenchError:  # a screenshot has no rescale values
        return FileScan()


def _slice(data: Dataset, path: Path) -> FileScan:
    across = normal(data)
    position = numbers(data.ImagePositionPatient)
    uid = str(data.get("SOPInstanceUID") or "")
    if across is None or not uid:
        raise BenchError("has no SOPInstanceUID", file=path, remedy=REPLACE)
    spacing, acquisition = numbers(data.get("PixelSpacing")), data.get("AcquisitionNumber")
    header = DicomHeader(
        uid=uid,
        series=str(data.get("SeriesInstanceUID") or ""),
        study=str(data.get("StudyInstanceUID") or ""),
        description=str(data.get("SeriesDescription") or "").strip(),
        acquisition="" if acquisition is None else str(acquisition).strip(),
        corner_mm=(position[0], position[1]),
        spacing_text="" if len(spacing) == 2 else _as_written(data.get_item("PixelSpacing")),
    )
    z_mm = round(float(np.dot(across, position)), 4)
    one = SliceScan(uid, z_mm, (spacing[0], spacing[1]) if len(spacing) == 2 else None)
    patient = str(data.get("PatientID") or "").strip() or None
    return FileScan((one,), (int(data.Rows), int(data.Columns)), patient, header=header)


def _as_written(element: Any) -> str:
    """Return the text of an element as it stands in the file, whatever it is worth."""
    value = getattr(element, "value", None)
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    texts = [value] if isinstance(value, str) else value or ()
    return "\\".join(str(text) for text in texts).strip(" \0")


def _open(path: Path) -> Dataset:
    data = dicom_file.open_dicom(path)
    _check_modality(data, path)
    return data


def _check_modality(data: Dataset, path: Path) -> None:
    if not data.get("Modality"):
        raise BenchError("truncated or no image: it names no Modality", file=path, remedy=REPLACE)


def _check_pixels(data: Dataset, path: Path) -> None:
    """Raise a ``BenchError`` where pixels or the values that give them a meaning are absent."""
    absent = [k for k in PIXEL_KEYWORDS if data.get(k) is None or data.get(k) == ""]
    if absent:
        raise BenchError(f"truncated or incomplete: no {', '.join(absent)}", file=path, remedy=REPLACE)
    slope, intercept = float(data.RescaleSlope), float(data.RescaleIntercept)
    if slope == 0 or not math.isfinite(slope + intercept):
        message = f"RescaleSlope {slope:g} and RescaleIntercept {intercept:g} give no HU"
        raise BenchError(message, file=path, remedy=REPLACE)
    _check_padding(data, path)
    check_high_bit(data, path)
    syntax = data.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise BenchError("names no transfer syntax", file=path, remedy=REPLACE)
    if syntax.is_compressed and not syntax.is_deflated:
        _check_decoder(syntax, path)
        return
    missing = int(data.Rows) * int(data.Columns) * int(data.BitsAllocated) // 8 - len(data.PixelData)
    if missing > 0:
        raise BenchError(f"truncated: {missing} bytes of pixels are missing", file=path, remedy=REPLACE)


def _check_padding(data: Dataset, path: Path) -> None:
    """Refuse a padding value that tissue has too: which pixels are padding could not be told."""
    ends = padding_range(data)
    if ends is None:
        return
    low, high = sorted(float(data.RescaleSlope) * end + float(data.RescaleIntercept) for end in ends)
    if high > TISSUE_HU[0] and low < TISSUE_HU[1]:
        message = f"its padding value {ends[1]} is {high:g} HU, which tissue has too"
        remedy = "remove it, or its tag PixelPaddingValue where no pixel is padding"
        raise BenchError(message, file=path, remedy=remedy)


def _check_decoder(syntax: Any, path: Path) -> None:
    try:
        usable = get_decoder(syntax).is_available
    except NotImplementedError:
        usable = False
    if not usable:
        raise BenchError(
            f"compressed as {syntax.name}, which cannot be decoded here",
            file=path,
            remedy="install the extra dicom (python-gdcm)",
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's remarks on harmless oddities; one thread at a time, since the filters are global."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
