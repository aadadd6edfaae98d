"""A NIfTI volume as a series to be denoised: every byte of its header but the free text ``descrip`` is kept."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import atomic
from bench.data.files.nifti import damaged, open_nifti, upright
from bench.denoising.images import RESEARCH, Batch, Denoise, Mark, at_once, denoised, moved, outside
from bench.errors import BenchError

_TEXT = 80  # bytes of descrip, the last of them 0


class NiftiVolume:
    """The axial slices of one volume; see ``bench.data.files.nifti`` for their order."""

    left_out = ""

    def __init__(self, source: Path) -> None:
        self._source = source
        image = open_nifti(source)
        shape, affine = image.shape[:3], image.affine
        slices, self._affine = upright(np.broadcast_to(np.uint8(0), shape), affine)
        self.count, self._shape = len(slices), slices.shape[1:]

    def write(self, target: Path, denoise: Denoise, mark: Mark) -> Iterator[Batch]:
        """Write one volume; a compressed one is unpacked beside ``target`` meanwhile. See ``Series``."""
        packed = self._source.name.lower().endswith(".gz")
        with (
            _unpacked(self._source, target.parent) if packed else _as_it_is(self._source, target) as (
                plain,
                out,
            )
        ):
            image = open_nifti(plain)
            stored, result = _start(image, plain, out, f"{RESEARCH}: denoised, cell {mark.cell}")
            yield from self._slices(image, stored, result, denoise)
            result.flush()
            if packed:
                with (
                    open(out, "rb") as whole,
                    open(target, "wb") as raw,
                    gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file,
                ):
                    shutil.copyfileobj(whole, file)

    def _slices(
        self, image: Any, stored: npt.NDArray[Any], result: npt.NDArray[Any], denoise: Denoise
    ) -> Iterator[Batch]:
        slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
        old, new = (upright(one.reshape(one.shape[:3]), image.affine)[0] for one in (stored, result))
        columns, rows, _ = np.linalg.norm(self._affine[:3, :3], axis=0)
        step = at_once(*self._shape)
        for start in range(0, self.count, step):
            values = np.ascontiguousarray(old[start : start + step])
            hu = (values.astype(np.float64) * slope + intercept).astype(np.float32)
            before, after = denoised(hu, np.stack([outside(one) for one in hu]), denoise, self._source)
            new[start : start + step] = moved(values, after - before, slope)
            yield Batch(before, float(np.sqrt(rows * columns)))


@contextmanager
def _as_it_is(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    yield source, target


@contextmanager
def _unpacked(source: Path, beside: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the unpacked file, and where the result belongs before it is packed; both are removed in the end."""
    with TemporaryDirectory(prefix=".tmp-", dir=beside) as folder:
        plain = Path(folder, "in.nii")
        with open(plain, "wb") as file:
            try:
                with gzip.open(source) as packed:
                    shutil.copyfileobj(packed, file)
            except (gzip.BadGzipFile, EOFError) as error:
                raise damaged(source, error) from None
        yield plain, Path(folder, "out.nii")


def _start(image: Any, plain: Path, out: Path, text: str) -> tuple[npt.NDArray[Any], np.memmap]:
    """Return the stored voxels of ``plain`` and those of ``out``, to be filled, where the header lies already.

    Both are maps of files, along the axes of the file: a slice of any orientation is read without the others.
    """
    proxy = image.dataobj
    offset, shape, dtype = int(proxy.offset), proxy.shape, proxy.dtype
    size = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    missing = size - plain.stat().st_size
    if missing > 0:  # a map of a file that is cut short would kill the process
        raise BenchError(f"cannot be read as NIfTI (cut short: {missing} bytes are missing)", file=plain)
    atomic.require_space(out.parent, size, purpose="the denoised slices", elsewhere="name another OUT")
    with open(plain, "rb") as file:
        head = bytearray(file.read(offset))
    place = image.header.template_dtype.fields["descrip"][1]
    head[place : place + _TEXT] = text.encode("ascii", "replace")[: _TEXT - 1].ljust(_TEXT, b"\0")
    with open(out, "wb") as file:
        file.write(head)
        os.truncate(file.fileno(), size)
        if hasattr(
            os, "posix_fallocate"
        ):  # a full disk is an error here, and not a signal at some later page
            os.posix_fallocate(file.fileno(), 0, size)
    stored = np.memmap(plain, dtype, "r", offset, shape, order="F")
    return stored, np.memmap(out, dtype, "r+", offset, shape, order="F")
