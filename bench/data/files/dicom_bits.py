"""Whether the pixels of a DICOM file keep to the bits that its header gives them (PS3.5, 8.1.1 and 8.2)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes

from bench.errors import BenchError

_OVERLAYS = range(0x6000, 0x6020, 2)


def check_high_bit(data: Dataset, path: Path) -> None:
    """Refuse pixels that do not fill the low bits of their words: the standard allows no other place."""
    stored, high, allocated = (data.get(key) for key in ("BitsStored", "HighBit", "BitsAllocated"))
    if stored is None or high is None or allocated is None:
        return  # decoding names what is absent
    if int(high) != int(stored) - 1 or int(stored) > int(allocated):
        message = f"HighBit {high} does not fit BitsStored {stored} of {allocated}"
        remedy = "shift the pixels into the low bits and set HighBit to BitsStored - 1"
        raise BenchError(message, file=path, remedy=remedy)


def check_spare_bits(data: Dataset, path: Path) -> bool:
    """Return whether negative pixels have zeros beyond BitsStored; refuse pixels with something else there.

    These bits may be zero, continue the sign, or hold an overlay that the header declares; a decoder cuts them
    off. Zeros beside a set sign bit are allowed, but then a positive number that is too large for its bits
    looks the same, so whoever knows what the values mean must look on (``check_sign``).
    """
    stored, allocated = int(data.BitsStored), int(data.BitsAllocated)
    syntax = data.file_meta.TransferSyntaxUID
    if stored >= allocated or syntax in JPEG2000TransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
        return False  # those codes state the number of bits themselves, and pydicom reads that
    values = np.asarray(pixel_array(data, correct_unused_bits=False)).astype(np.int64)
    spare = ((1 << allocated) - (1 << stored)) & ~_overlay_bits(data)
    rest, signed = values & spare, int(data.PixelRepresentation) == 1
    negative = ((values >> (stored - 1)) & 1 == 1) & signed
    extended = (rest == spare) & negative
    wrong = (rest != 0) & ~extended
    if extended.any():  # the sign is continued: a set sign bit without it is no negative number
        wrong |= (rest == 0) & negative & (spare != 0)
    if wrong.any():
        raise _does_not_fit(data, path, values, wrong)
    return bool(((rest == 0) & negative).any())


def check_sign(data: Dataset, path: Path, below_noise: npt.NDArray[np.bool_]) -> None:
    """Refuse negative pixels with zeros beyond BitsStored where, read so, they are ``below_noise`` and no padding."""
    if below_noise.any():
        values = np.asarray(pixel_array(data, correct_unused_bits=False)).astype(np.int64)
        raise _does_not_fit(data, path, values, below_noise)


def _does_not_fit(
    data: Dataset, path: Path, values: npt.NDArray[np.int64], wrong: npt.NDArray[np.bool_]
) -> BenchError:
    kind = "signed" if data.PixelRepresentation else "unsigned"
    message = (
        f"stored values of {values.min()} to {values.max()} do not fit BitsStored {data.BitsStored}, {kind}: "
        f"{int(wrong.sum())} pixels would be read as other numbers"
    )
    return BenchError(message, file=path, remedy="correct BitsStored and HighBit, or the pixels")


def _overlay_bits(data: Dataset) -> int:
    """Return the bits of a pixel that belong to overlays stored within the pixels."""
    bits = 0
    for group in _OVERLAYS:
        position, inside = data.get((group, 0x0102)), data.get((group, 0x3000)) is None
        if position is not None and inside:
            bits |= 1 << int(position.value)
    return bits
