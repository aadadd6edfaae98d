"""Every way in which a CT slice may be stored, and HU worked out from its stored values by the definition.

HU = slope x stored + intercept (PS3.3 C.11.1.1.2); stored values that are the padding value are no measurement.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from bench.data.files.dicom import read_hu, scan_dicom
from bench.errors import BenchError
from tests.dicoms import transcode, write_ct

PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
JPEG = (JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless)
SYNTAXES = [*PLAIN, RLELossless, *JPEG]
PADDING = {
    "none": None,
    "inside": -1000,
    "outside": -2000,
}  # in HU: a value that air has, or none that tissue has
SIDE = 16
REAL = Path(__file__).parents[3] / ".." / "shared" / "real-ct" / "dicom"


def need(syntax: UID) -> None:
    """Skip where the extra ``dicom`` is not installed; the development one brings it."""
    if syntax in JPEG:
        pytest.importorskip("gdcm", reason="the extra dicom is not installed")


def anatomy() -> np.ndarray:
    """Return HU from -1000 to 3000, each kind of tissue somewhere, air at -1000 inside the field."""
    y, x = np.mgrid[:SIDE, :SIDE]
    values = 40 + 3 * x - 2 * y
    values[:3] = -1000
    values[3:6, 4:9] = [-900, -100, 0, 55, 60]
    values[-1, -4:] = [1000, 2000, 2999, 3000]
    return np.asarray(values, np.int64)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: UID(syntax).keyword)
@pytest.mark.parametrize(
    ("signed", "intercept", "padding"), list(itertools.product((True, False), (0, -1024, -1000), PADDING))
)
def test_every_encoding_gives_exact_hu(
    tmp_path: Path, syntax: UID, signed: bool, intercept: int, padding: str
) -> None:
    need(syntax)
    pad, hu = PADDING[padding], anatomy()
    corner = np.add.outer(range(SIDE), range(SIDE)) < 5
    if pad is not None:
        hu[corner] = pad
    if not signed and hu.min() < intercept:
        hu = np.maximum(hu, intercept)  # what an unsigned file cannot hold, a scanner does not write
        pad = None if pad is None else intercept
    dtype = np.int16 if signed else np.uint16
    header = {} if pad is None else {"PixelPaddingValue": pad - intercept}
    path = write_ct(tmp_path / "a.dcm", (hu - intercept).astype(dtype), RescaleIntercept=intercept, **header)
    transcode(path, syntax)
    if pad is not None and pad > -500:
        with pytest.raises(BenchError, match=r"padding value 0 is 0 HU, which tissue has too"):
            scan_dicom(path)
        return
    expected = np.where(hu == pad, -1024, hu) if pad is not None else hu
    assert scan_dicom(path).refused is None
    np.testing.assert_array_equal(read_hu(path), expected)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: UID(syntax).keyword)
@pytest.mark.parametrize("signed", [True, False])
def test_twelve_bits(tmp_path: Path, syntax: UID, signed: bool) -> None:
    need(syntax)
    stored = np.random.default_rng(1).integers(-2048 if signed else 0, 2048 if signed else 4096, (SIDE, SIDE))
    bits = (stored & 0x0FFF).astype(np.uint16)  # the four upper bits are not used, not even for the sign
    path = write_ct(
        tmp_path / "a.dcm",
        bits,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=int(signed),
        RescaleIntercept=-1000,
    )
    np.testing.assert_array_equal(read_hu(transcode(path, syntax)), stored - 1000)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: UID(syntax).keyword)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.97])
def test_a_truncated_file_is_one_line(tmp_path: Path, syntax: UID, kept: float) -> None:
    """Noise does not compress, so most of each file is pixels."""
    need(syntax)
    stored = np.random.default_rng(0).integers(0, 4000, (64, 64)).astype(np.int16)
    path = transcode(write_ct(tmp_path / "broken.dcm", stored), syntax)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(BenchError, match=r"broken\.dcm: ") as caught:
        scan_dicom(path)
    assert "\n" not in str(caught.value)


def no_pixels(content: bytes) -> bytes:
    return content[:132]


@pytest.mark.parametrize("damage", [no_pixels, lambda content: content[:200], lambda content: content[128:]])
def test_a_damaged_beginning_is_one_line(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = write_ct(tmp_path / "broken.dcm", np.zeros((8, 8), np.int16))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BenchError, match=r"broken\.dcm: ") as caught:
        scan_dicom(path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real slices are not beside this checkout")
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: UID(syntax).keyword)
def test_real_slices_in_every_encoding(tmp_path: Path, syntax: UID) -> None:
    """Seven scanners' own files (the eighth is a reformat): written anew, they read as before."""
    need(syntax)
    compared = 0
    for original in sorted(REAL.glob("*.dcm")):
        if scan_dicom(original).refused:
            continue
        data = pydicom.dcmread(original)
        slope, intercept = float(data.RescaleSlope), float(data.RescaleIntercept)
        by_hand = data.pixel_array * slope + intercept
        hu = read_hu(original)
        assert np.mean(hu == by_hand) > 0.7  # all but padding
        assert set(np.unique(hu[hu != by_hand])) <= {-1024.0}
        copy = tmp_path / original.name
        copy.write_bytes(original.read_bytes())
        np.testing.assert_array_equal(read_hu(transcode(copy, syntax)), hu)
        compared += 1
    assert compared == 7
