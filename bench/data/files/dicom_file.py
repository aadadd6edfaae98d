"""A DICOM file opened, with or without the preamble of DICOM PS3.10, and what it is by its SOP class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bench.errors import BenchError

REPLACE = "replace or remove it"
NAMED_DIRECTORY = "DICOMDIR"
BARE = "DICOM without preamble that cannot be read"
_DIRECTORY = "Media Storage Directory"
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")  # 0002 and 0008, and 0008 in big endian
_STANDARD = "1.2.840.10008."


def beginning(path: Path) -> str | None:
    """Return ``preamble`` or ``bare`` (starts with a data element, no preamble) of a DICOM file, else None.

    A bare file may still be no DICOM: only its elements tell.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(132)
    except OSError as error:
        raise BenchError(f"cannot be read ({error.strerror})", file=path) from None
    if head[128:] == b"DICM":
        return "preamble"
    return "bare" if head[:2] in _FIRST_GROUPS and len(head) > 8 and _element(head) else None


def _element(head: bytes) -> bool:
    """Return whether the bytes start with a data element: letters of its type, or a length that can be."""
    implicit = int.from_bytes(head[4:8], "little") < 2**16
    return implicit or (head[4:6].isalpha() and head[4:6].isupper())


def open_dicom(path: Path) -> Dataset:
    """Return the elements of a file; a bare one gets the transfer syntax in which its elements are written.

    Raises:
        BenchError: it cannot be read as DICOM.
    """
    bare = beginning(path) != "preamble"
    try:
        data = pydicom.dcmread(path, force=bare)
        if bare and not data.file_meta.get("TransferSyntaxUID") and not _encapsulated(data):
            data.file_meta.TransferSyntaxUID = _syntax(data)
    except (OSError, InvalidDicomError, EOFError) as error:
        raise BenchError(f"cannot be read as DICOM ({error})", file=path) from None
    except Exception as error:
        raise BenchError(f"damaged DICOM header ({error})", file=path, remedy=REPLACE) from None
    return data


def no_image(data: Dataset) -> str | None:
    """Return what a DICOM object is that is no image by its SOP class, e.g. ``DICOM Raw Data``; None: an image.

    The standard calls every class of images so; a class of a manufacturer's own counts by its pixels.
    """
    uid = UID(str(data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID") or ""))
    if not uid or "Image" in uid.name:
        return None
    if uid.startswith(_STANDARD):
        return f"DICOM {uid.name.removesuffix(' Storage')}" if uid.name != uid else None
    return None if "Rows" in data else "DICOM object of a manufacturer's own class"


def directory() -> str:
    """Return the kind of a DICOMDIR, as ``no_image`` does."""
    return f"DICOM {_DIRECTORY}"


def _encapsulated(data: Dataset) -> bool:
    """Return whether the pixels are compressed: in which way, only the lost transfer syntax could tell."""
    return "PixelData" in data and bool(data["PixelData"].is_undefined_length)


def _syntax(data: Any) -> UID:
    implicit, little = data.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian
