"""CT volumes in NIfTI files, turned to the order of axial DICOM slices.

The affine maps voxels to mm with x to the patient's right, y to the front and z to the head (NIfTI-1.1,
https://nifti.nimh.nih.gov/nifti-1). A slice here has its rows from front to back and its columns from the
patient's right to the left, and slices ascend along z, as DICOM shows a patient who lies on the back.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.files.arrays import LARGEST
from bench.data.files.masks import is_labels
from bench.data.files.plausible import AIR_BELOW
from bench.data.files.values import listed, plain
from bench.errors import BenchError

SUFFIXES = (".nii", ".nii.gz")
STRAIGHT = math.cos(math.radians(1))  # more is oblique: its slices are not those that a scanner reconstructed
_MM = (0, 2)  # xyzt_units: not stated, or mm
_X, _Y, _Z = range(3)


def nifti_scanner(unit: str) -> Callable[[Path], dict[str, Any]]:
    """Return the scan of a volume as described in ``bench.data.files.arrays``, with the ``values`` of its slices.

    The whole file is read: a compressed one shows only at its end that it is cut short.
    """

    def scan(path: Path) -> dict[str, Any]:
        image = _open(path)
        axes = _axes(image.affine, path)
        volume = _turned(_pixels(image, path), image.affine, axes)
        low, high = float(volume.min()), float(volume.max())
        if unit == "HU" and low > AIR_BELOW and is_labels(volume):
            message = f"whole numbers of {low:.4g} to {high:.4g}, as in a mask, not HU"
            remedy = "move it out of the folder, or let its name end in _mask: masks are passed over"
            raise BenchError(message, file=path, remedy=remedy)
        sizes = [float(size) for size in np.linalg.norm(image.affine[:3, :3], axis=0)]
        spacing = [round(sizes[axes[_Y]], 6), round(sizes[axes[_X]], 6)]
        slices = [
            {"label": f"{i:04d}", "z_mm": z, "spacing_mm": spacing}
            for i, z in enumerate(_heights(image, axes))
        ]
        rest = {"shape": list(volume.shape[1:]), "patient": None, "volume": True}
        return {"slices": slices, **rest, "values": listed(plain(volume), unit)}

    return scan


def read_nifti(path: Path) -> npt.NDArray[np.float32]:
    """Return the slices (N, H, W) of a volume, float32, in the order described above.

    Raises:
        BenchError: damaged, cut short, not three-dimensional, oblique, or without orientation.
    """
    image = _open(path)
    axes = _axes(image.affine, path)
    return np.ascontiguousarray(_turned(_pixels(image, path), image.affine, axes))


def _turned(
    volume: npt.NDArray[np.float32], affine: npt.NDArray[np.float64], axes: tuple[int, int, int]
) -> npt.NDArray[np.float32]:
    """Return a view of the voxels as slices (N, H, W) in the order described above."""
    ascends = [affine[world, axes[world]] > 0 for world in (_X, _Y, _Z)]
    rows, columns = (slice(None, None, -1) if up else slice(None) for up in (ascends[_Y], ascends[_X]))
    slices = slice(None) if ascends[_Z] else slice(None, None, -1)
    return volume.transpose(axes[_Z], axes[_Y], axes[_X])[slices, rows, columns]


def _open(path: Path) -> Any:
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
        raise _damaged(path, error) from None
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
    return image


def _axes(affine: npt.NDArray[np.float64], path: Path) -> tuple[int, int, int]:
    """Return which axis of the array runs along the world's x, y and z; refuse an oblique one."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and (sizes > 0).all()):
        raise BenchError("its affine is singular", file=path, remedy="correct it")
    cosines = np.abs(affine[:3, :3] / sizes)
    axes = [int(np.argmax(cosines[world])) for world in (_X, _Y, _Z)]
    straight = all(cosines[world, axes[world]] >= STRAIGHT for world in (_X, _Y, _Z))
    if sorted(axes) != [0, 1, 2] or not straight:
        raise BenchError("oblique: its axes are not those of the patient", file=path, remedy="remove it")
    return axes[_X], axes[_Y], axes[_Z]


def _heights(image: Any, axes: tuple[int, int, int]) -> list[float]:
    step, first = float(image.affine[_Z, axes[_Z]]), float(image.affine[_Z, 3])
    return sorted(round(first + i * step, 4) for i in range(image.shape[axes[_Z]]))


def _pixels(image: Any, path: Path) -> npt.NDArray[np.float32]:
    try:
        volume: npt.NDArray[np.float32] = image.get_fdata(dtype=np.float32, caching="unchanged")
    except Exception as error:
        raise _damaged(path, error) from None
    return volume.reshape(volume.shape[:3])


def _damaged(path: Path, error: Exception) -> BenchError:
    return BenchError(f"cannot be read as NIfTI ({str(error) or 'cut short'})", file=path)
