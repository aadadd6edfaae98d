"""Small DICOM files for tests, written by hand; no patient's file is in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

ROOT = "1.2.826.0.1.3680043.8.498."


def uid(number: int) -> str:
    """Return a made-up unique identifier."""
    return f"{ROOT}{number}"


def write_ct(
    path: Path,
    stored: np.ndarray,
    *,
    number: int = 1,
    z: float = 0.0,
    syntax: UID = ExplicitVRLittleEndian,
    drop: tuple[str, ...] = (),
    **header: Any,
) -> Path:
    """Write ``stored`` (H, W) as an original axial CT slice; ``header`` sets keywords, ``drop`` removes."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = uid(number)
    data.Modality, data.PatientID, data.SeriesInstanceUID = "CT", "P1", uid(1000)
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.RescaleSlope, data.RescaleIntercept = [0.8, 0.8], 1, -1024
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = int(stored.dtype.kind == "i")
    data.PixelData = np.ascontiguousarray(stored).tobytes()
    for keyword, value in header.items():
        if keyword.startswith("PixelPadding"):  # written with the sign of the value, as some scanners do
            data.add_new(keyword, "SS" if value < 0 else "US", value)
        else:
            setattr(data, keyword, value)
    for keyword in drop:
        delattr(data, keyword)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def signed(*values: int) -> np.ndarray:
    return np.array([values], np.int16)


def unsigned(*values: int) -> np.ndarray:
    return np.array([values], np.uint16)


def transcode(path: Path, syntax: UID) -> Path:
    """Write a plain little-endian file again in another transfer syntax; compressed ones are lossless."""
    data = pydicom.dcmread(path)
    pixels = np.frombuffer(data.PixelData, np.dtype(f"<u{data.BitsAllocated // 8}"))
    if syntax == RLELossless:
        data.compress(syntax)
    elif syntax.is_compressed and not syntax.is_deflated:
        return _by_gdcm(path, syntax)
    elif syntax == ExplicitVRBigEndian:
        data.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    list(data.iterall())  # values are decoded as they were written, so that they can be written otherwise
    data.file_meta.TransferSyntaxUID = syntax
    encoding = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    pydicom.dcmwrite(path, data, **encoding, force_encoding=True)
    return path


def _by_gdcm(path: Path, syntax: UID) -> Path:
    """Compress with GDCM: pydicom encodes no JPEG."""
    import gdcm

    known = {
        "1.2.840.10008.1.2.4.57": gdcm.TransferSyntax.JPEGLosslessProcess14,
        "1.2.840.10008.1.2.4.70": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
        "1.2.840.10008.1.2.4.80": gdcm.TransferSyntax.JPEGLSLossless,
        "1.2.840.10008.1.2.4.90": gdcm.TransferSyntax.JPEG2000Lossless,
    }
    reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(known[str(syntax)]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return path
