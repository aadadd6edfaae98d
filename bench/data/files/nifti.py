"""CT volumes in NIfTI files, turned to the order of axial DICOM slices.

The affine maps voxels to mm with x to the patient's right, y to the front and z to the head (NIfTI-1.1,
https://nifti.nimh.nih.gov/nifti-1). A slice here has its rows from front to back and its columns from the
patient's right to the left, and slices ascend along z, as DICOM shows a patient who lies on the back.
"""

from __future__ import annotations

import importlib
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.files.arrays import LARGEST
from bench.data.files.file_format import FileFormat
from bench.data.files.masks import is_labels
from bench.data.files.plausible import AIR_BELOW
from bench.data.files.scan import FileScan, SliceScan
from bench.data.files.values import measured, plain
from bench.errors import BenchError

SUFFIXES = (".nii", ".nii.gz")
STRAIGHT = math.radians(1)  # more is oblique: its slices are not those that a scanner reconstructed
_MM = (0, 2)  # xyzt_units: not stated, or mm


def scan_nifti(path: Path, unit: str) -> FileScan:
    """Return the scan of a volume, with the values of its slices in ``unit``.

    The whole file is read: a compressed one shows only at its end that it is cut short.

    Raises:
        BenchError: as ``read_nifti``, or a mask instead of HU.
    """
    volume, affine = _upright(path)
    low, high = float(volume.min()), float(volume.max())
    if unit == "HU" and low > AIR_BELOW and is_labels(volume):
        message = f"whole numbers of {low:.4g} to {high:.4g}, as in a mask, not HU"
        remedy = "move it out of the folder, or let its name end in _mask: masks are passed over"
        raise BenchError(message, file=path, remedy=remedy)
    columns, rows, _ = (round(float(size), 6) for size in np.linalg.norm(affine[:3, :3], axis=0))
    step, first = (float(affine[2, column]) for column in (2, 3))
    slices = (SliceScan(f"{i:04d}", round(first + i * step, 4), (rows, columns)) for i in range(len(volume)))
    values = measured(plain(volume), unit)
    return FileScan(tuple(slices), (volume.shape[1], volume.shape[2]), volume=True, values=values)


def read_nifti(path: Path) -> npt.NDArray[np.float32]:
    """Return the slices (N, H, W) of a volume, float32, in the order described above.

    Raises:
        BenchError: damaged, cut short, not three-dimensional, oblique, or without orientation.
    """
    return np.ascontiguousarray(_upright(path)[0])


def nifti_format(unit: str, matrix: int | None = None) -> FileFormat:
    """Return the format of volumes whose values are in ``unit``."""
    return FileFormat(f"nifti-{unit}", SUFFIXES, partial(scan_nifti, unit=unit), read_nifti)


def _upright(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Return a view of the voxels as slices (N, H, W) in the order described above, and the affine (4, 4).

    The affine takes steps to the right, to the front and to the head, in voxels from the first corner, to mm.
    """
    image = open_nifti(path)
    try:
        volume: npt.NDArray[np.float32] = image.get_fdata(dtype=np.float32, caching="unchanged")
    except Exception as error:
        raise damaged(path, error) from None
    return upright(volume.reshape(volume.shape[:3]), image.affine)


def upright(
    volume: npt.NDArray[Any], affine: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Return a view of voxels (3 axes, as in the file) as slices (N, H, W), and the affine as ``_upright`` does."""
    # not as_closest_canonical: it scales in float64, where a file that needs no turning is scaled in float32
    orientations = importlib.import_module("nibabel.orientations")
    turns = orientations.io_orientation(affine)
    turned = orientations.apply_orientation(volume, turns)  # x to the right, y to the front, z to the head
    return turned.transpose(2, 1, 0)[:, ::-1, ::-1], affine @ orientations.inv_ornt_aff(turns, volume.shape)


def open_nifti(path: Path) -> Any:
    """Return the image of a file that holds one volume and says how the patient lies, along its own axes.

    Raises:
        BenchError: as ``read_nifti``, but for voxels that are cut short, which are not read yet.
    """
    try:
        nibabel = importlib.import_module("nibabel")
    except ImportError:
        remedy = "pip install 'ldct-denoising-benchmark[nifti]'"
        raise BenchError("NIfTI needs nibabel, which is not installed", file=path, remedy=remedy) from None
    try:
        image = nibabel.load(path, mmap=False)  # a map of a file that is cut short would kill the process
        header, shape = image.header, tuple(image.shape)
        codes = int(header["qform_code"]), int(header["sform_code"])
        units, dtype = int(header["xyzt_units"]) & 7, image.get_data_dtype()
    except Exception as error:  # of gzip, of NumPy, of nibabel
        raise damaged(path, error) from None
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or 0 in shape or max(shape) > LARGEST:
        raise BenchError(f"holds an array of shape {shape}, not one volume", file=path)
    if dtype.kind not in "iuf":
        raise BenchError(f"holds {dtype} values, not numbers", file=path)
    if codes == (0, 0):
        remedy = "set qform or sform, or give the slices as npz"
        raise BenchError(
            "does not say how the patient lies (qform_code and sform_code are 0)", file=path, remedy=remedy
        )
    if units not in _MM:
        raise BenchError("voxel sizes are not in mm", file=path, remedy="convert them")
    _check_axes(image.affine, path)
    return image


def _check_axes(affine: npt.NDArray[np.float64], path: Path) -> None:
    """Refuse an affine that is singular, or whose axes are not those of the patient."""
    affines = importlib.import_module("nibabel.affines")
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and (sizes > 0).all()):
        raise BenchError("its affine is singular", file=path, remedy="correct it")
    if (affines.obliquity(affine) > STRAIGHT).any():
        raise BenchError("oblique: its axes are not those of the patient", file=path, remedy="remove it")


def damaged(path: Path, error: Exception) -> BenchError:
    """Return that a file cannot be read, and why."""
    return BenchError(f"cannot be read as NIfTI ({str(error) or 'cut short'})", file=path)
