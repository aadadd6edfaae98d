"""The header of a derived CT image, from that of the image that it was made of.

DICOM PS3.3: C.7.6.1 (image type, derivation, source images), C.8.2.1 (CT image), C.7.5.2 (equipment), C.12.1 (SOP).
Patient, study, frame of reference and geometry stay.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from bench.data.files.dicom import padding_range
from bench.denoising.images import RESEARCH, Mark, moved
from bench.environment import PROGRAM

# PS3.16: context groups 7202 (purpose of a source image) and 7005 (equipment). Group 7203 (derivation) has no code for
# the removal of noise, so there is no Derivation Code Sequence.
SOURCE = ("121322", "Source image for image processing operation")
PROCESSING = ("109102", "Processing Equipment")
#: True of the source's pixels only, or of its bytes.
OUTDATED = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "IconImageSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "DigitalSignaturesSequence",
    "MACParametersSequence",
    "InstanceCreatorUID",
    "DataSetTrailingPadding",
)
_LONG, _TEXT = 64, 1024  # letters of a value of type LO, ST
_WORDS = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}  # bytes of one number


@dataclass(frozen=True)
class Derivation:
    """What the derived images of one series have in common; ``series`` is its new UID, ``now`` when it is made."""

    mark: Mark
    series: str = field(default_factory=lambda: str(generate_uid(prefix=None)))
    now: datetime = field(default_factory=lambda: datetime.now().astimezone())


def derive(data: Dataset, pixels: npt.NDArray[Any], derivation: Derivation) -> None:
    """Turn the elements of a source image into those of an image derived from it, with these stored ``pixels``."""
    if not data.original_encoding[1]:
        _to_little_endian(data)
    if data.original_encoding != (False, True):
        list(data.iterall())  # values are decoded as they were written, so that they can be written otherwise
    for keyword in OUTDATED:
        if keyword in data:
            delattr(data, keyword)
    _drop_overlays_in_pixels(data)
    _refer(data)
    _describe(data, derivation)
    _date(data, derivation)
    data.SOPInstanceUID, data.SeriesInstanceUID = str(generate_uid(prefix=None)), derivation.series
    data.add_new("PixelData", "OW", _even(pixels.tobytes()))
    data.preamble = b"\0" * 128
    data.file_meta = FileMetaDataset()  # that of the source names the program that wrote the source
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def stored_after(data: Dataset, stored: npt.NDArray[Any], change: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the stored values of a slice after a ``change`` in HU, little endian, as its header describes them.

    A value that would be outside of its bits stays at their end, one that would become padding is put beside it.
    """
    signed, allocated = int(data.PixelRepresentation), int(data.BitsAllocated)
    bits = int(data.BitsStored)
    if not _fits(stored, bits, signed):  # JPEG 2000 and JPEG-LS state their bits themselves
        data.BitsStored = bits = allocated
        data.HighBit = allocated - 1
    limits = _limits(bits, signed)
    wide = moved(stored.astype(np.int64), change, float(data.RescaleSlope), limits)
    ends = padding_range(data)
    if ends is not None:
        beside = ends[1] + 1 if ends[1] < limits[1] else ends[0] - 1
        was, is_now = ((one >= ends[0]) & (one <= ends[1]) for one in (stored, wide))
        wide[is_now & ~was] = beside
    return wide.astype(np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}"))


def _limits(bits: int, signed: int) -> tuple[int, int]:
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _fits(stored: npt.NDArray[Any], bits: int, signed: int) -> bool:
    low, high = _limits(bits, signed)
    return low <= int(stored.min()) and int(stored.max()) <= high


def _refer(data: Dataset) -> None:
    """Name the source image; a former list of sources is that of the source."""
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = Sequence([_code(*SOURCE)])
    data.SourceImageSequence = Sequence([source])


def _describe(data: Dataset, derivation: Derivation) -> None:
    mark = derivation.mark
    kinds = [str(kind) for kind in data.get("ImageType") or ()]
    data.ImageType = ["DERIVED", "SECONDARY", *(kinds[2:] or ["AXIAL"])]
    before = str(data.get("DerivationDescription") or "").strip()
    data.DerivationDescription = f"{mark.words}; before: {before}"[:_TEXT] if before else mark.words[:_TEXT]
    ending = f"denoised, {RESEARCH}"
    named = str(data.get("SeriesDescription") or "").strip()[: _LONG - len(ending) - 2]
    data.SeriesDescription = f"{named}, {ending}" if named else ending
    device = Dataset()
    device.PurposeOfReferenceCodeSequence = Sequence([_code(*PROCESSING)])
    device.Manufacturer, device.SoftwareVersions = PROGRAM, mark.program or "unknown"
    device.ContributionDateTime = derivation.now.strftime("%Y%m%d%H%M%S%z")
    device.ContributionDescription = f"{ending}: cell {mark.cell}"[:_TEXT]
    data.ContributingEquipmentSequence = Sequence(
        [*(data.get("ContributingEquipmentSequence") or ()), device]
    )


def _date(data: Dataset, derivation: Derivation) -> None:
    """Say when these pixels and their series were made, in the time zone of the file; the acquisition's times stay."""
    now = derivation.now
    zone = str(data.get("TimezoneOffsetFromUTC") or "").strip()
    if zone:
        with suppress(ValueError):  # no zone that the standard knows
            now = now.astimezone(datetime.strptime(zone, "%z").tzinfo)
    for what in ("Content", "InstanceCreation", "Series"):
        setattr(data, f"{what}Date", now.strftime("%Y%m%d"))
        setattr(data, f"{what}Time", now.strftime("%H%M%S"))


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _drop_overlays_in_pixels(data: Dataset) -> None:
    """Remove the overlays that lay in spare bits of the pixels, which are gone; those with data of their own stay."""
    for group in range(0x6000, 0x6020, 2):
        if (group, 0x0102) in data and (group, 0x3000) not in data:
            for tag in [tag for tag in data.keys() if tag.group == group]:  # noqa: SIM118
                del data[tag]


def _to_little_endian(data: Dataset) -> None:
    """Turn the bytes of numbers that pydicom leaves as they are written; the pixels are replaced anyway."""
    for element in data.iterall():
        size = _WORDS.get(element.VR)
        if size and element.keyword != "PixelData" and isinstance(element.value, bytes):
            element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()


def _even(content: bytes) -> bytes:
    return content + b"\0" * (len(content) % 2)
