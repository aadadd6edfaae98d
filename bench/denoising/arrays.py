"""Slices in HU in an ``.npy`` or ``.npz`` file as a series to be denoised: type, shape and other arrays are kept."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench import atomic
from bench.data.files.arrays import image_key, read_npy, scan_npy, scan_npz
from bench.data.files.scan import FileScan
from bench.denoising.images import Batch, Denoise, Mark, at_once, denoised, moved, outside
from bench.errors import BenchError


class ArrayFile:
    """The slices of one ``.npy`` file."""

    left_out = ""

    def __init__(self, source: Path) -> None:
        self._source, self._scan = source, scan_npy(source)
        self.count = len(self._scan.slices)

    def write(self, target: Path, denoise: Denoise, mark: Mark) -> Iterator[Batch]:
        """Write one array; see ``Series``."""
        return _write(self._source, self._scan, target, denoise, self._source)


class Archive:
    """The slices of one ``.npz`` file: its array ``hu``, or its only one."""

    left_out = ""

    def __init__(self, source: Path) -> None:
        self._source, self._scan = source, scan_npz(source)
        self.count = len(self._scan.slices)

    def write(self, target: Path, denoise: Denoise, mark: Mark) -> Iterator[Batch]:
        """Write one archive, its other arrays byte for byte; the slices lie unpacked beside ``target`` meanwhile."""
        with TemporaryDirectory(prefix=".tmp-", dir=target.parent) as folder:
            old, new = Path(folder, "in.npy"), Path(folder, "out.npy")
            try:
                with zipfile.ZipFile(self._source) as archive:
                    key = image_key([name.removesuffix(".npy") for name in archive.namelist()], self._source)
                    with archive.open(f"{key}.npy") as member, open(old, "wb") as file:
                        shutil.copyfileobj(member, file)
            except (zipfile.BadZipFile, EOFError) as error:
                raise BenchError(f"cannot be read ({error})", file=self._source) from None
            spacing = [one.spacing_mm for one in self._scan.slices]
            for start, batch in _counted(_write(old, scan_npy(old), new, denoise, self._source)):
                yield Batch(
                    batch.hu, None if (mm := spacing[start]) is None else float(np.sqrt(mm[0] * mm[1]))
                )
            with zipfile.ZipFile(self._source) as archive, zipfile.ZipFile(target, "w") as result:
                for info in archive.infolist():
                    is_changed = info.filename == f"{key}.npy"
                    entry = zipfile.ZipInfo(info.filename, info.date_time)
                    entry.compress_type = info.compress_type
                    with (
                        new.open("rb") if is_changed else archive.open(info) as content,
                        result.open(entry, "w", force_zip64=True) as member,
                    ):
                        shutil.copyfileobj(content, member)


def _counted(batches: Iterator[Batch]) -> Iterator[tuple[int, Batch]]:
    """Yield each few slices with the number of those before them."""
    start = 0
    for batch in batches:
        yield start, batch
        start += len(batch.hu)


def _write(source: Path, scan: FileScan, target: Path, denoise: Denoise, named: Path) -> Iterator[Batch]:
    """Write the slices of an ``.npy`` file one after another, never a map: on a full disk that would be a signal."""
    stored = read_npy(source)
    shape = stored.shape if scan.volume else stored.shape[1:]
    atomic.require_space(
        target.parent, stored.nbytes, purpose="the denoised slices", elsewhere="name another OUT"
    )
    with open(target, "wb") as file:
        description = {
            "descr": np.lib.format.dtype_to_descr(stored.dtype),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(file, description)
        step = at_once(*stored.shape[1:])
        for start in range(0, len(stored), step):
            values = np.ascontiguousarray(stored[start : start + step])
            hu = values.astype(np.float32)
            before, after = denoised(hu, np.stack([outside(one) for one in hu]), denoise, named)
            file.write(moved(values, after - before, 1.0).tobytes())
            yield Batch(before, None)
