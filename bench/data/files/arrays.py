"""Readers of slices in ``.npz``, ``.npy`` and raw ``.flt`` files.

``scan_*`` tells what a file holds without loading its pixels; ``read_*`` loads them. Pickled objects are never
loaded.
"""

from __future__ import annotations

import math
import zipfile
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from bench import atomic
from bench.ct.units import MU_WATER, hu_to_mu
from bench.data.files.file_format import FileFormat
from bench.data.files.scan import FileScan, SliceScan
from bench.errors import BenchError

IMAGE_KEY = "hu"  # name of the array of slices in an .npz file
LARGEST = 4096  # rows or columns; more is a damaged header


def scan_npz(path: Path) -> FileScan:
    """Return the scan of an archive; only the small arrays are loaded.

    The slices are the array ``hu`` (or the only array), of shape (N, H, W) or (H, W). Read where present:
    ``patient_id``, ``z_mm`` (N), ``pixel_spacing_mm`` (N, 2), (2) or one number, ``instance_number`` (N).

    Raises:
        BenchError: not an archive, damaged, pickled, or with arrays that do not fit each other.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            key = image_key([name.removesuffix(".npy") for name in archive.namelist()], path)
            with archive.open(f"{key}.npy") as member:
                shape, dtype = _array_header(member)
        count, image_shape = _stack(shape, dtype, path)
        with np.load(path, allow_pickle=False) as arrays:
            small = {
                k: arrays[k]
                for k in ("patient_id", "z_mm", "pixel_spacing_mm", "instance_number")
                if k in arrays.files
            }
    except atomic.DAMAGED as error:
        raise _damaged(path, error) from None
    return FileScan(_npz_slices(small, count, path), image_shape, _patient(small, path), volume=True)


def scan_npy(path: Path) -> FileScan:
    """Return the scan of an array (H, W) or (N, H, W).

    Raises:
        BenchError: not an array, truncated, pickled, or of another shape.
    """
    try:
        with open(path, "rb") as file:
            shape, dtype = _array_header(file)
            start = file.tell()
        count, image_shape = _stack(shape, dtype, path)
        missing = start + math.prod(shape) * dtype.itemsize - path.stat().st_size
    except atomic.DAMAGED as error:
        raise _damaged(path, error) from None
    if missing > 0:
        raise BenchError(f"truncated: {missing} bytes are missing", file=path)
    return FileScan(tuple(SliceScan(f"{i:04d}") for i in range(count)), image_shape, volume=len(shape) == 3)


def scan_flt(path: Path, matrix: int | None = None) -> FileScan:
    """Return the scan of a raw float32 file of ``matrix`` x ``matrix`` pixels; None takes any square."""
    side = flt_side(path, matrix)
    return FileScan((SliceScan(),), (side, side))


def flt_side(path: Path, matrix: int | None) -> int:
    """Return the side in pixels of a raw float32 square; ``BenchError`` where its size does not fit."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _damaged(path, error) from None
    side = matrix or math.isqrt(size // 4)
    if size != 4 * side * side or side == 0:
        expected = f"{side} x {side} float32" if matrix else "a square of float32"
        raise BenchError(
            f"holds {size} bytes, not {expected}",
            file=path,
            remedy="truncated, or a crop, which cannot be projected",
        )
    return side


def read_npz(path: Path) -> npt.NDArray[Any]:
    """Return the slices (N, H, W) of an archive in their own type; ``BenchError`` where it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values: npt.NDArray[Any] = arrays[image_key(arrays.files, path)]
    except atomic.DAMAGED as error:
        raise _damaged(path, error) from None
    return values.reshape(-1, *values.shape[-2:])


def read_npy(path: Path) -> npt.NDArray[Any]:
    """Return the slices (N, H, W) of an ``.npy`` file, memory-mapped; ``BenchError`` where it is damaged."""
    try:
        values: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except atomic.DAMAGED as error:
        raise _damaged(path, error) from None
    return values.reshape(-1, *values.shape[-2:])


def read_flt(path: Path, matrix: int | None = None) -> npt.NDArray[np.float32]:
    """Return the slice (1, H, W) of a raw file: little-endian float32, column by column.

    Raises:
        BenchError: the size of the file does not fit ``matrix`` (None: any square).
    """
    side = flt_side(path, matrix)
    try:
        values = np.fromfile(path, "<f4", count=side * side)
    except OSError as error:
        raise _damaged(path, error) from None
    return values.astype(np.float32, copy=False).reshape((1, side, side), order="C").transpose(0, 2, 1)


def npz_format(unit: str = "", matrix: int | None = None) -> FileFormat:
    """Return the format of archives."""
    return FileFormat("npz", (".npz",), scan_npz, read_npz)


def npy_format(unit: str = "", matrix: int | None = None) -> FileFormat:
    """Return the format of single arrays."""
    return FileFormat("npy", (".npy",), scan_npy, read_npy)


def flt_format(unit: str = "", matrix: int | None = None) -> FileFormat:
    """Return the format of raw float32 files of ``matrix`` x ``matrix`` pixels, None: of any square."""
    scan, read = partial(scan_flt, matrix=matrix), partial(read_flt, matrix=matrix)
    return FileFormat(f"flt{matrix or ''}", (".flt",), scan, read)


def to_mu(values: npt.NDArray[Any], unit: str, path: Path, *, clip: bool = True) -> npt.NDArray[np.float32]:
    """Return ``values`` given in ``unit`` (``HU``, ``1/cm`` or ``1/mm``) as mu in 1/cm, float32, same shape.

    With ``clip`` whatever lies below air (padding, -1024 HU, noise) becomes air, 0; without it values stay
    linear, as degraded slices need.

    Raises:
        BenchError: values that are not finite. What cannot be in the unit was refused when the source was read
            (``bench.data.files.plausible``).
    """
    low, high = float(np.min(values)), float(np.max(values))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise BenchError("holds NaN or infinite values", file=path, remedy="replace or remove it")
    if unit == "HU" and clip:
        return hu_to_mu(values)
    wide = values.astype(np.float64)
    mu = MU_WATER * (1.0 + wide / 1000.0) if unit == "HU" else wide * (10.0 if unit == "1/mm" else 1.0)
    return (np.maximum(mu, 0.0) if clip else mu).astype(np.float32)


def image_key(names: list[str], path: Path) -> str:
    """Return the name of the array of slices among those of an archive."""
    if IMAGE_KEY in names:
        return IMAGE_KEY
    if len(names) == 1:
        return names[0]
    raise BenchError(f"holds no array named {IMAGE_KEY}", file=path)


def _array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _stack(shape: tuple[int, ...], dtype: np.dtype[Any], path: Path) -> tuple[int, tuple[int, int]]:
    """Return how many slices an array holds, and the rows and columns of each."""
    if dtype.kind not in "iuf":
        raise BenchError(
            f"holds {dtype} values, not numbers", file=path, remedy="pickled objects are never loaded"
        )
    if len(shape) not in (2, 3) or 0 in shape or max(shape[-2:]) > LARGEST:
        raise BenchError(f"holds an array of shape {shape}, not (H, W) or (N, H, W)", file=path)
    return (shape[0] if len(shape) == 3 else 1), (shape[-2], shape[-1])


def _npz_slices(small: dict[str, npt.NDArray[Any]], count: int, path: Path) -> tuple[SliceScan, ...]:
    z = _per_slice(small, "z_mm", count, (), path)
    spacing = _per_slice(small, "pixel_spacing_mm", count, (2,), path)
    numbers = _per_slice(small, "instance_number", count, (), path)
    labels = [f"{i:04d}" for i in range(count)]
    if numbers is not None and len({int(n) for n in numbers}) == count:
        labels = [str(int(n)) for n in numbers]
    return tuple(
        SliceScan(
            label,
            None if z is None or not math.isfinite(z[i]) else _shortest(z[i]),
            None if spacing is None else (_shortest(spacing[i][0]), _shortest(spacing[i][1])),
        )
        for i, label in enumerate(labels)
    )


def _per_slice(
    small: dict[str, npt.NDArray[Any]], key: str, count: int, tail: tuple[int, ...], path: Path
) -> npt.NDArray[Any] | None:
    values = small.get(key)
    if values is None:
        return None
    if values.dtype.kind not in "iuf":
        raise BenchError(f"{key} holds {values.dtype} values, not numbers", file=path)
    if key != "z_mm" and not np.isfinite(values).all():  # a place may be unknown
        raise BenchError(
            f"{key} holds NaN or infinite values", file=path, remedy="correct it or leave it out"
        )
    if (values.shape == () and (tail or count == 1)) or (tail and values.shape == tail):
        return np.broadcast_to(values, (count, *tail))  # one number for both, or the same for all slices
    if values.shape != (count, *tail):
        expected = f"(), {tail} or {(count, *tail)}" if tail else f"{(count,)}"
        message = f"{key} has shape {values.shape} for {count} slices, wanted is {expected}"
        raise BenchError(message, file=path, remedy="correct it, or leave it out")
    return values


def _shortest(value: Any) -> float:
    """Return the float that ``value`` prints as: 0.977 stored as float32 stays 0.977."""
    return float(str(value))


def _patient(small: dict[str, npt.NDArray[Any]], path: Path) -> str | None:
    values = small.get("patient_id")
    if values is None:
        return None
    names = {str(v).strip() for v in values.ravel()}
    if len(names) != 1:
        raise BenchError(f"patient_id names {len(names)} patients", file=path, remedy="one file per patient")
    return names.pop() or None


def _damaged(path: Path, error: Exception) -> BenchError:
    if isinstance(error, BenchError):
        return error
    if isinstance(error, FileNotFoundError):
        return BenchError("not found", file=path)
    reason = (
        "pickled objects are never loaded" if "pickle" in str(error).lower() else str(error) or "no content"
    )
    return BenchError(f"cannot be read ({reason})", file=path)
